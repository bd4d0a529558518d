"""What can be asked of the job table. Small indexed reads, each a few microseconds."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from control_plane.jobs.records import (
    AttemptBill,
    AttemptRecord,
    EventRecord,
    FinishedJob,
    JobRecord,
    Spending,
    SubmissionRecord,
    UnfinishedCount,
    Unmeasured,
)
from control_plane.jobs.statements import sql
from shared.job_types import JobType
from shared.states import JobStatus


def job_by_id(conn: sqlite3.Connection, job_id: str) -> JobRecord | None:
    """The job, or None."""
    row = conn.execute(sql("job_by_id"), {"id": job_id}).fetchone()
    return JobRecord.of(row) if row else None


def job_by_idempotency_key(conn: sqlite3.Connection, key: str) -> JobRecord | None:
    """The job a request with this key made, or None."""
    row = conn.execute(sql("job_by_idempotency_key"), {"key": key}).fetchone()
    return JobRecord.of(row) if row else None


def jobs_by_ids(conn: sqlite3.Connection, ids: list[str]) -> list[JobRecord]:
    """Those of the jobs that exist, newest first."""
    return [JobRecord.of(row) for row in conn.execute(sql("jobs_by_ids"), {"ids": json.dumps(ids)})]


def needed_by(conn: sqlite3.Connection, job_id: str) -> str | None:
    """An unfinished job that takes the output of this one as its input, if there is one."""
    row = conn.execute(sql("needed_by"), {"job_id": job_id}).fetchone()
    return row["job_id"] if row else None


def list_jobs(
    conn: sqlite3.Connection,
    limit: int,
    cursor: str | None = None,
    status: JobStatus | None = None,
    job_type: JobType | None = None,
) -> list[JobRecord]:
    """A page of jobs, newest first, older than the job id `cursor`."""
    match status, job_type:
        case None, None:
            name = "list_jobs"
        case _, None:
            name = "list_jobs_by_status"
        case None, _:
            name = "list_jobs_by_type"
        case _:
            name = "list_jobs_by_status_and_type"
    values = {"limit": limit, "cursor": cursor, "status": status, "type": job_type}
    return [JobRecord.of(row) for row in conn.execute(sql(name), values)]


def ready_jobs(conn: sqlite3.Connection, now: int, limit: int) -> list[JobRecord]:
    """Who may open an attempt now, most urgent first."""
    return [JobRecord.of(row) for row in conn.execute(sql("ready_jobs"), {"now": now, "limit": limit})]


def next_ready_at(conn: sqlite3.Connection) -> int | None:
    """When the next waiting job becomes ready; None when none waits."""
    ready_at: int | None = conn.execute(sql("next_ready_at")).fetchone()["ready_at"]
    return ready_at


def line(conn: sqlite3.Connection, now: int, limit: int) -> list[tuple[str, str | None, JobType | None]]:
    """Who waits to be started, in order: (job id, its endpoint, or the type of one that was not sent to any yet)."""
    rows = conn.execute(sql("line"), {"now": now, "limit": limit})
    return [(row["job_id"], row["endpoint"], row["type"] and JobType(row["type"])) for row in rows]


def alive_attempt(conn: sqlite3.Connection, job_id: str) -> AttemptRecord | None:
    """The job's attempt that has not ended, if there is one."""
    row = conn.execute(sql("alive_attempt"), {"job_id": job_id}).fetchone()
    return AttemptRecord.of(row) if row else None


def attempt_by_token(conn: sqlite3.Connection, token: str) -> AttemptRecord | None:
    """The attempt a callback speaks of, or None."""
    row = conn.execute(sql("attempt_by_token"), {"token": token}).fetchone()
    return AttemptRecord.of(row) if row else None


def attempts_of_job(conn: sqlite3.Connection, job_id: str) -> list[AttemptRecord]:
    """Every attempt of a job, first to last."""
    return [AttemptRecord.of(row) for row in conn.execute(sql("attempts_of_job"), {"job_id": job_id})]


def alive_attempts(conn: sqlite3.Connection, after: str = "", limit: int = -1) -> list[AttemptRecord]:
    """Attempts that have not ended, by job id from above `after` on; all of them, unless there is a limit."""
    return [AttemptRecord.of(row) for row in conn.execute(sql("alive_attempts"), {"after": after, "limit": limit})]


def count_alive(conn: sqlite3.Connection) -> int:
    """How many attempts have not ended."""
    alive: int = conn.execute(sql("count_alive")).fetchone()["alive"]
    return alive


def submissions_of_attempt(conn: sqlite3.Connection, job_id: str, number: int) -> list[SubmissionRecord]:
    """Every id the endpoint gave us for one attempt."""
    values = {"job_id": job_id, "number": number}
    return [SubmissionRecord.of(row) for row in conn.execute(sql("submissions_of_attempt"), values)]


def submissions_of_job(conn: sqlite3.Connection, job_id: str) -> list[SubmissionRecord]:
    """Every id the endpoint gave us for a job."""
    return [SubmissionRecord.of(row) for row in conn.execute(sql("submissions_of_job"), {"job_id": job_id})]


def count_by_status(conn: sqlite3.Connection) -> dict[str, int]:
    """How many jobs there are in each state."""
    return {row["status"]: row["jobs"] for row in conn.execute(sql("count_by_status"))}


