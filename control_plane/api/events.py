"""Server-Sent Events over the append-only log: resumable by `Last-Event-ID`, complete, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse

from control_plane.api.jobs import find
from control_plane.api.problems import NothingMore, Problem
from control_plane.api.services import Services, Use
from control_plane.jobs import queries
from control_plane.jobs.records import EventRecord

router = APIRouter(tags=["events"], responses={"4XX": {"model": Problem}})

LastEventId = Annotated[int | None, Header(ge=0)]
PING_SECONDS = 15.0
PING = b": nothing new\n\n"
"""A proxy cuts a connection that is silent for long (nginx after a minute)."""
NOT_HELD_BACK = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_TEXT = {"type": "string"}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"itemSchema": {
        "type": "object",
        "properties": {"event": _TEXT, "id": _TEXT, "data": {**_TEXT, "contentMediaType": "application/json"}},
    }}}}
}  # fmt: skip
"""As OpenAPI 3.2 describes Server-Sent Events (section 4.14.4)."""


class EventStream(StreamingResponse):
    """Of whole pieces: FastAPI's own passes each event through two tasks and a timer."""

    media_type = "text/event-stream"


async def _existing(services: Use, job_id: UUID, last_event_id: LastEventId = None) -> str:
    """The id of a job that has, or may yet have, something to say; else 404, or 204 to end reconnecting."""
    job = find(services, job_id)
    if job.status.is_terminal and not services.table.ask(queries.events_after, last_event_id or 0, job.id, 1):
        raise NothingMore
    return job.id


@router.get("/jobs/{job_id}/events", response_class=EventStream, responses=STREAM)
async def job_events(
    services: Use, job_id: Annotated[str, Depends(_existing)], last_event_id: LastEventId = None
) -> EventStream:
    """All events of one job, from its beginning or after `Last-Event-ID`; the stream ends when the job is finished."""
    return EventStream(_follow(services, last_event_id or 0, job_id), headers=NOT_HELD_BACK)


@router.get("/events", response_class=EventStream, responses=STREAM)
async def all_events(services: Use, last_event_id: LastEventId = None) -> EventStream:
    """Events of all jobs, from now on or after `Last-Event-ID`."""
    after = services.table.ask(queries.last_event_id) if last_event_id is None else last_event_id
    return EventStream(_follow(services, after, None), headers=NOT_HELD_BACK)


async def _follow(services: Services, after: int, job_id: str | None) -> AsyncIterator[bytes]:
    """What has happened since the last look, in one piece: where thousands of jobs report, that is dozens of events."""
    while True:
        found = services.table.ask(queries.events_after, after, job_id)
        if found:
            after = found[-1].id
            yield b"".join(map(_sse, found))
        elif job_id is not None and _is_over(services, job_id):
            return
        elif not await services.table.changed(job_id, PING_SECONDS):
            yield PING


def _is_over(services: Services, job_id: str) -> bool:
    job = services.table.ask(queries.job_by_id, job_id)
    return job is None or job.status.is_terminal


def _sse(event: EventRecord) -> bytes:
    """`data` is JSON on one line, as SQLite writes it."""
    return f"event: {event.type}\nid: {event.id}\ndata: {event.data}\n\n".encode()
