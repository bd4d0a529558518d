"""A job as the client sees it right now: links signed at each read, never stored."""

from __future__ import annotations

import hashlib

from control_plane.api.schemas import JobDetail, JobView, OutputView, attempt_view, job_view
from control_plane.api.services import Services
from control_plane.jobs import queries
from control_plane.jobs.records import JobRecord
from control_plane.ledger.money import cost

FRESH_LINKS_MS = 600_000
"""A link stays good far longer than this, so a client that is told 304 for ten minutes never holds a dead one."""


def present(services: Services, job: JobRecord) -> JobView:
    """The view of one job."""
    return present_all(services, [job])[0]


def present_all(services: Services, jobs: list[JobRecord]) -> list[JobView]:
    """The views of many jobs, their costs read together."""
    sent = [job.id for job in jobs if job.attempts]
    costs = services.table.ask(queries.costs_of_jobs, sent, services.clock()) if sent else {}
    return [job_view(job, _outputs(services, job), costs.get(job.id, 0)) for job in jobs]


def present_detail(services: Services, job: JobRecord) -> JobDetail:
    """The view of one job with all its attempts."""
    bills = services.table.ask(queries.attempt_bills, job.id, services.clock()) if job.attempts else []
    view = job_view(job, _outputs(services, job), sum(cost(bill.seconds, bill.price) for bill in bills))
    # The view is valid already: building it again would cost more than the rest of the request.
    return JobDetail.model_construct(**vars(view), attempt_history=[attempt_view(bill) for bill in bills])


def etag(services: Services, *jobs: JobRecord) -> str:
    """Changes with the jobs and their settled cost, and often enough that signed links in an answer stay alive."""
    sent = [job.id for job in jobs if job.attempts]
    spent = services.table.ask(queries.settled_cost, sent) if sent else 0
    versions = " ".join(f"{job.id} {job.version}" for job in jobs)
    digest = hashlib.blake2b(f"{versions} {spent}".encode(), digest_size=12).hexdigest()
    return f'W/"{digest}-{services.clock() // FRESH_LINKS_MS}"'


def _outputs(services: Services, job: JobRecord) -> list[OutputView]:
    if not job.outputs or job.store is None:
        return []
    store = services.stores.at(job.store)
    return [
        OutputView(**output, url=store.signed_get(output["key"], services.signed_url_seconds)) for output in job.outputs
    ]
