"""Every message that crosses the wire between the plane and a worker, version 1. Snapshot-tested.

The bucket keys are here too: who may run and what happened is decided by conditional puts on them (DESIGN: the job).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.job_types import JobType

PROTOCOL = 1
MOST_PREVIEW_BYTES = 16 * 1024


def claim_key(job_id: str, attempt: int) -> str:
    """The key whose first writer owns the attempt: a worker's claim or the plane's tombstone."""
    return f"jobs/{job_id}/claims/{attempt}.json"


def attempt_prefix(job_id: str, attempt: int) -> str:
    """Everything an attempt writes lies below this prefix, outputs below `<prefix><run>/`."""
    return f"jobs/{job_id}/{attempt}/"


def checkpoint_prefix(job_id: str) -> str:
    """Where a job's worker keeps what the next one may go on from, whatever the attempt."""
    return f"jobs/{job_id}/checkpoints/"


def result_key(job_id: str, attempt: int) -> str:
    """The key whose first writer decides how the attempt ended."""
    return f"{attempt_prefix(job_id, attempt)}result.json"


class Message(BaseModel):
    """A message we write strictly and read leniently: a newer peer may add fields."""

    model_config = ConfigDict(extra="ignore")


class WorkerInput(Message):
    """`input` of `/run`. RunPod echoes it to webhooks, so it never carries a credential."""

    protocol: int = PROTOCOL
    job_id: str
    attempt: int = Field(ge=1)
    token: str
    job_type: JobType
    params: dict[str, Any]
    output_prefix: str
    start_before: datetime
    deadline_seconds: float = Field(gt=0)
    callback_url: str | None = None
    settle_seconds: float | None = Field(default=None, gt=0)
    """For `shared.storage.registers`: None where the store enforces conditional puts."""


class Claim(Message):
    """Who runs the attempt. A lease: past `expires_at` its worker has killed its own job."""

    token: str
    runpod_job_id: str
    worker_id: str
    run: int = Field(ge=1)
    claimed_at: datetime
    expires_at: datetime


class Tombstone(Message):
    """The plane closed the attempt: nobody can start it any more."""

    token: str
    canceled: Literal[True] = True
    at: datetime


class Progress(Message):
    """A callback body, and the object given to the SDK. Ordered by (`run`, `seq`)."""

    job_id: str
    attempt: int
    run: int
    seq: int
    stage: str
    progress: int = Field(ge=0, le=100)
    message: str = ""
    preview: str | None = None
    """A JPEG of what is being made, of at most `MOST_PREVIEW_BYTES`, in base64. Only the newest counts."""


class OutputFile(Message):
    """One finished file in the bucket. Measures that do not apply to its kind are absent."""

    key: str
    kind: Literal["video", "audio", "image", "model", "subtitles", "data"]
    content_type: str
    bytes: int = Field(ge=0)
    sha256: str
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    fps: float | None = None


class Failure(Message):
    """Why an attempt failed: a stable code, a sentence for a person, whether a retry could help."""

    code: str
    message: str
    retryable: bool = False


class Result(Message):
    """`result.json`: how an attempt ended. Exactly one of `outputs`, `error` and `canceled` speaks."""

    protocol: int = PROTOCOL
    job_id: str
    attempt: int
    run: int
    outputs: list[OutputFile] = []
    engine: dict[str, Any] = {}
    timings: dict[str, float] = {}
    error: Failure | None = None
    canceled: bool = False

    def dump(self) -> dict[str, Any]:
        """The JSON object as it is stored and returned: nothing that is absent is spelled out."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=False)
