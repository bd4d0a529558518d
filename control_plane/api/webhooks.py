"""`/webhooks/deliveries`: who was told of finished jobs, who could not be, and telling them again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from control_plane.api.problems import Problem
from control_plane.api.schemas import rfc3339_or_none
from control_plane.api.services import Use
from control_plane.clock import to_rfc3339
from control_plane.jobs import deliveries
from control_plane.jobs.deliveries import DeliveryRecord, DeliveryStatus

router = APIRouter(prefix="/webhooks/deliveries", tags=["webhooks"], responses={"4XX": {"model": Problem}})


class DeliveryView(BaseModel):
    """One job's message to its `webhook_url`. DEAD: given up, with the reason in `error`; it can be sent again."""

    id: str
    job_id: str
    url: str
    status: DeliveryStatus
    tries: int
    http_status: int | None
    error: str | None
    next_try_at: str | None
    created_at: str
    updated_at: str


def _view(delivery: DeliveryRecord) -> DeliveryView:
    return DeliveryView(
        id=delivery.id,
        job_id=delivery.job_id,
        url=delivery.url,
        status=delivery.status,
        tries=delivery.tries,
        http_status=delivery.http_status,
        error=delivery.error,
        next_try_at=rfc3339_or_none(delivery.due_at),
        created_at=to_rfc3339(delivery.created_at),
        updated_at=to_rfc3339(delivery.updated_at),
    )


@router.get("")
async def list_deliveries(
    services: Use,
    request: Request,
    response: Response,
    status: DeliveryStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> list[DeliveryView]:
    """Deliveries, newest job first; `status=DEAD` lists what was given up. `Link: rel="next"` leads on."""
    found = services.table.ask(deliveries.newest, limit + 1, cursor, status)
    if len(found) > limit:
        following = request.url.include_query_params(cursor=found[limit - 1].id)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return [_view(delivery) for delivery in found[:limit]]


@router.post("/{delivery_id}/resend", status_code=202)
async def resend_delivery(services: Use, delivery_id: str) -> DeliveryView:
    """Send it again, now, under the same `webhook-id`, whatever became of it."""
    return _view(await services.table.do(deliveries.resend, delivery_id, services.clock()))
