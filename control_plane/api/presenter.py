"""A job as the client sees it right now: links signed at each read, never stored."""

from __future__ import annotations

import hashlib
from collections import Counter

from control_plane.api.schemas import JobView, OutputView, job_view
from control_plane.api.services import Services
from control_plane.jobs import queries
from control_plane.jobs.records import JobRecord
from control_plane.ledger.cost import attempt_seconds

FRESH_LINKS_MS = 600_000
"""A link stays good far longer than this, so a client that is told 304 for ten minutes never holds a dead one."""


def present(services: Services, job: JobRecord) -> JobView:
    """The view of one job."""
    return job_view(job, _outputs(services, job), _seconds(services, job), services.usd_per_second)


def etag(services: Services, *jobs: JobRecord) -> str:
    """Changes with the jobs, and often enough that signed links in a cached answer stay alive."""
    versions = " ".join(f"{job.id} {job.version}" for job in jobs)
    digest = hashlib.blake2b(versions.encode(), digest_size=12).hexdigest()
    return f'W/"{digest}-{services.clock() // FRESH_LINKS_MS}"'


def _outputs(services: Services, job: JobRecord) -> list[OutputView]:
    if not job.outputs or job.store is None:
        return []
    store = services.stores.at(job.store)
    return [
        OutputView(**output, url=store.signed_get(output["key"], services.signed_url_seconds)) for output in job.outputs
    ]


def _seconds(services: Services, job: JobRecord) -> float:
    if not services.usd_per_second or job.attempts == 0:
        return 0.0
    measured: Counter[int] = Counter()
    for submission in services.table.ask(queries.submissions_of_job, job.id):
        measured[submission.attempt] += submission.execution_ms or 0
    attempts = services.table.ask(queries.attempts_of_job, job.id)
    now = services.clock()
    return sum(attempt_seconds(measured[a.number], a.started_at, a.ended_at or now) for a in attempts)
