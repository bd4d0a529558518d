"""`GET /jobs/{id}`, the call every client makes every two seconds: rendered once a change, answered before the router.

The route in `api.jobs` stays for everything but the plain read (waiting, errors, the API's description) and renders
here too. What is kept is the body, by the few numbers that can change it; reading those takes one indexed statement.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from starlette.types import ASGIApp, Receive, Scope, Send

from control_plane.api.presenter import FRESH_LINKS_MS, LINE_MS, present_detail
from control_plane.api.services import Services
from control_plane.jobs import queries
from control_plane.jobs.queries import Freshness
from shared.references import JOB_ID
from shared.states import JobStatus

KEPT = 2000
COST_MS = 5000
CACHE_CONTROL = b"private, no-cache"
_PLAIN = re.compile(rf"/jobs/({JOB_ID})")
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class Rendered:
    """A job's JSON, and the ETag that changes with it.

    Good while the table has made no more than `commits`, until the time `until`; then `key` says whether it still is.
    """

    key: tuple[object, ...]
    etag: bytes
    body: bytes
    same: Headers
    whole: Headers
    commits: int = -1
    until: int = 0


class Reading:
    """The latest renderings, least recently used first out. One an app, at `app.state.reading`."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Rendered] = OrderedDict()

    def of(self, services: Services, job_id: str) -> Rendered | None:
        """The job as it is now, or None when there is none."""
        commits, now = services.table.commits, services.clock()
        kept = self._kept.get(job_id)
        if kept is None or kept.commits != commits or now >= kept.until:
            kept = self._looked_at(services, job_id, kept, now)
            if kept is None:
                return None
            kept.commits = commits
        self._kept.move_to_end(job_id)
        return kept

    def _looked_at(self, services: Services, job_id: str, kept: Rendered | None, now: int) -> Rendered | None:
        found = services.table.ask(queries.freshness, job_id)
        if found is None:
            return None
        key, until = _key(found, now)
        if kept is None or kept.key != key:
            job = services.table.ask(queries.job_by_id, job_id)
            if job is None:
                return None
            body = present_detail(services, job).model_dump_json().encode()
            kept = self._kept[job_id] = _rendered(job_id, key, body)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        kept.until = until
        return kept


def _key(found: Freshness, now: int) -> tuple[tuple[object, ...], int]:
    """What the rendering depends on, and until when that cannot change without a commit.

    Links are signed anew in each window; what a running job has cost, and where a waiting one stands, is counted anew
    every few seconds.
    """
    period = LINE_MS if found.status is JobStatus.QUEUED else FRESH_LINKS_MS
    if found.status is JobStatus.RUNNING and found.is_priced:
        period = COST_MS
    key = (found.version, found.settled, found.is_provisional, now // FRESH_LINKS_MS, now // period)
    return key, (now // period + 1) * period


def _rendered(job_id: str, key: tuple[object, ...], body: bytes) -> Rendered:
    etag = f'W/"{blake2b(f"{job_id} {key}".encode(), digest_size=12).hexdigest()}"'.encode()
    same = ((b"etag", etag), (b"cache-control", CACHE_CONTROL))
    whole = (*same, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
    return Rendered(key, etag, body, same, whole)


def matches(if_none_match: str | None, etag: str) -> bool:
    """Weak comparison (RFC 9110, 8.8.3.2)."""
    given = [part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")]
    return "*" in given or etag.removeprefix("W/") in given


class FastLane:
    """ASGI: answers plain reads of one job, passes everything else on. Stands behind the guard."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        job_id, known = _plain_read(scope)
        state = scope["app"].state if job_id else None
        rendered = state.reading.of(state.services, job_id) if state else None
        if rendered is None:
            await self._app(scope, receive, send)
        elif known == rendered.etag or (known and matches(known.decode("latin-1"), rendered.etag.decode())):
            await send({"type": "http.response.start", "status": 304, "headers": rendered.same})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": rendered.whole})
            await send({"type": "http.response.body", "body": rendered.body})


def _plain_read(scope: Scope) -> tuple[str | None, bytes | None]:
    """The job's id, when nothing but the job as it is now is asked for; what the client says it has."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
        return None, None
    found = _PLAIN.fullmatch(scope["path"])
    if found is None:
        return None, None
    known: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            known = value
        elif name == b"prefer":
            return None, None
    return found[1], known
