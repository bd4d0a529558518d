"""`POST /timeline/stitch`: the short way to an EXPORT job."""

from __future__ import annotations

from fastapi import APIRouter, Response

from control_plane.api.jobs import IdempotencyKey
from control_plane.api.problems import Problem
from control_plane.api.schemas import JobCreated, Stitch
from control_plane.api.services import Use
from control_plane.api.submission import submit
from shared.job_types import JobType

router = APIRouter(tags=["timeline"], responses={"4XX": {"model": Problem}})


@router.post("/timeline/stitch", status_code=202)
async def stitch_timeline(
    services: Use, response: Response, timeline: Stitch, idempotency_key: IdempotencyKey = None
) -> JobCreated:
    """Stitch clips, captions, voice and music into a film."""
    params = timeline.model_dump(mode="json", exclude={"webhook_url", "max_cost_usd"})
    return await submit(
        services,
        response,
        JobType.EXPORT,
        params,
        idempotency_key=idempotency_key,
        webhook_url=timeline.webhook_url,
        max_cost_usd=timeline.max_cost_usd,
    )
