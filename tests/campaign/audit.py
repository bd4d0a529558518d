"""Judges a finished campaign: the job table and the store against what the fleet really did."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from control_plane.clock import system_clock
from control_plane.dispatch.retries import rule_of
from control_plane.jobs import queries
from control_plane.jobs.database import connect
from control_plane.jobs.records import AttemptRecord, EventRecord, JobRecord
from shared.states import AttemptState, JobStatus
from shared.storage.local import LocalStore
from shared.wire import Result, result_key
from tests.campaign.execution import Execution
from tests.campaign.ledger import Books, audit_ledger
from tests.campaign.violation import STOPS_BY_ITS_LEASE, Violation
from tests.standins.fleet import Fleet


@dataclass
class Intake:
    """What the driver, as a client, asked for and was told. Times in seconds since the epoch."""

    accepted: dict[str, str] = field(default_factory=dict)
    contradicted: list[str] = field(default_factory=list)
    cancel_asked_at: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """All there is to know at the end."""

    jobs: dict[str, JobRecord]
    attempts: dict[str, list[AttemptRecord]]
    events: dict[str, list[EventRecord]]
    books: Books
    store: LocalStore
    intake: Intake
    fleet: Fleet
    max_attempts: int

    @classmethod
    def gather(cls, database: Path, store: LocalStore, intake: Intake, fleet: Fleet, max_attempts: int) -> Evidence:
        """Read the table and the books as they are now."""
        conn = connect(database, read_only=True)
        try:
            jobs = {job.id: job for job in queries.list_jobs(conn, 1_000_000)}
            attempts = {job_id: queries.attempts_of_job(conn, job_id) for job_id in jobs}
            events = {job_id: queries.events_after(conn, 0, job_id, 10_000) for job_id in jobs}
            books = Books.read(conn, list(jobs), system_clock())
        finally:
            conn.close()
        return cls(jobs, attempts, events, books, store, intake, fleet, max_attempts)

    def executions(self) -> dict[str, list[Execution]]:
        """Those that held their job, by job, in order."""
        found: defaultdict[str, list[Execution]] = defaultdict(list)
        for execution in self.fleet.executions:
            if execution.claimed_at is not None:
                found[execution.job_id].append(execution)
        return {job_id: sorted(those, key=lambda e: e.claimed_at or 0) for job_id, those in found.items()}

    def result(self, job_id: str, attempt: int) -> Result | None:
        """What stands in the store."""
        found = self.store.get(result_key(job_id, attempt))
        return Result.model_validate_json(found.body) if found else None


def audit(evidence: Evidence) -> list[Violation]:
    """Every broken promise."""
    violations = [*_intake(evidence)]
    executions = evidence.executions()
    for job in evidence.jobs.values():
        of_job = executions.get(job.id, [])
        violations += _state(evidence, job, of_job)
        violations += _attempts(evidence, job, of_job)
        violations += _given_up(job, evidence.attempts[job.id], of_job)
        violations += _overlaps(job, of_job)
        violations += _history(job, evidence.events[job.id])
    return [*violations, *audit_ledger(evidence.books, evidence.jobs, evidence.fleet)]


def _intake(evidence: Evidence) -> Iterator[Violation]:
    for job_id in evidence.intake.accepted.values():
        if job_id not in evidence.jobs:
            yield Violation("no accepted job is lost", job_id, "it is not in the table")
    for job_id in evidence.jobs.keys() - set(evidence.intake.accepted.values()):
        yield Violation("one job for one idempotency key", job_id, "nobody was told of this one")
    for job_id in evidence.intake.contradicted:
        yield Violation("one job for one idempotency key", job_id, "the same key was answered with another job")


def _state(evidence: Evidence, job: JobRecord, executions: list[Execution]) -> Iterator[Violation]:
    """The final state, against the truth."""
    succeeded = any(execution.put == "ok" for execution in executions)
    if not job.status.is_terminal or job.finished_at is None:
        yield Violation("no job is stuck", job.id, f"{job.status}, {job.stage}: {job.stage_message}")
        return
    if succeeded != (job.status is JobStatus.SUCCEEDED):
        yield Violation("SUCCEEDED is true", job.id, f"it is {job.status}, and a worker finished: {succeeded}")
    for output in job.outputs:
        if evidence.store.head(output["key"]) is None:
            yield Violation("SUCCEEDED has its outputs", job.id, output["key"])
    if job.status is JobStatus.CANCELED and job.id not in evidence.intake.cancel_asked_at:
        yield Violation("CANCELED only when asked", job.id, "nobody asked")
    if job.status is JobStatus.FAILED:
        yield from _failure(evidence, job)
    for execution in executions:
        until = execution.live_until or 0
        if until * 1000 >= job.finished_at + 1 and not is_shared(execution, executions):
            late = f"{execution.worker} ran until {until:.3f}, it ended at {job.finished_at / 1000:.3f}"
            yield Violation(f"{job.status} means that nothing runs", job.id, late)


def _failure(evidence: Evidence, job: JobRecord) -> Iterator[Violation]:
    """FAILED needs a reason that lasts, or every attempt its error is worth used up."""
    result = evidence.result(job.id, job.attempts) if job.attempts else None
    for_good = result is not None and result.error is not None and not result.error.retryable
    refused = job.error_code == "ENDPOINT_REFUSED" and job.id in evidence.fleet.refused_for_good
    code = job.error_code or ""
    alike = [attempt.outcome for attempt in evidence.attempts[job.id]].count(code)
    used_up = job.attempts >= evidence.max_attempts or alike >= rule_of(job.type, code).attempts
    if not (for_good or refused or used_up):
        yield Violation("FAILED only for good", job.id, f"{job.error_code} after {job.attempts} attempts")


def _attempts(evidence: Evidence, job: JobRecord, executions: list[Execution]) -> Iterator[Violation]:
    """At most one outcome for each attempt, and the table says the same as the store."""
    for attempt in evidence.attempts[job.id]:
        put = [execution.put for execution in executions if execution.attempt == attempt.number and execution.put]
        if len(put) > 1:
            yield Violation("one outcome for an attempt", job.id, f"attempt {attempt.number}: {put}")
        if job.status.is_terminal and attempt.state is not AttemptState.ENDED:
            yield Violation("an ended job has no living attempt", job.id, f"attempt {attempt.number}")
        result = evidence.result(job.id, attempt.number)
        ok = result is not None and result.error is None and not result.canceled
        if job.status.is_terminal and ok != (attempt.outcome == JobStatus.SUCCEEDED):
            said = f"attempt {attempt.number} is {attempt.outcome}, result.json {put or 'absent'}"
            yield Violation("the table says what the store says", job.id, said)


def _given_up(job: JobRecord, attempts: list[AttemptRecord], executions: list[Execution]) -> Iterator[Violation]:
    """An attempt ends when whoever held it is proven dead, however long the next one is put off."""
    for attempt in attempts:
        for execution in (e for e in executions if e.attempt == attempt.number and not is_shared(e, executions)):
            if attempt.ended_at is not None and not _proven_dead(execution, (attempt.ended_at + 1) / 1000):
                said = f"attempt {attempt.number} ended as {attempt.outcome}, held by {execution.worker}"
                yield Violation("no attempt ends before its holder is proven dead", job.id, said)


def _overlaps(job: JobRecord, executions: list[Execution]) -> Iterator[Violation]:
    """No second execution before the first was proven dead."""
    for number, first in enumerate(executions):
        until = first.live_until or 0
        if is_shared(first, executions):
            if until > first.lease_until:
                late = f"{first.worker}, by {until - first.lease_until:.3f} s"
                yield Violation(STOPS_BY_ITS_LEASE, job.id, late)
            continue
        for second in executions[number + 1 :]:
            if second.runpod_id == first.runpod_id:
                continue
            began = second.claimed_at or 0
            who = f"{first.worker} (attempt {first.attempt}) and {second.worker} (attempt {second.attempt})"
            if began < until:
                yield Violation("never two executions at once", job.id, f"{who}, for {until - began:.3f} s")
            elif not _proven_dead(first, began):
                yield Violation("no second execution before the first is proven dead", job.id, who)


def is_shared(execution: Execution, executions: list[Execution]) -> bool:
    """Whether another worker under the same id took the claim over, or lived at the same time.

    A platform that runs an id again while its worker lives is beyond any proof: there the lease bounds the damage.
    """
    others = [other for other in executions if other.runpod_id == execution.runpod_id and other is not execution]
    return any(other.run > execution.run or _lived_together(other, execution) for other in others)


def _lived_together(one: Execution, other: Execution) -> bool:
    return one.taken_at < (other.left_at or math.inf) and other.taken_at < (one.left_at or math.inf)


def _proven_dead(first: Execution, at: float) -> bool:
    """Its lease was over, its end was put, or it had left and the platform said that it was done."""
    put_end = first.put_at is not None and first.put_at <= at
    done = first.completed_at is not None and first.completed_at <= at
    return at >= first.lease_until or put_end or done


def _history(job: JobRecord, events: list[EventRecord]) -> Iterator[Violation]:
    """What clients saw ends once, and the end is the last they saw."""
    seen = [JobStatus(json.loads(event.data)["status"]) for event in events]
    if any(status.is_terminal for status in seen[:-1]):
        yield Violation("a finished job never changes", job.id, " → ".join(seen))


def trace(evidence: Evidence, job_id: str, plane_log: str) -> str:
    """Everything that happened to one job, in order, and what the plane logged of it. Seconds."""
    lines = [*evidence.fleet.log[job_id]]
    if job_id in evidence.intake.cancel_asked_at:
        lines.append((evidence.intake.cancel_asked_at[job_id], "client: cancels"))
    for event in evidence.events.get(job_id, []):
        job = json.loads(event.data)
        lines.append(
            (event.at / 1000, f"table: {job['status']} {job['progress']} % {job['stage']}: {job['stage_message']}")
        )
    story = [f"  {at:.3f} {text}" for at, text in sorted(lines)]
    return "\n".join([*story, *(f"  {line}" for line in plane_log.splitlines() if job_id in line)])
