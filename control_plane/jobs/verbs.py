"""What can happen to a job: one verb, one guarded statement on the attempt and one on the job.

Every verb runs inside the writer's transaction and returns whether it changed anything. A report that is late,
repeated or out of order matches no row and changes none: the database has the last word, not the caller.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any

from control_plane.jobs.queries import alive_attempt, budget_used, job_by_id, job_by_idempotency_key, jobs_by_ids
from control_plane.jobs.records import AttemptRecord, JobRecord, NewJob, Ref
from control_plane.jobs.statements import sql
from shared.errors import Conflict, InvalidRequest, NotFound
from shared.states import JobStatus

PLAIN_WAITING = "waiting_for_worker"
"""The stage of a job that waits with nothing being wrong and no worker having to start."""


@dataclass(frozen=True)
class Opening:
    """What an attempt is opened with: where it goes, where its outcome will lie, its two limits in time, its money.

    `price` is in nano-dollars a second; `reserve` and the caps, which it must fit, are in micro-dollars.
    """

    endpoint: str
    store: str
    deadline_seconds: float
    start_before: int
    price: int = 0
    reserve: int = 0
    job_cap: int | None = None
    day_cap: int | None = None
    month_cap: int | None = None


def submit(conn: sqlite3.Connection, new: NewJob, now: int) -> tuple[JobRecord, bool]:
    """Insert the job, or find the one its idempotency key already made; True when it is new.

    InvalidRequest (IDEMPOTENCY_KEY_REUSED) when the key came with another body before, or (BAD_REFERENCE) when a job it
    takes its input from is not there or did not succeed.
    """
    if new.idempotency_key is not None:
        earlier = job_by_idempotency_key(conn, new.idempotency_key)
        if earlier is not None:
            return _same_request(earlier, new), False
    values = {
        "id": new.id, "type": new.type, "params": json.dumps(new.params), "labels": json.dumps(new.labels),
        "priority": new.priority, "retry_of": new.retry_of, "idempotency_key": new.idempotency_key,
        "fingerprint": new.fingerprint, "webhook_url": new.webhook_url, "max_cost": new.max_cost, "now": now,
    }  # fmt: skip
    job = JobRecord.of(conn.execute(sql("insert_job"), values | _beginning(conn, new, now)).fetchone())
    conn.executemany(sql("insert_input"), [{"job_id": new.id, "input_id": input_id} for input_id in new.inputs])
    return job, True


def _beginning(conn: sqlite3.Connection, new: NewJob, now: int) -> dict[str, object]:
    """Ready at once, or waiting for its inputs."""
    inputs = jobs_by_ids(conn, list(new.inputs)) if new.inputs else []
    if len(inputs) < len(new.inputs) or any(job.status in (JobStatus.FAILED, JobStatus.CANCELED) for job in inputs):
        raise InvalidRequest("A job it takes its input from did not succeed", code="BAD_REFERENCE")
    if all(job.status is JobStatus.SUCCEEDED for job in inputs):
        return {"ready_at": now, "stage": "queued", "stage_message": "Waiting for its turn"}
    message = "Waiting for the output of another job"
    return {"ready_at": None, "stage": "waiting_for_input", "stage_message": message}


def _finish(conn: sqlite3.Connection, statement: str, values: dict[str, Any]) -> bool:
    """The job ends by `statement`; what waits for its output may start, or fails with it, in the same transaction."""
    if conn.execute(sql(statement), values).rowcount == 0:
        return False
    ended = [values["job_id"]]
    while ended:
        found = {"job_id": ended.pop(), "now": values["now"]}
        conn.execute(sql("release_waiting"), found)
        ended += [row["id"] for row in conn.execute(sql("fail_waiting"), found)]
    return True


def _same_request(job: JobRecord, new: NewJob) -> JobRecord:
    if job.fingerprint != new.fingerprint:
        raise InvalidRequest("This Idempotency-Key was used with another request", code="IDEMPOTENCY_KEY_REUSED")
    return job


def _read(conn: sqlite3.Connection, job_id: str) -> JobRecord:
    job = job_by_id(conn, job_id)
    if job is None:
        raise NotFound("There is no such job")
    return job


def open_attempt(conn: sqlite3.Connection, job_id: str, opening: Opening, now: int) -> AttemptRecord | None:
    """QUEUED, ready and within every cap → a PREPARED attempt with a fresh token and its worst case reserved.

    None when the job is not waiting any more, or when there is no money left for it.
    """
    if not _fits(conn, job_id, opening, now):
        return None
    row = conn.execute(sql("claim_job"), {"job_id": job_id, "now": now}).fetchone()
    if row is None:
        return None
    values = {"job_id": job_id, "number": row["attempts"], "token": secrets.token_urlsafe(24), "now": now}
    attempt = AttemptRecord.of(conn.execute(sql("insert_attempt"), {**values, **vars(opening)}).fetchone())
    conn.execute(sql("reserve"), {**values, **vars(opening)})
    return attempt


def _fits(conn: sqlite3.Connection, job_id: str, opening: Opening, now: int) -> bool:
    """Nobody else can spend between this look and the claim: both are in the writer's transaction."""
    caps = (opening.job_cap, opening.day_cap, opening.month_cap)
    if not opening.reserve or caps == (None, None, None):
        return True
    used = budget_used(conn, job_id, now)
    return all(cap is None or taken + opening.reserve <= cap for taken, cap in zip(used, caps, strict=True))


