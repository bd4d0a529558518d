"""One job of the built-in endpoint: what was asked, where it is, and how `/status` shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from control_plane.endpoints.port import RemoteStatus

DAY_MS = 86_400_000


class Limits(BaseModel):
    """`policy` of `/run`, in milliseconds, within the platform's ranges. (Source: docs.runpod.io, send requests.)"""

    model_config = ConfigDict(alias_generator=to_camel, strict=True)

    execution_timeout: Annotated[int, Field(ge=5_000, le=7 * DAY_MS)] = 600_000
    ttl: Annotated[int, Field(ge=10_000, le=7 * DAY_MS)] = DAY_MS


class RunRequest(BaseModel):
    """The body of `/run`. The platform drops keys it does not know, and so does this."""

    model_config = ConfigDict(strict=True)

    input: dict[str, Any]
    webhook: Annotated[str, Field(pattern=r"^https?://\S+$", max_length=4096)] | None = None
    policy: Limits = Limits()


@dataclass
class LocalJob:
    """Times are seconds of the queue's clock. `report` holds `output` and `error` as the worker sent them.

    IN_QUEUE    → IN_PROGRESS   a worker takes it
                → CANCELLED     cancel
    IN_PROGRESS → COMPLETED, FAILED   its worker reports
                → CANCELLED     cancel
                → TIMED_OUT     it runs longer than its execution timeout
                → IN_QUEUE      its worker is lost, twice at most; then FAILED
    FAILED, TIMED_OUT → IN_QUEUE   retry
    any         → (deleted)     its time to live or its retention is over
    """

    id: str
    request: RunRequest
    retention: float
    submitted_at: float
    status: RemoteStatus = RemoteStatus.IN_QUEUE
    worker_id: str | None = None
    taken_at: float | None = None
    finished_at: float | None = None
    retries: int = 0
    report: dict[str, Any] = field(default_factory=dict)
    chunks: list[Any] = field(default_factory=list)

    @property
    def expires_at(self) -> float:
        """When the platform forgets the job: the hard wall from submission, or retention after the end."""
        wall = self.submitted_at + self.request.policy.ttl / 1000
        return wall if self.finished_at is None else min(wall, self.finished_at + self.retention)

    def overran(self, now: float) -> bool:
        """True when the running job has used up its execution timeout."""
        running = self.status is RemoteStatus.IN_PROGRESS and self.taken_at is not None
        return running and now - (self.taken_at or 0) > self.request.policy.execution_timeout / 1000

    def view(self, now: float) -> dict[str, Any]:
        """The job as `/status` shows it: times in milliseconds, absent fields left out."""
        shown: dict[str, Any] = {"id": self.id, "status": self.status.value}
        if self.taken_at is not None:
            shown["delayTime"] = _milliseconds(self.taken_at - self.submitted_at)
            shown["executionTime"] = _milliseconds((self.finished_at or now) - self.taken_at)
        if self.worker_id is not None:
            shown["workerId"] = self.worker_id
        if self.retries:
            shown["retries"] = self.retries
        return shown | self.report


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
