"""Takes a job in: references checked, idempotency key fenced, durable before the answer."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fastapi import Response
from uuid6 import uuid7

from control_plane import telemetry
from control_plane.api.schemas import JobCreated
from control_plane.api.services import Services
from control_plane.clock import to_rfc3339
from control_plane.dispatch.limits import DEADLINE_SECONDS
from control_plane.jobs import queries, verbs
from control_plane.jobs.records import JobRecord, NewJob
from control_plane.ledger.money import to_micros
from shared.errors import FieldProblem, InvalidRequest, MediaRefused
from shared.job_types import JobType


async def submit(
    services: Services,
    response: Response,
    job_type: JobType,
    params: dict[str, Any],
    *,
    idempotency_key: str | None = None,
    labels: dict[str, str] | None = None,
    priority: int = 0,
    retry_of: str | None = None,
    webhook_url: str | None = None,
    max_cost_usd: float | None = None,
) -> JobCreated:
    """Insert the job (or find the one this key made) and describe it; sets `Location`."""
    max_cost = None if max_cost_usd is None else to_micros(max_cost_usd)
    inputs: tuple[str, ...] = ()
    settled = params
    if idempotency_key is None or services.table.ask(queries.job_by_idempotency_key, idempotency_key) is None:
        inputs = services.references.check(params)
        settled = services.model_choice.settle(job_type, params)
        await services.twins.check(job_type, settled)
        _check_webhook(services, webhook_url)
        services.budget.check(services.endpoints.for_type(job_type).url, DEADLINE_SECONDS[job_type], max_cost)
    new = NewJob(
        id=str(uuid7()),
        type=job_type,
        params=settled,
        labels=labels or {},
        priority=priority,
        retry_of=retry_of,
        idempotency_key=idempotency_key,
        fingerprint=idempotency_key
        and _fingerprint(job_type, params, labels, priority, retry_of, webhook_url, max_cost),
        webhook_url=webhook_url,
        max_cost=max_cost,
        inputs=inputs,
    )
    job, is_new = await services.table.do(verbs.submit, new, services.clock())
    response.headers["Location"] = f"/jobs/{job.id}"
    telemetry.tag("job_id", job.id)
    if not is_new:
        response.headers["Idempotent-Replayed"] = "true"
    return _created(job)


def _check_webhook(services: Services, url: str | None) -> None:
    try:
        if url is not None:
            services.webhooks.check(url)
    except MediaRefused as refused:
        field = FieldProblem("/webhook_url", refused.message)
        raise InvalidRequest(f"webhook_url: {refused.message}", field, code="BAD_WEBHOOK_URL") from refused


def _created(job: JobRecord) -> JobCreated:
    return JobCreated(
        job_id=job.id, type=job.type, status=job.status, created_at=to_rfc3339(job.created_at), retry_of=job.retry_of
    )


def _fingerprint(*parts: object) -> str:
    """Of the request as it was understood: spelling out a default does not make it another request."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