def events_after(conn: sqlite3.Connection, after: int, job_id: str | None, limit: int = 500) -> list[EventRecord]:
    """Events with an id above `after`, of one job or of all."""
    name = "events_after" if job_id is None else "events_of_job_after"
    rows = conn.execute(sql(name), {"after": after, "job_id": job_id, "limit": limit})
    return [EventRecord.of(row) for row in rows]


def changed_jobs_after(conn: sqlite3.Connection, after: int) -> list[str]:
    """Ids of the jobs that have changed since the event `after`."""
    ids: list[str] = json.loads(conn.execute(sql("changed_jobs_after"), {"after": after}).fetchone()["ids"])
    return ids


def last_event_id(conn: sqlite3.Connection) -> int:
    """The id of the newest event, 0 when there is none."""
    newest: int = conn.execute(sql("last_event_id")).fetchone()["id"]
    return newest


def budget_used(conn: sqlite3.Connection, job_id: str, now: int) -> tuple[int, int, int]:
    """Micro-dollars: spent by the job's ended attempts; spent and reserved on this UTC day and in this UTC month."""
    job, day, month = conn.execute(sql("budget_used"), {"job_id": job_id, "now": now}).fetchone()
    return job, day, month


def any_held(conn: sqlite3.Connection) -> bool:
    """True while a job waits for money."""
    return bool(conn.execute(sql("any_held")).fetchone()["held"])


def count_held(conn: sqlite3.Connection) -> int:
    """How many jobs wait for money."""
    held: int = conn.execute(sql("count_held")).fetchone()["held"]
    return held


class Freshness(NamedTuple):
    """What changes with every change a client can see. `settled` is in micro-dollars."""

    version: int
    status: JobStatus
    settled: int
    is_provisional: bool
    is_priced: bool


def freshness(conn: sqlite3.Connection, job_id: str) -> Freshness | None:
    """Whether a job has changed, without reading it; None when there is none."""
    row = conn.execute(sql("freshness"), {"id": job_id}).fetchone()
    if row is None:
        return None
    version, status, settled, is_provisional, is_priced = row
    return Freshness(version, JobStatus(status), settled, bool(is_provisional), bool(is_priced))


def settled_cost(conn: sqlite3.Connection, job_ids: list[str]) -> int:
    """Micro-dollars that ended attempts of these jobs have cost together."""
    spent: int = conn.execute(sql("settled_cost"), {"ids": json.dumps(job_ids)}).fetchone()["spent"]
    return spent


def costs_of_jobs(conn: sqlite3.Connection, job_ids: list[str], now: int) -> dict[str, int]:
    """Micro-dollars each job has cost up to now, living attempts included; jobs never sent are left out."""
    rows = conn.execute(sql("costs_of_jobs"), {"ids": json.dumps(job_ids), "now": now})
    return {row["job_id"]: row["cost"] for row in rows}


def attempt_bills(conn: sqlite3.Connection, job_id: str, now: int) -> list[AttemptBill]:
    """Every attempt of a job with what it took and cost up to now, first to last."""
    return [AttemptBill.of(row) for row in conn.execute(sql("attempt_bills"), {"job_id": job_id, "now": now})]


def spending(conn: sqlite3.Connection, first: str, last: str) -> list[Spending]:
    """What was spent and is reserved, by day, endpoint and type, from one UTC day (`YYYY-MM-DD`) to another."""
    return [Spending(**dict(row)) for row in conn.execute(sql("spending"), {"first": first, "last": last})]


def recent_seconds(conn: sqlite3.Connection, job_type: JobType, endpoint: str, limit: int = 100) -> list[int]:
    """Seconds the newest successful attempts of a type took at an endpoint."""
    values = {"type": job_type, "endpoint": endpoint, "limit": limit}
    return [row["seconds"] for row in conn.execute(sql("recent_seconds"), values)]


def recent_waits(conn: sqlite3.Connection, endpoint: str, stage: str, limit: int = 100) -> list[int]:
    """For how many milliseconds the latest attempts waited at an endpoint that were told `stage` meanwhile."""
    values = {"endpoint": endpoint, "stage": stage, "limit": limit}
    return [row["waited_ms"] for row in conn.execute(sql("recent_waits"), values)]


def unmeasured(conn: sqlite3.Connection, since: int, limit: int) -> list[Unmeasured]:
    """Submissions of attempts that ended after `since` and of which the endpoint may yet say what they took."""
    return [Unmeasured.of(row) for row in conn.execute(sql("unmeasured"), {"since": since, "limit": limit})]


def unfinished_counts(conn: sqlite3.Connection) -> list[UnfinishedCount]:
    """Jobs that have not ended, by type, status and stage."""
    return [UnfinishedCount(**row) for row in conn.execute(sql("unfinished_counts"))]


def finished_since(conn: sqlite3.Connection, after: int, last: int) -> list[FinishedJob]:
    """The jobs that ended by the events after `after` up to `last`."""
    rows = conn.execute(sql("finished_since"), {"after": after, "last": last})
    return [FinishedJob(**{**row, "outcomes": json.loads(row["outcomes"])}) for row in rows]


def dead_deliveries(conn: sqlite3.Connection) -> int:
    """How many webhooks were given up."""
    count: int = conn.execute(sql("dead_deliveries")).fetchone()["n"]
    return count
