"""The append-only log as Server-Sent Events and over a WebSocket: resumable by `Last-Event-ID`, complete, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, WebSocket
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection

from control_plane.api.jobs import find
from control_plane.api.keyring import Holder
from control_plane.api.problems import NothingMore, Problem, problem
from control_plane.api.services import Services, Use
from control_plane.jobs import queries
from control_plane.jobs.records import EventRecord

LARGEST_ID = 2**63 - 1
router = APIRouter(tags=["events"], responses={"4XX": {"model": Problem}})

LastEventId = Annotated[int | None, Header(ge=0, le=LARGEST_ID)]
PING_SECONDS = 15.0
PING = b": nothing new\n\n"
"""A proxy cuts a connection that is silent for long (nginx after a minute)."""
RETRY_MS = 1000
"""For how long an EventSource waits before it connects again."""
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
async def stream_job_events(
    request: Request, services: Use, job_id: Annotated[str, Depends(_existing)], last_event_id: LastEventId = None
) -> EventStream:
    """All events of one job, from its beginning or after `Last-Event-ID`; the stream ends when the job is finished.

    `data` is JSON: `job_id`, `type`, `status`, `progress`, `stage`, `stage_message`, `error`, `error_code`, `version`.
    The WebSocket `/ws/jobs/{job_id}?last_event_id=` has the same, each as `{"id", "event", "data"}`. Where no header
    can be sent, `?ticket=` of `POST /tickets` stands for the key.
    """
    return _stream(request, services, last_event_id or 0, job_id)


@router.get("/events", response_class=EventStream, responses=STREAM)
async def stream_events(request: Request, services: Use, last_event_id: LastEventId = None) -> EventStream:
    """Events of all jobs, from now on or after `Last-Event-ID`. The id of now comes first, in a block without data."""
    newest = services.table.ask(queries.last_event_id)
    return _stream(request, services, newest if last_event_id is None else min(last_event_id, newest), None)


def _stream(connection: HTTPConnection, services: Services, after: int, job_id: str | None) -> EventStream:
    return EventStream(_sse(services, after, job_id, _holder(connection)), headers=NOT_HELD_BACK)


async def _sse(services: Services, after: int, job_id: str | None, holder: Holder | None) -> AsyncIterator[bytes]:
    # The id at once: a client that is cut off before the first event comes back for what happened meanwhile.
    yield f"retry: {RETRY_MS}\nid: {after}\n\n".encode()
    async for found in _follow(services, after, job_id, holder):
        yield b"".join(map(_block, found)) or PING


@router.websocket("/ws/jobs/{job_id}")
async def job_socket(websocket: WebSocket, job_id: str) -> None:
    """The events of one job, as JSON, for apps that want a socket; closed with 1000 when the job is finished."""
    services: Services = websocket.app.state.services
    after = websocket.query_params.get("last_event_id") or websocket.headers.get("last-event-id") or "0"
    if services.table.ask(queries.job_by_id, job_id) is None:
        await websocket.send_denial_response(problem(websocket, 404, "NOT_FOUND", "There is no such job"))
        return
    if not (after.isascii() and after.isdigit() and len(after) < 20 and int(after) <= LARGEST_ID):
        wrong = problem(websocket, 422, "INVALID_REQUEST", "last_event_id: give the id of an event")
        await websocket.send_denial_response(wrong)
        return
    await websocket.accept()
    sending = asyncio.create_task(_tell(websocket, _follow(services, int(after), job_id, _holder(websocket))))
    listening = asyncio.create_task(_until_gone(websocket))
    await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
    for task in (sending, listening):
        task.cancel()
    await asyncio.gather(sending, listening, return_exceptions=True)


async def _tell(websocket: WebSocket, following: AsyncIterator[list[EventRecord]]) -> None:
    async for found in following:
        for event in found:
            await websocket.send_text(f'{{"id":{event.id},"event":"{event.type}","data":{event.data}}}')
    await websocket.close()


async def _until_gone(websocket: WebSocket) -> None:
    """What a client says is not listened to; that it has gone is."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def _holder(connection: HTTPConnection) -> Holder | None:
    return getattr(connection.state, "holder", None)


async def _follow(
    services: Services, after: int, job_id: str | None, holder: Holder | None
) -> AsyncIterator[list[EventRecord]]:
    """What has happened since the last look; empty where nothing has for a while.

    Ends when the job is finished, or the key that opened the stream is revoked.
    """
    while holder is None or not holder.is_revoked:
        found = services.table.ask(queries.events_after, after, job_id)
        if found:
            after = found[-1].id
            yield found
        elif job_id is not None and _is_over(services, job_id):
            return
        elif not await services.table.changed(job_id, PING_SECONDS):
            yield []


def _is_over(services: Services, job_id: str) -> bool:
    job = services.table.ask(queries.job_by_id, job_id)
    return job is None or job.status.is_terminal


def _block(event: EventRecord) -> bytes:
    """`data` is JSON on one line, as SQLite writes it."""
    return f"event: {event.type}\nid: {event.id}\ndata: {event.data}\n\n".encode()
