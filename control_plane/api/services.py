"""What the routes lean on, put on `app.state` once by `control_plane.app`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from control_plane.api.forecast import Forecast
from control_plane.api.keyring import KeyRing
from control_plane.api.model_choice import ModelChoice
from control_plane.clock import Clock
from control_plane.dispatch.dispatcher import Dispatcher
from control_plane.dispatch.monitor import EndpointMonitor
from control_plane.dispatch.previews import Previews
from control_plane.dispatch.references import References
from control_plane.dispatch.store_check import StoreCheck
from control_plane.dispatch.twin_rules import TwinRules
from control_plane.dispatch.webhooks import WebhookSender
from control_plane.endpoints.directory import EndpointDirectory
from control_plane.jobs.table import JobTable
from control_plane.ledger.billing import Billing
from control_plane.ledger.budget import Budget
from shared.job_types import JobType
from shared.storage.directory import StoreDirectory
from shared.storage.local import LocalStore


@dataclass(frozen=True)
class Services:
    """`files` is the local store behind `/files`; `billing` reads RunPod's bill, where there is one.

    `monitor` watches the default endpoint, `monitors` those that one job type has for itself.
    """

    table: JobTable
    dispatcher: Dispatcher
    monitor: EndpointMonitor
    monitors: dict[JobType, EndpointMonitor]
    references: References
    stores: StoreDirectory
    files: LocalStore
    webhooks: WebhookSender
    clock: Clock
    signed_url_seconds: int
    budget: Budget
    endpoints: EndpointDirectory
    billing: Billing | None
    store_check: StoreCheck
    model_choice: ModelChoice
    keys: KeyRing
    forecast: Forecast
    previews: Previews
    twins: TwinRules


async def _services(request: Request) -> Services:
    # async, or FastAPI would send it to a thread: twice the time of the whole request.
    services: Services = request.app.state.services
    return services


Use = Annotated[Services, Depends(_services)]
