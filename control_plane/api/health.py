"""Is it alive, is it ready, is the endpoint there."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter

from control_plane.api.schemas import HealthView
from control_plane.api.services import Use
from control_plane.jobs import queries

router = APIRouter(tags=["health"])
VERSION = version("rushes")


@router.get("/health")
async def get_health(services: Use) -> HealthView:
    """The plane's own state and the endpoint's last answer."""
    seen, check = services.monitor.seen, services.store_check
    return HealthView(
        status="degraded" if check.trouble else "ok",
        runpod_connected=seen.connected,
        endpoint="local" if services.monitor.is_local else "runpod",
        endpoint_message=seen.message,
        store=services.stores.current.name,
        store_conditional_puts=check.puts,
        store_message=check.trouble,
        version=VERSION,
        workers=seen.health.workers,
        jobs=seen.health.jobs,
    )


@router.get("/healthz")
async def get_liveness() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def get_readiness(services: Use) -> dict[str, str]:
    """The job table answers too."""
    services.table.ask(queries.last_event_id)
    return {"status": "ok"}
