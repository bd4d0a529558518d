"""What goes in and out of the API. One model per job type makes one discriminated union in OpenAPI 3.1."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from control_plane.clock import to_rfc3339
from control_plane.jobs.records import JobRecord
from control_plane.ledger.cost import cost_usd
from shared.job_types import PARAMS, AnyParams, JobType
from shared.states import JobStatus
from shared.wire import OutputFile

Label = Annotated[str, Field(max_length=200)]


class Envelope(BaseModel):
    """What every job has, whatever its type."""

    model_config = ConfigDict(extra="forbid")

    type: JobType
    params: AnyParams
    priority: Annotated[int, Field(ge=-100, le=100, description="Higher goes first.")] = 0
    labels: Annotated[dict[Annotated[str, Field(max_length=60)], Label], Field(max_length=20)] = {}


def _create_model(kind: JobType) -> type[Envelope]:
    fields: dict[str, Any] = {"type": (Literal[kind], ...), "params": (PARAMS[kind], ...)}
    name = PARAMS[kind].__name__.removesuffix("Params")
    return create_model(f"Create{name}Job", __base__=Envelope, __doc__=PARAMS[kind].__doc__, **fields)


# Built from the table of types, so that a new type is in the API and in OpenAPI by itself.
_UNION: Any = Union[tuple(_create_model(kind) for kind in PARAMS)]  # noqa: UP007
CreateJob: Any = Annotated[_UNION, Field(discriminator="type")]


class JobCreated(BaseModel):
    """The answer to a submission: it is durable now."""

    job_id: str
    type: JobType
    status: JobStatus
    created_at: str
    retry_of: str | None = None


class OutputView(OutputFile):
    """A finished file and a link that reads it for a while."""

    url: str


class JobView(BaseModel):
    """A job as clients see it. Times are RFC 3339 in UTC, links are made at each read."""

    job_id: str
    type: JobType
    status: JobStatus
    progress: Annotated[int, Field(ge=0, le=100)]
    stage: str
    stage_message: str
    output_urls: list[str]
    outputs: list[OutputView]
    error: str | None
    error_code: str | None
    runpod_job_id: str | None
    engine: dict[str, Any] | None
    attempts: int
    params: dict[str, Any]
    labels: dict[str, str]
    priority: int
    retry_of: str | None
    cost_usd: float
    created_at: str
    updated_at: str
    started_at: str | None
    finished_at: str | None
    cancel_requested_at: str | None


class CancelView(BaseModel):
    """The true status: CANCELED only once nothing is being paid for."""

    job_id: str
    status: JobStatus
    stage_message: str


class UploadRequest(BaseModel):
    """A file the client is about to upload."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, Field(min_length=1, max_length=200)]
    content_type: Annotated[str, Field(max_length=100)]
    bytes: Annotated[int, Field(gt=0)]


class UploadView(BaseModel):
    """Where to PUT the file, with which headers, and the address to use in params afterwards."""

    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    url: str


class HealthView(BaseModel):
    """Whether jobs can be taken and sent."""

    status: Literal["ok", "degraded"]
    runpod_connected: bool
    endpoint: Literal["local", "runpod"]
    endpoint_message: str
    store: str
    version: str
    workers: dict[str, int]
    jobs: dict[str, int]


def rfc3339_or_none(milliseconds: int | None) -> str | None:
    """A time for clients, or None."""
    return None if milliseconds is None else to_rfc3339(milliseconds)


def job_view(job: JobRecord, outputs: list[OutputView], seconds: float, usd_per_second: float) -> JobView:
    """The record as clients see it; `seconds` were spent on a GPU."""
    return JobView(
        job_id=job.id,
        type=job.type,
        status=job.status,
        progress=job.progress,
        stage=job.stage,
        stage_message=job.stage_message,
        output_urls=[output.url for output in outputs],
        outputs=outputs,
        error=job.error,
        error_code=job.error_code,
        runpod_job_id=job.runpod_job_id,
        engine=job.engine,
        attempts=job.attempts,
        params=job.params,
        labels=job.labels,
        priority=job.priority,
        retry_of=job.retry_of,
        cost_usd=cost_usd(seconds, usd_per_second),
        created_at=to_rfc3339(job.created_at),
        updated_at=to_rfc3339(job.updated_at),
        started_at=rfc3339_or_none(job.started_at),
        finished_at=rfc3339_or_none(job.finished_at),
        cancel_requested_at=rfc3339_or_none(job.cancel_requested_at),
    )
