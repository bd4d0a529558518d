"""Rows of the job table as frozen values. Times are milliseconds since the epoch."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from shared.job_types import JobType
from shared.states import AttemptState, JobStatus


class Ref(NamedTuple):
    """Names one attempt and proves it is meant: every write about an attempt matches all three."""

    job_id: str
    number: int
    token: str


@dataclass(frozen=True)
class NewJob:
    """A job as a client asks for it.

    `max_cost` is in micro-dollars, over all its attempts; `inputs` are the ids of the jobs whose output it takes.
    """

    id: str
    type: JobType
    params: dict[str, Any]
    labels: dict[str, str]
    priority: int = 0
    retry_of: str | None = None
    idempotency_key: str | None = None
    fingerprint: str | None = None
    webhook_url: str | None = None
    max_cost: int | None = None
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobRecord:
    """One row of `jobs`."""

    id: str
    type: JobType
    params: dict[str, Any]
    labels: dict[str, str]
    priority: int
    retry_of: str | None
    idempotency_key: str | None
    fingerprint: str | None
    status: JobStatus
    stage: str
    stage_message: str
    progress: int
    attempts: int
    ready_at: int | None
    runpod_job_id: str | None
    store: str | None
    outputs: list[dict[str, Any]]
    engine: dict[str, Any] | None
    error: str | None
    error_code: str | None
    cancel_requested_at: int | None
    created_at: int
    updated_at: int
    started_at: int | None
    finished_at: int | None
    version: int
    webhook_url: str | None
    max_cost: int | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The row with its JSON read."""
        values = dict(row)
        values["type"] = JobType(values["type"])
        values["status"] = JobStatus(values["status"])
        for name in ("params", "labels", "engine"):
            values[name] = json.loads(values[name]) if values[name] else None
        values["outputs"] = json.loads(values["outputs"] or "[]")
        return cls(**values)


@dataclass(frozen=True)
class AttemptRecord:
    """One row of `attempts`."""

    job_id: str
    number: int
    token: str
    state: AttemptState
    endpoint: str
    store: str
    deadline_seconds: float
    start_before: int
    prepared_at: int
    sent_at: int
    started_at: int | None
    ended_at: int | None
    holder: str | None
    lease_expires_at: int | None
    run: int
    seq: int
    heard_at: int | None
    outcome: str | None
    waited_as: str | None = None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The row as a value."""
        values = dict(row)
        values["state"] = AttemptState(values["state"])
        return cls(**values)

    @property
    def ref(self) -> Ref:
        """What every write about this attempt must match."""
        return Ref(self.job_id, self.number, self.token)


@dataclass(frozen=True)
class SubmissionRecord:
    """One row of `submissions`: one id the endpoint gave us for an attempt."""

    job_id: str
    attempt: int
    runpod_id: str
    submitted_at: int
    status: str
    worker_id: str | None
    delay_ms: int | None
    execution_ms: int | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The row as a value."""
        return cls(**dict(row))


@dataclass(frozen=True)
class EventRecord:
    """One row of the append-only log clients follow. `data` is JSON text."""

    id: int
    job_id: str
    at: int
    type: str
    data: str

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The row as a value."""
        return cls(**dict(row))


@dataclass(frozen=True)
class Spending:
    """Micro-dollars of one job type at one endpoint on one UTC day (`YYYY-MM-DD`)."""

    day: str
    endpoint: str
    type: str
    reserved: int
    spent: int


@dataclass(frozen=True)
class UnfinishedCount:
    """How many jobs of a type are in a stage, and when the oldest of them was created."""

    type: str
    status: str
    stage: str
    jobs: int
    oldest: int


@dataclass(frozen=True)
class FinishedJob:
    """A job that has ended, and what each of its attempts came to."""

    type: str
    status: str
    created_at: int
    started_at: int | None
    finished_at: int
    outcomes: list[str]


@dataclass(frozen=True)
class AttemptBill:
    """An attempt and its line in the ledger, up to now. `price` is in nano-dollars a second.

    `is_final` once every submission is known to be over; `gpu` is what its worker said it had.
    """

    number: int
    state: AttemptState
    outcome: str | None
    endpoint: str
    prepared_at: int
    started_at: int | None
    ended_at: int | None
    gpu: str | None
    price: int
    is_final: bool
    seconds: int
    runpod_ids: list[str]

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The row with its JSON read."""
        values = dict(row)
        values["state"] = AttemptState(values["state"])
        values["is_final"] = bool(values["is_final"])
        values["runpod_ids"] = json.loads(values["runpod_ids"])
        return cls(**values)


@dataclass(frozen=True)
class Unmeasured:
    """A submission of an ended attempt that was not seen over; `ref`, `endpoint` and `ended_at` are its attempt's."""

    ref: Ref
    runpod_id: str
    endpoint: str
    ended_at: int

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The row as a value."""
        return cls(Ref(row["job_id"], row["attempt"], row["token"]), row["runpod_id"], row["endpoint"], row["ended_at"])
