"""`POST /timeline/stitch`: the short way to an EXPORT job."""

from __future__ import annotations

from fastapi import APIRouter, Response

from control_plane.api.jobs import IdempotencyKey
from control_plane.api.problems import Problem
from control_plane.api.schemas import JobCreated
from control_plane.api.services import Use
from control_plane.api.submission import submit
from shared.job_types import ExportParams, JobType

router = APIRouter(tags=["timeline"], responses={"4XX": {"model": Problem}})


@router.post("/timeline/stitch", status_code=202)
async def stitch(
    services: Use, response: Response, timeline: ExportParams, idempotency_key: IdempotencyKey = None
) -> JobCreated:
    """Stitch clips, captions, voice and music into a film."""
    params = timeline.model_dump(mode="json")
    return await submit(services, response, JobType.EXPORT, params, idempotency_key=idempotency_key)