def hold(conn: sqlite3.Connection, held: list[tuple[str, str]], until: int, now: int) -> None:
    """Jobs that must wait for money: `held` has (job id, message). They are offered again at `until`."""
    for job_id, message in held:
        conn.execute(sql("hold_job"), {"job_id": job_id, "message": message, "now": now})
        conn.execute(sql("put_off_job"), {"job_id": job_id, "ready_at": until})


def offer_held(conn: sqlite3.Connection, now: int, limit: int) -> int:
    """Offer the most urgent of those held by the budget at once; how many."""
    return conn.execute(sql("offer_held_jobs"), {"now": now, "limit": limit}).rowcount


def give_up(conn: sqlite3.Connection, job_id: str, error_code: str, error: str, now: int) -> bool:
    """A waiting job can never have another attempt: it FAILED."""
    values = {"job_id": job_id, "error_code": error_code, "error": error, "now": now}
    return _finish(conn, "waiting_job_failed", values)


def note_usage(conn: sqlite3.Connection, ref: Ref, gpu: str | None, price: int | None, worker_ms: int | None) -> bool:
    """What a worker told of itself, before its attempt is ended: its GPU, the price of that, how long it ran."""
    values = {**ref._asdict(), "gpu": gpu, "price": price, "worker_ms": worker_ms}
    return conn.execute(sql("note_usage"), values).rowcount == 1


def submitted(conn: sqlite3.Connection, ref: Ref, runpod_id: str, now: int) -> bool:
    """The endpoint took the attempt and named it. Kept even for an attempt that ended meanwhile: it is paid for."""
    conn.execute(sql("insert_submission"), {**ref._asdict(), "runpod_id": runpod_id, "now": now})
    changed = conn.execute(sql("attempt_submitted"), ref._asdict()).rowcount == 1
    if changed:
        conn.execute(sql("job_submitted"), {**ref._asdict(), "runpod_id": runpod_id, "now": now})
    return changed


def unanswered(conn: sqlite3.Connection, ref: Ref, now: int) -> bool:
    """The endpoint's answer was lost: whether it took the attempt is decided in the bucket, or by asking again."""
    changed = conn.execute(sql("attempt_unknown"), ref._asdict()).rowcount == 1
    if changed:
        conn.execute(sql("job_unanswered"), {**ref._asdict(), "now": now})
    return changed


def sending_again(conn: sqlite3.Connection, ref: Ref, now: int) -> bool:
    """The same attempt is about to be submitted once more; False when it is not UNKNOWN any more."""
    return conn.execute(sql("attempt_sent_again"), {**ref._asdict(), "now": now}).rowcount == 1


