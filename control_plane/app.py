"""`create_app`: the only place where everything is put together."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute

from control_plane import telemetry
from control_plane.api import budget as budget_room
from control_plane.api import (
    console,
    description,
    events,
    files,
    health,
    jobs,
    keys,
    metrics,
    models,
    previews,
    problems,
    timeline,
    twins,
    uploads,
    webhooks,
)
from control_plane.api import endpoint as endpoints_room
from control_plane.api.callbacks import CallbackLane
from control_plane.api.forecast import Forecast
from control_plane.api.guard import Guard, Rules, host_names
from control_plane.api.guesses import Guesses
from control_plane.api.intake import IntakeLane
from control_plane.api.keyring import KeyRing
from control_plane.api.model_choice import ModelChoice
from control_plane.api.presenter import present
from control_plane.api.reading import FastLane, Reading
from control_plane.api.services import Services
from control_plane.clock import Clock, system_clock
from control_plane.dispatch.bookkeeper import Bookkeeper
from control_plane.dispatch.dispatcher import Dispatcher, Sending
from control_plane.dispatch.follower import World
from control_plane.dispatch.limits import Limits
from control_plane.dispatch.monitor import EndpointMonitor
from control_plane.dispatch.references import References
from control_plane.dispatch.store_check import StoreCheck
from control_plane.dispatch.twin_rules import TwinRules
from control_plane.dispatch.upkeep import Retention, Upkeep
from control_plane.dispatch.webhooks import SECRET_PREFIX, WebhookSender
from control_plane.endpoints.departed import DepartedEndpoint
from control_plane.endpoints.directory import EndpointDirectory
from control_plane.endpoints.local.endpoint import LocalEndpoint
from control_plane.endpoints.port import LOCAL, Endpoint
from control_plane.endpoints.runpod import RunPodEndpoint
from control_plane.jobs import queries, verbs
from control_plane.jobs.table import JobTable
from control_plane.ledger.billing import Billing
from control_plane.ledger.budget import Budget, Caps
from control_plane.ledger.prices import Prices
from control_plane.settings import Settings
from shared.catalog import catalog
from shared.storage.base import ObjectStore
from shared.storage.directory import StoreDirectory
from shared.storage.local import LocalStore
from shared.storage.open import open_store
from shared.storage.signing import UrlSigner

log = logging.getLogger(__name__)


def create_app(
    settings: Settings,
    *,
    base_url: str,
    endpoint: Endpoint | None = None,
    limits: Limits | None = None,
    clock: Clock = system_clock,
) -> FastAPI:
    """The whole control plane as one ASGI app.

    `base_url` is its own address as this machine reaches it; `endpoint` stands in for the one the settings name.
    Raises DatabaseBusy, in the lifespan, when another process owns the database.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        ours = limits or Limits(skew=settings.skew_seconds, max_attempts=settings.max_attempts)
        async with _running(app, settings, base_url, endpoint, ours, clock):
            yield

    app = FastAPI(
        title="Rushes",
        version=health.VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        telemetry=telemetry.of_requests(),
    )
    app.state.reading = Reading()
    app.state.keys = KeyRing(settings.api_key, clock)
    problems.install(app)
    description.install(app)
    for room in (
        health, endpoints_room, budget_room, models, twins, jobs, timeline, uploads, events, previews, files, webhooks,
        keys, metrics, console,
    ):  # fmt: skip
        app.include_router(room.router)
    _protect(app, settings, clock)
    return app


def _operation_id(route: APIRoute) -> str:
    """`create_job` → `createJob`: what generated clients call their functions."""
    verb, *rest = route.name.split("_")
    return verb + "".join(part.title() for part in rest)


def _protect(app: FastAPI, settings: Settings, clock: Clock) -> None:
    """The guard stands before the lanes, and they before the router."""
    hosts = host_names(settings.host, settings.public_url)
    app.add_middleware(FastLane)
    app.add_middleware(IntakeLane)
    app.add_middleware(CallbackLane)
    guesses = Guesses(clock, behind_proxy=settings.public_url is not None)
    app.add_middleware(Guard, rules=Rules(hosts, tuple(settings.cors_origins)), keys=app.state.keys, guesses=guesses)


