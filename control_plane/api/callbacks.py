"""What workers and RunPod tell us: hints that move progress and cause a look. Always 200, or they would repeat."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from control_plane.api.services import Use
from shared.wire import Progress

router = APIRouter(include_in_schema=False)


@router.post("/callbacks/{token}")
async def worker_callback(services: Use, token: str, request: Request) -> dict[str, bool]:
    """Progress from a worker. Garbage is as good as silence."""
    progress = _parse(await request.body())
    if progress is not None:
        await services.dispatcher.heard(token, progress)
    return {"ok": True}


@router.post("/webhooks/runpod/{token}")
async def runpod_webhook(services: Use, token: str) -> dict[str, bool]:
    """RunPod says a job is over. Its body is not signed, so it is not even read."""
    await services.dispatcher.heard(token, None)
    return {"ok": True}


def _parse(body: bytes) -> Progress | None:
    try:
        content: Any = json.loads(body)
        return Progress.model_validate(content)
    except (ValueError, ValidationError, RecursionError):
        return None
