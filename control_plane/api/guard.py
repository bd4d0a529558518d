"""Who may call at all: Host allow-list, Origin check on writes, API key, body limit. Plain ASGI, before any route."""

from __future__ import annotations

import hmac
import ipaddress
import uuid
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.api.problems import MAX_BODY, TOO_LARGE, BodyTooLarge, problem

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OPEN_PATHS = ("/health", "/healthz", "/readyz", "/openapi.json")
SIGNED_PREFIXES = ("/files/", "/callbacks/", "/webhooks/runpod/")
"""These carry their own proof in the URL: a signature or a token."""


@dataclass(frozen=True)
class Rules:
    """`hosts` are names without port; `origins` are exact, but `app://` stands for every origin of that scheme."""

    api_key: str | None
    hosts: frozenset[str]
    origins: tuple[str, ...]


class Guard:
    """Answers what must not pass with a problem and gives each request an id."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request.state.request_id = uuid.uuid4().hex

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request.state.request_id.encode())]
            await send(message)

        refusal = self._refusal(request)
        answer = self._app if refusal is None else problem(request, *refusal)
        await answer(scope, _limited(request, receive), sending)

    def _refusal(self, request: Request) -> tuple[int, str, str] | None:
        headers = request.headers
        if not self._knows_host(headers):
            return 421, "HOST_NOT_ALLOWED", "This server does not answer to that host name: set PUBLIC_URL"
        origin = headers.get("origin")
        if origin is not None and request.method not in SAFE_METHODS and not self._knows_origin(origin, headers):
            return 403, "ORIGIN_NOT_ALLOWED", "Pages of that origin may not write here: see CORS_ORIGINS"
        if request.method != "OPTIONS" and not self._has_key(request):
            return 401, "UNAUTHORIZED", "Send your API key as 'Authorization: Bearer <key>'"
        if _declared_length(headers) > MAX_BODY and not _is_upload(request):
            return TOO_LARGE
        return None

    def _knows_host(self, headers: Headers) -> bool:
        return _host_name(headers.get("host", "")) in self._rules.hosts

    def _knows_origin(self, origin: str, headers: Headers) -> bool:
        if urlsplit(origin).netloc == headers.get("host"):
            return True
        return allows_origin(self._rules.origins, origin)

    def _has_key(self, request: Request) -> bool:
        if self._rules.api_key is None:
            return True
        path = request.scope["path"]
        if path in OPEN_PATHS or path.startswith(SIGNED_PREFIXES):
            return True
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        given = given if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
        return hmac.compare_digest(given.encode(), self._rules.api_key.encode())


def allows_origin(origins: tuple[str, ...], origin: str) -> bool:
    """Exact match, or any origin of a scheme listed as `scheme://`; never the opaque origin `null`."""
    return origin != "null" and any(
        origin == allowed or (allowed.endswith("://") and origin.startswith(allowed)) for allowed in origins
    )


def host_names(host: str, public_url: str | None) -> frozenset[str]:
    """The names we answer to: loopback, the address bound to when it is one, and the public name."""
    names = {"127.0.0.1", "::1", "localhost"}
    try:
        unspecified = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        unspecified = False
    if not unspecified:
        names.add(host.lower())
    if public_url:
        names.add((urlsplit(public_url).hostname or "").lower())
    return frozenset(names)


@lru_cache(maxsize=256)
def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _declared_length(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdigit() else 0


def _is_upload(request: Request) -> bool:
    return request.method == "PUT" and request.scope["path"].startswith("/files/")


def _limited(request: Request, receive: Receive) -> Receive:
    """`receive` that stops at the limit, also where no length was declared. Uploads have a signed length instead."""
    if _is_upload(request):
        return receive
    left = MAX_BODY

    async def receiving() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise BodyTooLarge
        return message

    return receiving