@contextlib.asynccontextmanager
async def _running(
    app: FastAPI, settings: Settings, base_url: str, endpoint: Endpoint | None, limits: Limits, clock: Clock
) -> AsyncIterator[None]:
    _make_private(settings.data_dir)
    table = await JobTable.open(settings.database)
    app.state.keys.load(table)
    signer = UrlSigner(_link_secret(settings.data_dir), settings.public_url or base_url, time.time)
    files_store = LocalStore(settings.data_dir / "objects", signer)
    stores = StoreDirectory(current_store(settings, signer), [files_store])
    local = None if endpoint or settings.runpod_endpoint else _local_endpoint(settings)
    endpoints = _endpoints(settings, endpoint or local)
    monitor = EndpointMonitor(endpoints.default, table, clock)
    monitors = {kind: EndpointMonitor(special, table, clock) for kind, special in endpoints.by_type.items()}
    references = References(
        settings.s3_bucket,
        lambda job_id: table.ask(queries.job_by_id, job_id),
        allow_private=settings.allow_private_urls,
    )
    callback_base = settings.public_url or (base_url if local else None)
    sending = Sending(settings.in_flight_limit, references, stores.current.name, callback_base, settings.public_url)
    budget = Budget(Prices(settings.gpu_usd_per_second, free={LOCAL}), Caps.in_usd(*settings.caps_usd))
    store_check = StoreCheck(stores.current)
    world = World(table, endpoints, stores, clock, limits, store_check, budget)
    dispatcher = Dispatcher(world, sending)
    sender = WebhookSender(
        table,
        clock,
        settings.webhook_secret or _webhook_secret(settings.data_dir),
        lambda job: present(services, job).model_dump(mode="json"),
        allow_private=settings.allow_private_urls,
    )
    keep = Retention(settings.retention_event_days, settings.retention_leftover_days, settings.retention_output_days)
    app.state.signer = signer
    app.state.services = services = Services(
        table, dispatcher, monitor, monitors, references, stores, files_store, sender, clock,
        settings.signed_url_seconds, budget, endpoints, _billing(settings), store_check,
        ModelChoice(catalog(settings.model_catalog_dir), settings.models_by_type), app.state.keys,
        Forecast(table, endpoints, monitor, monitors, clock), world.previews,
        twins=TwinRules(stores.current, table, catalog(settings.model_catalog_dir), settings.require_consent),
    )  # fmt: skip

    app.state.metrics = metrics.Metrics(services)

    async def tell(trouble: str | None) -> None:
        await table.do(verbs.explain_store, trouble, clock())

    if local is not None:
        await local.start()
    running = {"dispatcher": dispatcher.run(), "monitor": monitor.run(), "webhooks": sender.run()}
    running |= {"upkeep": Upkeep(table, stores, clock, keep).run(), "store-check": store_check.run(tell)}
    running["bookkeeper"] = Bookkeeper(world).run()
    running["keys"] = app.state.keys.run(table)
    running |= {f"monitor-{kind}": special.run() for kind, special in monitors.items()}
    tasks = [asyncio.create_task(work, name=name) for name, work in running.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await dispatcher.stop()
        await sender.aclose()
        await endpoints.aclose()
        await app.state.keys.note(table)
        await table.close()


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def _link_secret(data_dir: Path) -> bytes:
    """The key that signs links."""
    return _made_once(data_dir / "secret", secrets.token_bytes(32))


def _webhook_secret(data_dir: Path) -> str:
    """The key that signs webhooks, as receivers take it."""
    fresh = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    return _made_once(data_dir / "webhook_secret", fresh.encode()).decode().strip()


def _made_once(path: Path, content: bytes) -> bytes:
    """What the file holds; it is written whole, once, and can be read by the owner alone."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    return path.read_bytes()


def current_store(settings: Settings, signer: UrlSigner | None = None) -> ObjectStore:
    """The store new jobs write to, as the settings name it; without a signer a local one gives out no links."""
    return open_store(
        bucket=settings.s3_bucket,
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key,
        public_base_url=settings.s3_public_base_url,
        data_dir=settings.data_dir,
        signer=signer,
    )


def _billing(settings: Settings) -> Billing | None:
    return Billing(settings.runpod_api_key or "", settings.runpod_api_url) if settings.uses_runpod else None


def _local_endpoint(settings: Settings) -> LocalEndpoint:
    return LocalEndpoint(
        data_dir=settings.data_dir, workers=settings.local_workers, worker_env=settings.worker_environment()
    )


def _endpoints(settings: Settings, given: Endpoint | None) -> EndpointDirectory:
    def open_address(url: str) -> Endpoint:
        if url == LOCAL:
            return DepartedEndpoint(url)
        return RunPodEndpoint(url, settings.runpod_api_key or "")

    default = given or open_address(settings.runpod_endpoint or "")
    by_type = {kind: open_address(url) for kind, url in settings.endpoints_by_type.items()}
    return EndpointDirectory(default, by_type, open_address)
