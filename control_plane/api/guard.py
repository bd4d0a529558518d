"""Who may call at all: Host allow-list, Origin check on writes, key and its scope and limit, body limit, CORS."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from urllib.parse import parse_qs, urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane import logs, telemetry
from control_plane.api.guesses import Guesses
from control_plane.api.keyring import WINDOW_SECONDS, Holder, KeyRing, scope_needed
from control_plane.api.problems import MAX_BODY, TOO_LARGE, BodyTooLarge, problem

Headers = dict[bytes, bytes]

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OPEN_PATHS = ("/health", "/healthz", "/readyz", "/openapi.json", "/console")
SIGNED_PREFIXES = ("/files/", "/callbacks/", "/webhooks/runpod/")
"""These carry their own proof in the URL: a signature or a token."""
PUBLIC_PREFIXES = ("/console/",)
"""Files that hold nothing of the owner's: the page asks for the key itself."""
VARY = (b"vary", b"Origin")
PAGES_MAY_SEND = [
    "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer", "X-API-Key",
]  # fmt: skip
EXPOSED = (
    b"access-control-expose-headers",
    b"ETag, Link, Location, Retry-After, X-Request-ID, Idempotent-Replayed, Preference-Applied, Unknown-Ids, "
    b"RateLimit, RateLimit-Policy",
)


@dataclass(frozen=True)
class Rules:
    """`hosts` are names without port; `origins` are exact, but `app://` stands for every origin of that scheme."""

    hosts: frozenset[str]
    origins: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """Why a request does not pass. `retry_after` in seconds, where it would pass later."""

    status: int
    code: str
    detail: str
    retry_after: int | None = None


HOST_NOT_ALLOWED = Refusal(421, "HOST_NOT_ALLOWED", "This server does not answer to that host name: set PUBLIC_URL")
ORIGIN_NOT_ALLOWED = Refusal(403, "ORIGIN_NOT_ALLOWED", "Pages of that origin may not write here: see CORS_ORIGINS")
UNAUTHORIZED = Refusal(401, "UNAUTHORIZED", "Send your API key as 'Authorization: Bearer <key>'")
TOO_MANY = "This key has made more requests than it may in one minute"
TOO_MANY_GUESSES = "Too many wrong keys came from your address: wait a minute"