def withdraw(conn: sqlite3.Connection, ref: Ref, ready_at: int, message: str, now: int) -> bool:
    """The endpoint definitely refused: the attempt never was. The job waits again, or is canceled if asked to."""
    if conn.execute(sql("attempt_withdrawn"), ref._asdict()).rowcount == 0:
        return False
    values = {**ref._asdict(), "ready_at": ready_at, "message": message, "now": now}
    if conn.execute(sql("job_put_back"), values).rowcount == 0:
        _finish(conn, "job_canceled", {**ref._asdict(), "now": now})
    return True


def refuse(conn: sqlite3.Connection, ref: Ref, error_code: str, error: str, now: int) -> bool:
    """The endpoint refused for a reason that will not pass: the attempt never was, and the job FAILED."""
    if conn.execute(sql("attempt_withdrawn"), ref._asdict()).rowcount == 0:
        return False
    _fail_job(conn, ref, error_code, error, None, now)
    return True


def started(conn: sqlite3.Connection, ref: Ref, holder: str, run: int, lease_expires_at: int, now: int) -> bool:
    """A claim was seen: the attempt is STARTED by its holder and the job RUNNING."""
    values = {**ref._asdict(), "holder": holder, "run": run, "lease_expires_at": lease_expires_at, "now": now}
    changed = conn.execute(sql("attempt_started"), values).rowcount == 1
    if changed:
        conn.execute(sql("insert_submission"), {**ref._asdict(), "runpod_id": holder, "now": now})
        conn.execute(sql("job_started"), values)
    return changed


def progressed(
    conn: sqlite3.Connection,
    ref: Ref,
    order: tuple[int, int],
    stage: tuple[str, int, str],
    heard_at: int | None,
    now: int,
) -> bool:
    """A report of a running attempt. `order` is (run, seq), `stage` (stage, progress, message)."""
    run, seq = order
    if not conn.execute(
        sql("attempt_progress"), {**ref._asdict(), "run": run, "seq": seq, "heard_at": heard_at}
    ).rowcount:
        return False
    name, progress, message = stage
    values = {**ref._asdict(), "stage": name, "progress": progress, "message": message, "now": now}
    conn.execute(sql("job_progress"), values)
    return True


def _end_attempt(conn: sqlite3.Connection, ref: Ref, outcome: str, now: int) -> bool:
    return conn.execute(sql("attempt_ended"), {**ref._asdict(), "outcome": outcome, "now": now}).rowcount == 1


def succeed(
    conn: sqlite3.Connection,
    ref: Ref,
    outputs: list[dict[str, Any]],
    engine: dict[str, Any],
    store: str,
    now: int,
) -> bool:
    """`result.json` has the outputs: the job SUCCEEDED."""
    if not _end_attempt(conn, ref, JobStatus.SUCCEEDED, now):
        return False
    values = {"outputs": json.dumps(outputs), "engine": json.dumps(engine), "store": store, "now": now}
    return _finish(conn, "job_succeeded", {**ref._asdict(), **values})


def fail(
    conn: sqlite3.Connection,
    ref: Ref,
    error_code: str,
    error: str,
    engine: dict[str, Any] | None,
    now: int,
) -> bool:
    """The attempt is over and no other may follow: the job FAILED."""
    if not _end_attempt(conn, ref, error_code, now):
        return False
    return _fail_job(conn, ref, error_code, error, engine, now)


def _fail_job(
    conn: sqlite3.Connection, ref: Ref, error_code: str, error: str, engine: dict[str, Any] | None, now: int
) -> bool:
    values = {"error": error, "error_code": error_code, "engine": json.dumps(engine) if engine else None, "now": now}
    return _finish(conn, "job_failed", {**ref._asdict(), **values})


