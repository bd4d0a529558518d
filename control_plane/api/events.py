"""Server-Sent Events over the append-only log: resumable by `Last-Event-ID`, complete, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from control_plane.api.jobs import find
from control_plane.api.problems import NothingMore, Problem
from control_plane.api.services import Services, Use
from control_plane.jobs import queries
from control_plane.jobs.records import EventRecord

router = APIRouter(tags=["events"], responses={"4XX": {"model": Problem}})

LastEventId = Annotated[int | None, Header(ge=0)]
POLL_SECONDS = 30.0


async def _existing(services: Use, job_id: UUID, last_event_id: LastEventId = None) -> str:
    """The id of a job that has, or may yet have, something to say; else 404, or 204 to end reconnecting."""
    job = find(services, job_id)
    if job.status.is_terminal and not services.table.ask(queries.events_after, last_event_id or 0, job.id, 1):
        raise NothingMore
    return job.id


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def job_events(
    services: Use, job_id: Annotated[str, Depends(_existing)], last_event_id: LastEventId = None
) -> AsyncIterator[ServerSentEvent]:
    """All events of one job, from its beginning or after `Last-Event-ID`; the stream ends when the job is finished."""
    async for event in _follow(services, last_event_id or 0, job_id):
        yield _sse(event)
        job = services.table.ask(queries.job_by_id, job_id)
        if job is None or (job.status.is_terminal and _is_last(services, event)):
            return


@router.get("/events", response_class=EventSourceResponse)
async def all_events(services: Use, last_event_id: LastEventId = None) -> AsyncIterator[ServerSentEvent]:
    """Events of all jobs, from now on or after `Last-Event-ID`."""
    after = services.table.ask(queries.last_event_id) if last_event_id is None else last_event_id
    async for event in _follow(services, after, None):
        yield _sse(event)


async def _follow(services: Services, after: int, job_id: str | None) -> AsyncIterator[EventRecord]:
    while True:
        found = services.table.ask(queries.events_after, after, job_id)
        for event in found:
            after = event.id
            yield event
        if not found:
            await services.table.changed(job_id, POLL_SECONDS)


def _is_last(services: Services, event: EventRecord) -> bool:
    return not services.table.ask(queries.events_after, event.id, event.job_id, 1)


def _sse(event: EventRecord) -> ServerSentEvent:
    return ServerSentEvent(raw_data=event.data, event=event.type, id=str(event.id))
