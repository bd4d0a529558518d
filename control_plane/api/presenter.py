"""A job as the client sees it right now: links signed at each read, never stored."""

from __future__ import annotations

import hashlib

from control_plane.api.previews import preview_url
from control_plane.api.schemas import ExpectedFinish, JobDetail, JobView, OutputView, attempt_view, job_view
from control_plane.api.services import Services
from control_plane.clock import to_rfc3339
from control_plane.jobs import queries
from control_plane.jobs.records import JobRecord
from control_plane.ledger.money import cost
from shared.states import JobStatus

FRESH_LINKS_MS = 600_000
"""Links are good for so much longer than they must be: a client that is told 304 for ten minutes holds no dead one."""
LONGEST_SECONDS = 604_800
"""Amazon's and Cloudflare's limit for a signed address."""
LINE_MS = 15_000
"""How old the place in the line and the expected finish of a waiting job may be."""


def present(services: Services, job: JobRecord) -> JobView:
    """The view of one job."""
    return present_all(services, [job])[0]


def present_all(services: Services, jobs: list[JobRecord]) -> list[JobView]:
    """The views of many jobs, their costs read together."""
    sent = [job.id for job in jobs if job.attempts]
    costs = services.table.ask(queries.costs_of_jobs, sent, services.clock()) if sent else {}
    return [_view(services, job, costs.get(job.id, 0)) for job in jobs]


def present_detail(services: Services, job: JobRecord) -> JobDetail:
    """The view of one job with all its attempts."""
    bills = services.table.ask(queries.attempt_bills, job.id, services.clock()) if job.attempts else []
    view = _view(services, job, sum(cost(bill.seconds, bill.price) for bill in bills))
    # The view is valid already: building it again would cost more than the rest of the request.
    return JobDetail.model_construct(**vars(view), attempt_history=[attempt_view(bill) for bill in bills])


def etag(services: Services, *jobs: JobRecord) -> str:
    """Changes with the jobs and their settled cost, and often enough that signed links in an answer stay alive."""
    sent = [job.id for job in jobs if job.attempts]
    spent = services.table.ask(queries.settled_cost, sent) if sent else 0
    versions = " ".join(f"{job.id} {job.version}" for job in jobs)
    digest = hashlib.blake2b(f"{versions} {spent}".encode(), digest_size=12).hexdigest()
    fresh = LINE_MS if any(job.status is JobStatus.QUEUED for job in jobs) else FRESH_LINKS_MS
    return f'W/"{digest}-{services.clock() // fresh}"'


def _view(services: Services, job: JobRecord, spent: int) -> JobView:
    seconds = _link_seconds(services)
    view = job_view(job, _outputs(services, job), spent, services.forecast.place(job), _expected(services, job))
    view.preview_url = preview_url(services, job.id, seconds) if job.status is JobStatus.RUNNING else None
    return view


def _expected(services: Services, job: JobRecord) -> ExpectedFinish | None:
    finish = services.forecast.finish(job)
    if finish is None:
        return None
    return ExpectedFinish(earliest=to_rfc3339(finish.earliest), latest=to_rfc3339(finish.latest))


def _outputs(services: Services, job: JobRecord) -> list[OutputView]:
    if not job.outputs or job.store is None:
        return []
    store, seconds = services.stores.at(job.store), _link_seconds(services)
    return [OutputView(**output, url=store.signed_get(output["key"], seconds)) for output in job.outputs]


def _link_seconds(services: Services) -> int:
    return min(services.signed_url_seconds + FRESH_LINKS_MS // 1000, LONGEST_SECONDS)