def requeue(conn: sqlite3.Connection, ref: Ref, error_code: str, message: str, ready_at: int, now: int) -> bool:
    """The attempt is over and another may follow at `ready_at`; a job that is being canceled is CANCELED instead."""
    if not _end_attempt(conn, ref, error_code, now):
        return False
    values = {**ref._asdict(), "ready_at": ready_at, "message": message, "now": now}
    if conn.execute(sql("job_requeued"), values).rowcount == 0:
        _finish(conn, "job_canceled", {**ref._asdict(), "now": now})
    return True


def canceled(conn: sqlite3.Connection, ref: Ref, now: int) -> bool:
    """Proven: nothing runs for this attempt and nothing can. The job is CANCELED."""
    if not _end_attempt(conn, ref, JobStatus.CANCELED, now):
        return False
    return _finish(conn, "job_canceled", {**ref._asdict(), "now": now})


def request_cancel(conn: sqlite3.Connection, job_id: str, now: int) -> JobRecord:
    """Ask for the job to be stopped. CANCELED at once when no attempt is alive, else its follower sees to it.

    NotFound when there is no such job, Conflict when it has finished otherwise.
    """
    job = _read(conn, job_id)
    if job.status is JobStatus.CANCELED:
        return job
    if job.status.is_terminal:
        raise Conflict(f"The job has already finished: {job.status}", code="ALREADY_FINISHED")
    conn.execute(sql("request_cancel"), {"job_id": job_id, "now": now})
    if alive_attempt(conn, job_id) is None:
        _finish(conn, "job_canceled", {"job_id": job_id, "number": job.attempts, "now": now})
    return _read(conn, job_id)


def delete(conn: sqlite3.Connection, job_id: str) -> None:
    """Forget a finished job. NotFound, or Conflict while it is not finished."""
    job = _read(conn, job_id)
    if conn.execute(sql("delete_finished"), {"job_id": job.id}).rowcount == 0:
        raise Conflict("The job is not finished: cancel it first", code="NOT_FINISHED")


def submission_seen(
    conn: sqlite3.Connection,
    ref: Ref,
    runpod_id: str,
    status: str,
    worker_id: str | None,
    times: tuple[int | None, int | None],
) -> bool:
    """What the endpoint said of one submission; `times` is (delay, execution) in milliseconds."""
    delay_ms, execution_ms = times
    seen = {"runpod_id": runpod_id, "status": status, "worker_id": worker_id}
    took = {"delay_ms": delay_ms, "execution_ms": execution_ms}
    return conn.execute(sql("submission_seen"), {**ref._asdict(), **seen, **took}).rowcount == 1


def explain_waiting(conn: sqlite3.Connection, endpoint: str, stage: str, told: tuple[str, str], now: int) -> None:
    """Tell the jobs that wait at an endpoint, or here for a place at one, why, and those in front how far in front.

    `told` is (why, what usually comes of it): the place stands between them.
    """
    message, usual = told
    values = {"endpoint": endpoint, "stage": stage, "message": message, "usual": usual, "now": now}
    conn.execute(sql("explain_waiting"), values)
    conn.execute(sql("explain_turns"), {"now": now})
    if stage != PLAIN_WAITING:
        conn.execute(sql("note_waiting"), {"endpoint": endpoint, "stage": stage})


def explain_store(conn: sqlite3.Connection, trouble: str | None, now: int) -> None:
    """Tell the jobs whose turn it is that the store has not answered yet and why, or that it has (None)."""
    if trouble is None:
        conn.execute(sql("store_answered"), {"now": now})
    else:
        conn.execute(sql("wait_for_store"), {"message": f"Waiting for the store: {trouble}", "now": now})


def not_sent_again(conn: sqlite3.Connection, ref: Ref, now: int) -> bool:
    """Tell a job whose submission was not answered why it waits for that one; False when it knows."""
    message = (
        "The endpoint did not answer; it is not asked again before the job could not start any more, because the "
        "bucket does not enforce conditional puts"
    )
    return conn.execute(sql("job_not_sent_again"), {**ref._asdict(), "message": message, "now": now}).rowcount == 1


def restart(conn: sqlite3.Connection) -> None:
    """Start-up: what was PREPARED may or may not have been sent."""
    conn.execute(sql("restart_prepared"))
