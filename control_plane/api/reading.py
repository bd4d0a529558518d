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

from control_plane.api.presenter import FRESH_LINKS_MS, present_detail
from control_plane.api.services import Services
from control_plane.jobs import queries
from control_plane.jobs.queries import Freshness
from shared.states import JobStatus

KEPT = 2000
COST_MS = 5000
_PLAIN = re.compile(r"/jobs/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")


@dataclass(frozen=True)
class Rendered:
    """A job's JSON, and the ETag that changes with it."""

    key: tuple[object, ...]
    etag: bytes
    body: bytes


class Reading:
    """The latest renderings, least recently used first out. One an app, at `app.state.reading`."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Rendered] = OrderedDict()

    def of(self, services: Services, job_id: str) -> Rendered | None:
        """The job as it is now, or None when there is none."""
        found = services.table.ask(queries.freshness, job_id)
        if found is None:
            return None
        key = _key(found, services.clock())
        kept = self._kept.get(job_id)
        if kept is None or kept.key != key:
            job = services.table.ask(queries.job_by_id, job_id)
            if job is None:
                return None
            body = present_detail(services, job).model_dump_json().encode()
            kept = self._kept[job_id] = Rendered(key, _etag(job_id, key), body)
        self._kept.move_to_end(job_id)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept


def _key(found: Freshness, now: int) -> tuple[object, ...]:
    """Links are signed anew in each window; what a running job has cost is counted anew every few seconds."""
    running = now // COST_MS if found.status is JobStatus.RUNNING and found.is_priced else 0
    return (found.version, found.settled, found.is_provisional, now // FRESH_LINKS_MS, running)


def _etag(job_id: str, key: tuple[object, ...]) -> bytes:
    return f'W/"{blake2b(f"{job_id} {key}".encode(), digest_size=12).hexdigest()}"'.encode()


class FastLane:
    """ASGI: answers plain reads of one job, passes everything else on. Stands behind the guard."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        job_id = _plain_read(scope)
        rendered = scope["app"].state.reading.of(scope["app"].state.services, job_id) if job_id else None
        if rendered is None:
            await self._app(scope, receive, send)
            return
        headers = [(b"etag", rendered.etag), (b"cache-control", b"private, no-cache")]
        if _has(scope, b"if-none-match", rendered.etag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(rendered.body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": rendered.body})


def _plain_read(scope: Scope) -> str | None:
    """The job's id when nothing but the job as it is now is asked for."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
        return None
    found = _PLAIN.fullmatch(scope["path"])
    waits = found and any(name == b"prefer" for name, _ in scope["headers"])
    return found[1] if found and not waits else None


def _has(scope: Scope, name: bytes, etag: bytes) -> bool:
    return any(header == name and value == etag for header, value in scope["headers"])
