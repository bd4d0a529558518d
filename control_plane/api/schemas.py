"""What goes in and out of the API. One model per job type makes one discriminated union in OpenAPI 3.1."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, create_model

from control_plane.clock import to_rfc3339
from control_plane.jobs.records import AttemptBill, JobRecord
from control_plane.ledger.money import cost, to_usd
from shared.job_types import PARAMS, AnyParams, ExportParams, JobType
from shared.states import AttemptState, JobStatus
from shared.storage.probe import ConditionalPuts
from shared.wire import OutputFile

Label = Annotated[str, Field(max_length=200)]
WebhookUrl = Annotated[
    str | None,
    Field(max_length=2048, description="Gets a signed POST when the job has finished (Standard Webhooks)."),
]
MaxCost = Annotated[
    float | None,
    Field(ge=0, le=1_000_000, description="The most the job may cost in US dollars, over all its attempts."),
]


class Envelope(BaseModel):
    """What every job has, whatever its type."""

    model_config = ConfigDict(extra="forbid")

    type: JobType
    params: AnyParams
    priority: Annotated[int, Field(ge=-100, le=100, description="Higher goes first.")] = 0
    labels: Annotated[dict[Annotated[str, Field(max_length=60)], Label], Field(max_length=20)] = {}
    max_cost_usd: MaxCost = None
    webhook_url: WebhookUrl = None


class Stitch(ExportParams):
    """A timeline, what its film may cost, and who is told when it is done."""

    max_cost_usd: MaxCost = None
    webhook_url: WebhookUrl = None


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


class ExpectedFinish(BaseModel):
    """Between these two times a job will probably be done: RFC 3339 in UTC."""

    earliest: str
    latest: str


class JobView(BaseModel):
    """A job as clients see it. Times are RFC 3339 in UTC, links are made at each read.

    `queue_position` is 1 for the next to start, null for a job that is not in line or behind the first thousand.
    `expected_finish` is from the job's progress or your own finished jobs; null while there is nothing to tell it from.
    `preview_url` is a JPEG of a few kilobytes while a running job shows what it is making, another address for each.
    `version` grows with each change and is in every event too: an event with no higher one is known already.
    """

    job_id: str
    type: JobType
    status: JobStatus
    progress: Annotated[int, Field(ge=0, le=100)]
    stage: str
    stage_message: str
    queue_position: int | None
    expected_finish: ExpectedFinish | None
    preview_url: str | None = None
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
    webhook_url: str | None
    cost_usd: float
    max_cost_usd: float | None
    created_at: str
    updated_at: str
    started_at: str | None
    finished_at: str | None
    cancel_requested_at: str | None
    version: int


class AttemptView(BaseModel):
    """One try of a job and what it cost, by the ledger. Failed and canceled tries are paid for too.

    `cost_usd` is an estimate from execution seconds; `cost_is_final` once the endpoint has said what they were.
    `gpu` is what the worker told; while it is null the dearest price is assumed.
    """

    number: int
    state: AttemptState
    outcome: str | None
    prepared_at: str
    started_at: str | None
    ended_at: str | None
    seconds: int
    cost_usd: float
    cost_is_final: bool
    usd_per_second: float
    gpu: str | None
    runpod_job_ids: list[str]


class JobDetail(JobView):
    """A job with every try it has had, first to last."""

    attempt_history: list[AttemptView]


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
    store_conditional_puts: ConditionalPuts | None
    store_message: str | None
    version: str
    workers: dict[str, int]
    jobs: dict[str, int]


def rfc3339_or_none(milliseconds: int | None) -> str | None:
    """A time for clients, or None."""
    return None if milliseconds is None else to_rfc3339(milliseconds)


def attempt_view(bill: AttemptBill) -> AttemptView:
    """An attempt as clients see it."""
    return AttemptView(
        number=bill.number,
        state=bill.state,
        outcome=bill.outcome,
        prepared_at=to_rfc3339(bill.prepared_at),
        started_at=rfc3339_or_none(bill.started_at),
        ended_at=rfc3339_or_none(bill.ended_at),
        seconds=bill.seconds,
        cost_usd=to_usd(cost(bill.seconds, bill.price)),
        cost_is_final=bill.is_final,
        usd_per_second=bill.price / 1_000_000_000,
        gpu=bill.gpu,
        runpod_job_ids=bill.runpod_ids,
    )


def job_view(
    job: JobRecord, outputs: list[OutputView], spent: int, place: int | None, finish: ExpectedFinish | None
) -> JobView:
    """The record as clients see it; `spent` is in micro-dollars."""
    return JobView(
        job_id=job.id,
        type=job.type,
        status=job.status,
        progress=job.progress,
        stage=job.stage,
        stage_message=job.stage_message,
        queue_position=place,
        expected_finish=finish,
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
        webhook_url=job.webhook_url,
        cost_usd=to_usd(spent),
        max_cost_usd=None if job.max_cost is None else to_usd(job.max_cost),
        created_at=to_rfc3339(job.created_at),
        updated_at=to_rfc3339(job.updated_at),
        started_at=rfc3339_or_none(job.started_at),
        finished_at=rfc3339_or_none(job.finished_at),
        cancel_requested_at=rfc3339_or_none(job.cancel_requested_at),
        version=job.version,
    )
