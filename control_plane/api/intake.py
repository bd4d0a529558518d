"""`POST /jobs`, the call that many make at once: taken before the router, which is half of what it costs.

Only what is plainly right is taken here, by the same function as the route's own. Everything else, every mistake
included, goes on to the route with the body that was read, and is refused there in words.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.api.jobs import create_job
from control_plane.api.schemas import CreateJob, Envelope
from shared.errors import RushesError

LARGEST_BODY = 64 * 1024
"""Bytes, as declared. Timelines of hundreds of clips are rare, and the route has time for them."""
KEY_LENGTHS = range(1, 256)
_JOB: TypeAdapter[Envelope] = TypeAdapter(CreateJob)


class IntakeLane:
    """ASGI: takes plain submissions, passes everything else on. Stands behind the guard."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if not _is_plain_submission(scope):
            await self._app(scope, receive, send)
            return
        read = await _read(receive)
        answer = await _take(scope, read)
        if answer is None:
            await self._app(scope, _again(read, receive), send)
        else:
            await answer(scope, receive, send)


def _is_plain_submission(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != "/jobs" or scope["query_string"]:
        return False
    length = _header(scope, b"content-length") or ""
    key = _header(scope, b"idempotency-key")
    return (
        _header(scope, b"content-type") == "application/json"
        and length.isdigit()
        and int(length) <= LARGEST_BODY
        and (key is None or len(key) in KEY_LENGTHS)
    )


def _header(scope: Scope, wanted: bytes) -> str | None:
    """Decoded as ASGI frameworks do; the first, where there are more."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), None)


async def _read(receive: Receive) -> list[Message]:
    read = [await receive()]
    while read[-1].get("more_body"):
        read.append(await receive())
    return read


async def _take(scope: Scope, read: list[Message]) -> Response | None:
    """The answer to a submission that is on the disk now; None where there is something to be said against it."""
    try:
        # As the route reads it, in two steps: JSON that one reader takes and the other refuses must not matter.
        body: Any = json.loads(b"".join(message.get("body", b"") for message in read))
        job = _JOB.validate_python(body)
        said = Response()
        created = await create_job(scope["app"].state.services, said, job, _header(scope, b"idempotency-key"))
    except (ValueError, RecursionError, RushesError):
        return None
    headers = {name: value for name, value in said.headers.items() if name != "content-length"}
    return Response(created.model_dump_json(), 202, headers, media_type="application/json")


def _again(read: list[Message], receive: Receive) -> Receive:
    left = iter(read)

    async def receiving() -> Message:
        message = next(left, None)
        return await receive() if message is None else message

    return receiving
