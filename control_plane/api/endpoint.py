"""`GET /endpoint`: is it there, why do jobs wait, what to do about it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from control_plane.api.problems import Problem
from control_plane.api.services import Use
from control_plane.dispatch.monitor import EndpointMonitor
from shared.job_types import JobType

router = APIRouter(tags=["endpoint"], responses={"4XX": {"model": Problem}})


class UsualWaitView(BaseModel):
    """How long jobs in this situation waited here: one of five up to `low_seconds`, nine of ten to `high_seconds`."""

    low_seconds: int
    high_seconds: int
    samples: int


class EndpointView(BaseModel):
    """One endpoint. `url` is `local` for the built-in one; `state` is the stage of a job that waits there.

    `usual_wait` is from your own finished jobs, null until there are five, and where waiting alone does not help.
    """

    url: str
    connected: bool
    state: str
    message: str
    advice: str
    usual_wait: UsualWaitView | None
    workers: dict[str, int]
    jobs: dict[str, int]


class EndpointsView(EndpointView):
    """The default endpoint, and those that one job type has for itself."""

    by_type: dict[JobType, EndpointView]


@router.get("/endpoint")
async def get_endpoint(services: Use) -> EndpointsView:
    """Where jobs are sent, and why they wait there."""
    by_type = {kind: _view(monitor) for kind, monitor in services.monitors.items()}
    return EndpointsView(**_view(services.monitor).model_dump(), by_type=by_type)


def _view(monitor: EndpointMonitor) -> EndpointView:
    seen, waiting = monitor.seen, monitor.waiting
    return EndpointView(
        url=monitor.url,
        connected=seen.connected,
        state=waiting.stage,
        message=waiting.message,
        advice=waiting.advice,
        usual_wait=None if monitor.usual is None else UsualWaitView.model_validate(vars(monitor.usual)),
        workers=seen.health.workers,
        jobs=seen.health.jobs,
    )