class Guard:
    """Answers what must not pass with a problem, gives each request an id, and says whose pages may read the answer.

    Everything passes here, so it looks at the bytes themselves: Starlette's own CORS middleware stands aside for
    preflights, which are answered before a key is asked for.
    """

    def __init__(self, app: ASGIApp, rules: Rules, keys: KeyRing, guesses: Guesses) -> None:
        self._app = app
        self._rules = rules
        self._keys = keys
        self._guesses = guesses
        self._preflights = _preflights(app, rules)
        self._ids = map(f"{secrets.token_hex(10)}{{:012x}}".format, count())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers: Headers = dict(reversed(scope["headers"]))  # of a name given twice the first counts
        if scope["type"] == "websocket":
            await self._socket(scope, headers, receive, send)
            return
        if scope["method"] == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers:
            await self._preflights(scope, receive, send)
            return
        request_id = next(self._ids)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        logs.request_id.set(request_id)
        telemetry.tag("request_id", request_id)
        refusal = self._refusal(scope, headers)
        added = [(b"x-request-id", request_id.encode()), *self._for_pages(headers.get(b"origin"))]
        if "holder" in state:
            added += self._limits(state["holder"])

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        answer = self._app if refusal is None else _problem(scope, refusal)
        await answer(scope, _limited(scope, receive), sending)

    async def _socket(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """A page of any origin can open a socket, and CORS says nothing about them: each one's origin is looked at."""
        origin = headers.get(b"origin")
        scope.setdefault("state", {})["request_id"] = next(self._ids)
        refusal = self._wrong_host(headers)
        if refusal is None and origin is not None and not self._knows_origin(origin, headers):
            refusal = ORIGIN_NOT_ALLOWED
        refusal = refusal or self._wrong_key(scope, "GET", headers)
        answer = self._app if refusal is None else _problem(scope, refusal)
        await answer(scope, receive, send)

    def _limits(self, holder: Holder) -> Iterable[tuple[bytes, bytes]]:
        """draft-ietf-httpapi-ratelimit-headers-10: the key's quota, what is left of it, and for how many seconds."""
        left, seconds = max(holder.left, 0), self._keys.seconds_left(holder)
        return (
            (b"ratelimit-policy", b'"key";q=%d;w=%d' % (holder.per_minute or 0, WINDOW_SECONDS)),
            (b"ratelimit", b'"key";r=%d;t=%d' % (left, seconds)),
        )

    def _for_pages(self, origin: bytes | None) -> Iterable[tuple[bytes, bytes]]:
        if origin is None or not allows_origin(self._rules.origins, origin.decode("latin-1")):
            return (VARY,)
        return (VARY, (b"access-control-allow-origin", origin), EXPOSED)

    def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        method, origin = scope["method"], headers.get(b"origin")
        if wrong_host := self._wrong_host(headers):
            return wrong_host
        if origin is not None and method not in SAFE_METHODS and not self._knows_origin(origin, headers):
            return ORIGIN_NOT_ALLOWED
        if method != "OPTIONS" and not _is_open(scope["path"]) and (wrong := self._wrong_key(scope, method, headers)):
            return wrong
        if _declared_length(headers) > MAX_BODY and not _is_upload(scope):
            return Refusal(*TOO_LARGE)
        return None

    def _wrong_host(self, headers: Headers) -> Refusal | None:
        return None if _host_name(headers.get(b"host", b"")) in self._rules.hosts else HOST_NOT_ALLOWED

    def _wrong_key(self, scope: Scope, method: str, headers: Headers) -> Refusal | None:
        peer, given = (scope["client"] or ("",))[0], _given_key(headers)
        if (seconds := self._guesses.seconds_left(peer, headers)) is not None:
            return Refusal(429, "RATE_LIMITED", TOO_MANY_GUESSES, seconds)
        holder = self._keys.holder_of(given) or self._ticket_holder(scope)
        if holder is None:
            if given:
                self._guesses.note(peer, headers, given)
            return UNAUTHORIZED
        if holder.per_minute is not None:
            scope["state"]["holder"] = holder
            if not self._keys.take(holder):
                return Refusal(429, "RATE_LIMITED", TOO_MANY, self._keys.seconds_left(holder))
            needed = scope_needed(method, scope["path"])
            if not holder.may(needed):
                return Refusal(403, "SCOPE_MISSING", f"This key may not do that: it lacks the scope '{needed}'")
        return None

    def _ticket_holder(self, scope: Scope) -> Holder | None:
        """Only for streams, which browsers open without headers; elsewhere an address with a ticket opens nothing."""
        if scope["type"] != "websocket" and not (scope["method"] == "GET" and scope["path"].endswith("/events")):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [""])[0]
        return self._keys.holder_of_ticket(given)

    def _knows_origin(self, origin: bytes, headers: Headers) -> bool:
        given = origin.decode("latin-1")
        if urlsplit(given).netloc.encode("latin-1") == headers.get(b"host"):
            return True
        return allows_origin(self._rules.origins, given)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith((*SIGNED_PREFIXES, *PUBLIC_PREFIXES))


def _given_key(headers: Headers) -> bytes:
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    return given.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")


def _problem(scope: Scope, refusal: Refusal) -> JSONResponse:
    later = refusal.retry_after
    return problem(
        HTTPConnection(scope), refusal.status, refusal.code, refusal.detail,
        retryable=later is not None, retry_after=later,
    )  # fmt: skip


def _preflights(app: ASGIApp, rules: Rules) -> CORSMiddleware:
    exact = [origin for origin in rules.origins if not origin.endswith("://")]
    schemes = [origin for origin in rules.origins if origin.endswith("://")]
    return CORSMiddleware(
        app,
        allow_origins=exact,
        allow_origin_regex="|".join(f"{scheme}.+" for scheme in schemes) or None,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=PAGES_MAY_SEND,
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
