"""What the routes lean on, put on `app.state` once by `control_plane.app`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from control_plane.clock import Clock
from control_plane.dispatch.dispatcher import Dispatcher
from control_plane.dispatch.monitor import EndpointMonitor
from control_plane.dispatch.references import References
from control_plane.jobs.table import JobTable
from shared.storage.directory import StoreDirectory
from shared.storage.local import LocalStore


@dataclass(frozen=True)
class Services:
    """`files` is the local store behind `/files`. Prices are in US dollars a second."""

    table: JobTable
    dispatcher: Dispatcher
    monitor: EndpointMonitor
    references: References
    stores: StoreDirectory
    files: LocalStore
    clock: Clock
    signed_url_seconds: int
    usd_per_second: float


async def _services(request: Request) -> Services:
    # async, or FastAPI would send it to a thread: twice the time of the whole request.
    services: Services = request.app.state.services
    return services


Use = Annotated[Services, Depends(_services)]
