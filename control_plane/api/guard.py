"""Who may call at all: Host allow-list, Origin check on writes, API key, body limit, CORS. Before any route."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.api.problems import MAX_BODY, TOO_LARGE, BodyTooLarge, problem

Headers = dict[bytes, bytes]

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OPEN_PATHS = ("/health", "/healthz", "/readyz", "/openapi.json")
SIGNED_PREFIXES = ("/files/", "/callbacks/", "/webhooks/runpod/")
"""These carry their own proof in the URL: a signature or a token."""
VARY = (b"vary", b"Origin")
EXPOSED = (b"access-control-expose-headers", b"ETag, Link, Location, Retry-After, X-Request-ID")


@dataclass(frozen=True)
class Rules:
    """`hosts` are names without port; `origins` are exact, but `app://` stands for every origin of that scheme."""

    api_key: str | None
    hosts: frozenset[str]
    origins: tuple[str, ...]


class Guard:
    """Answers what must not pass with a problem, gives each request an id, and says whose pages may read the answer.

    Everything passes here, so it looks at the bytes themselves: Starlette's own CORS middleware stands aside for
    preflights, which are answered before a key is asked for.
    """

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        self._preflights = _preflights(app, rules)
        self._ids = map(f"{secrets.token_hex(10)}{{:012x}}".format, count())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: Headers = dict(reversed(scope["headers"]))  # of a name given twice the first counts
        if scope["method"] == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers:
            await self._preflights(scope, receive, send)
            return
        request_id = next(self._ids)
        scope.setdefault("state", {})["request_id"] = request_id
        added = [(b"x-request-id", request_id.encode()), *self._for_pages(headers.get(b"origin"))]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        refusal = self._refusal(scope, headers)
        answer = self._app if refusal is None else problem(Request(scope), *refusal)
        await answer(scope, _limited(scope, receive), sending)

    def _for_pages(self, origin: bytes | None) -> Iterable[tuple[bytes, bytes]]:
        if origin is None or not allows_origin(self._rules.origins, origin.decode("latin-1")):
            return (VARY,)
        return (VARY, (b"access-control-allow-origin", origin), EXPOSED)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str, str] | None:
        method, origin = scope["method"], headers.get(b"origin")
        if _host_name(headers.get(b"host", b"")) not in self._rules.hosts:
            return 421, "HOST_NOT_ALLOWED", "This server does not answer to that host name: set PUBLIC_URL"
        if origin is not None and method not in SAFE_METHODS and not self._knows_origin(origin, headers):
            return 403, "ORIGIN_NOT_ALLOWED", "Pages of that origin may not write here: see CORS_ORIGINS"
        if method != "OPTIONS" and not self._has_key(scope["path"], headers):
            return 401, "UNAUTHORIZED", "Send your API key as 'Authorization: Bearer <key>'"
        if _declared_length(headers) > MAX_BODY and not _is_upload(scope):
            return TOO_LARGE
        return None

    def _knows_origin(self, origin: bytes, headers: Headers) -> bool:
        given = origin.decode("latin-1")
        if urlsplit(given).netloc.encode("latin-1") == headers.get(b"host"):
            return True
        return allows_origin(self._rules.origins, given)

    def _has_key(self, path: str, headers: Headers) -> bool:
        if self._rules.api_key is None or path in OPEN_PATHS or path.startswith(SIGNED_PREFIXES):
            return True
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        given = given if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        return hmac.compare_digest(given, self._rules.api_key.encode())


def _preflights(app: ASGIApp, rules: Rules) -> CORSMiddleware:
    exact = [origin for origin in rules.origins if not origin.endswith("://")]
    schemes = [origin for origin in rules.origins if origin.endswith("://")]
    return CORSMiddleware(
        app,
        allow_origins=exact,
        allow_origin_regex="|".join(f"{scheme}.+" for scheme in schemes) or None,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer"],
    )


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
def _host_name(host: bytes) -> str:
    try:
        return (urlsplit(f"//{host.decode('latin-1')}").hostname or "").lower()
    except ValueError:
        return ""


def _declared_length(headers: Headers) -> int:
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0


def _is_upload(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] == "PUT" and path.startswith("/files/")


def _limited(scope: Scope, receive: Receive) -> Receive:
    """`receive` that stops at the limit, also where no length was declared. Uploads have a signed length instead."""
    if _is_upload(scope):
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
