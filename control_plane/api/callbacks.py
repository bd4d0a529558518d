"""What workers and RunPod tell us: hints that move progress and cause a look. Always 200, or they would repeat.

Taken before the router: with thousands of workers nothing is called as often, and a route costs more than all the rest.
"""

from __future__ import annotations

import asyncio
import logging
import re

from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from control_plane.api.problems import BodyTooLarge
from control_plane.api.services import Services
from shared.errors import RushesError
from shared.wire import Progress

log = logging.getLogger(__name__)

_CALLBACK = re.compile(r"/callbacks/([^/]+)")
_WEBHOOK = re.compile(r"/webhooks/runpod/([^/]+)")
TAKEN = b'{"ok":true}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(TAKEN))]


class CallbackLane:
    """ASGI: `POST /callbacks/{token}` of workers and `POST /webhooks/runpod/{token}`. Stands behind the guard."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
        elif found := _CALLBACK.fullmatch(scope["path"]):
            progress = _parse(await _body(receive))
            if progress is not None:  # garbage is as good as silence
                await _hear(scope, found[1], progress)
            await _answer(send)
        elif found := _WEBHOOK.fullmatch(scope["path"]):
            # Over, it says. Its body is not signed, so it is not even read.
            await _hear(scope, found[1], None)
            await _answer(send)
        else:
            await self._app(scope, receive, send)


async def _hear(scope: Scope, token: str, progress: Progress | None) -> None:
    services: Services = scope["app"].state.services
    loop, meters = asyncio.get_running_loop(), services.dispatcher.meters
    came = loop.time()
    try:
        await services.dispatcher.heard(token, progress)
        meters.callbacks += 1
        meters.callback_seconds += loop.time() - came
    except RushesError as trouble:  # a hint is lost; what it spoke of is seen at the next look
        log.warning("callback: %s", trouble.message)


async def _body(receive: Receive) -> bytes:
    """Empty when it is longer than anything a worker sends, or was cut off."""
    body, more = bytearray(), True
    while more:
        try:
            message = await receive()
        except BodyTooLarge:
            return b""
        if message["type"] != "http.request":
            return b""
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _parse(body: bytes) -> Progress | None:
    try:
        return Progress.model_validate_json(body)
    except ValidationError:
        return None


async def _answer(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": TAKEN})
