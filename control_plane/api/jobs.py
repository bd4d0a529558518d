"""`/jobs`: submit, read, list, cancel, retry, delete."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Request, Response

from control_plane.api.presenter import etag, present_all
from control_plane.api.problems import Problem
from control_plane.api.reading import Reading, matches
from control_plane.api.schemas import CancelView, CreateJob, Envelope, JobCreated, JobDetail, JobView
from control_plane.api.services import Services, Use
from control_plane.api.submission import submit
from control_plane.dispatch.removal import remove_job
from control_plane.jobs import queries, verbs
from control_plane.jobs.records import JobRecord
from control_plane.ledger.money import to_usd
from shared.errors import Conflict, FieldProblem, InvalidRequest, NotFound
from shared.job_types import JobType
from shared.states import JobStatus

router = APIRouter(tags=["jobs"], responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}})

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255)]
IfNoneMatch = Annotated[str | None, Header()]
MAX_WAIT_SECONDS = 25
MAX_IDS = 200
"""Their address still fits where a proxy allows 8 kB."""
_WAIT = re.compile(r"(?:^|[;,\s])wait=(\d{1,4})")


@router.post("/jobs", status_code=202)
async def create_job(
    services: Use,
    response: Response,
    job: Annotated[CreateJob, Body()],
    idempotency_key: IdempotencyKey = None,
) -> JobCreated:
    """Take a job. It is on the disk when this answers; poll `GET /jobs/{id}` or follow its events."""
    asked: Envelope = job
    return await submit(
        services,
        response,
        asked.type,
        asked.params.model_dump(mode="json"),
        idempotency_key=idempotency_key,
        labels=asked.labels,
        priority=asked.priority,
        webhook_url=asked.webhook_url,
        max_cost_usd=asked.max_cost_usd,
    )


@router.get("/jobs", response_model=list[JobView])
async def list_jobs(
    services: Use,
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    status: JobStatus | None = None,
    type: JobType | None = None,
    cursor: UUID | None = None,
    ids: Annotated[str | None, Query(max_length=8000, description="Up to 200, comma-separated: just these.")] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Jobs, newest first. `Link: rel="next"` leads to the next page.

    With `ids` the other filters and the pages do not count; ids of jobs there are not are named in `Unknown-Ids`.
    """
    if ids is not None:
        return _just_these(services, _parse_ids(ids), if_none_match)
    jobs = services.table.ask(queries.list_jobs, limit + 1, str(cursor) if cursor else None, status, type)
    response = _cacheable(services, jobs[:limit], if_none_match)
    if len(jobs) > limit:
        following = request.url.include_query_params(cursor=jobs[limit - 1].id)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return response


def _parse_ids(ids: str) -> list[str]:
    try:
        wanted = dict.fromkeys(str(UUID(part.strip())) for part in ids.split(",") if part.strip())
    except ValueError as wrong:
        raise InvalidRequest("ids has something that is no job id", FieldProblem("/ids", "not a job id")) from wrong
    if len(wanted) > MAX_IDS:
        raise InvalidRequest(f"ids: at most {MAX_IDS} at once", FieldProblem("/ids", f"at most {MAX_IDS}"))
    return list(wanted)


def _just_these(services: Services, wanted: list[str], if_none_match: str | None) -> Response:
    jobs = services.table.ask(queries.jobs_by_ids, wanted)
    response = _cacheable(services, jobs, if_none_match)
    if unknown := set(wanted) - {job.id for job in jobs}:
        response.headers["Unknown-Ids"] = ",".join(sorted(unknown))
    return response


def _cacheable(services: Services, jobs: list[JobRecord], if_none_match: str | None) -> Response:
    tag = etag(services, *jobs)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    body = "[" + ",".join(view.model_dump_json() for view in present_all(services, jobs)) + "]"
    return Response(body, media_type="application/json", headers=headers)


@router.get("/jobs/{job_id}", response_model=JobDetail)
async def get_job(
    request: Request,
    services: Use,
    job_id: UUID,
    if_none_match: IfNoneMatch = None,
    prefer: Annotated[str | None, Header()] = None,
) -> Response:
    """One job. `Prefer: wait=N` waits up to N seconds (25 at most) for it to finish, or, with an `If-None-Match`
    that still holds, for it to change.
    """
    reading: Reading = request.app.state.reading
    headers = {"Cache-Control": "private, no-cache"}
    if waits := _WAIT.search(prefer or ""):
        seconds = min(int(waits[1]), MAX_WAIT_SECONDS)
        await _wait(services, reading, str(job_id), seconds, if_none_match)
        headers["Preference-Applied"] = f"wait={seconds}"
    rendered = reading.of(services, str(job_id))
    if rendered is None:
        raise NotFound("There is no such job")
    headers["ETag"] = rendered.etag.decode()
    if matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(rendered.body, media_type="application/json", headers=headers)


async def _wait(services: Services, reading: Reading, job_id: str, seconds: int, if_none_match: str | None) -> None:
    until = asyncio.get_running_loop().time() + seconds
    while True:
        job = services.table.ask(queries.job_by_id, job_id)
        left = until - asyncio.get_running_loop().time()
        if job is None or job.status.is_terminal or left <= 0:
            return
        rendered = reading.of(services, job_id)
        if if_none_match is not None and rendered and not matches(if_none_match, rendered.etag.decode()):
            return
        await services.table.changed(job_id, left)


def find(services: Services, job_id: UUID) -> JobRecord:
    """The job, or NotFound."""
    job = services.table.ask(queries.job_by_id, str(job_id))
    if job is None:
        raise NotFound("There is no such job")
    return job


@router.post("/jobs/{job_id}/cancel", responses={202: {"model": CancelView, "description": "It is being stopped."}})
async def cancel_job(services: Use, job_id: UUID, response: Response) -> CancelView:
    """Stop a job. 200 when nothing runs any more, 202 while it is being stopped, 409 once it has finished."""
    job = await services.table.do(verbs.request_cancel, str(job_id), services.clock())
    services.dispatcher.wake(job.id)
    if not job.status.is_terminal:
        response.status_code = 202
    return CancelView(job_id=job.id, status=job.status, stage_message=job.stage_message)


@router.post("/jobs/{job_id}/retry", status_code=202)
async def retry_job(
    services: Use, job_id: UUID, response: Response, idempotency_key: IdempotencyKey = None
) -> JobCreated:
    """The same type and params as a new job: finished jobs never change."""
    old = find(services, job_id)
    if not old.status.is_terminal:
        raise Conflict("The job is not finished: cancel it first", code="NOT_FINISHED")
    return await submit(
        services,
        response,
        old.type,
        old.params,
        idempotency_key=idempotency_key,
        labels=old.labels,
        priority=old.priority,
        retry_of=old.id,
        webhook_url=old.webhook_url,
        max_cost_usd=None if old.max_cost is None else to_usd(old.max_cost),
    )


@router.delete("/jobs/{job_id}", status_code=204)
async def delete_job(services: Use, job_id: UUID) -> Response:
    """Forget a finished job and remove its outputs. 409 while another job needs them."""
    await remove_job(services.table, services.stores, find(services, job_id))
    return Response(status_code=204)
