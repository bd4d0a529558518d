"""`create_app`: the only place where everything is put together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from control_plane.api import callbacks, events, files, health, jobs, problems, timeline, uploads
from control_plane.api.guard import Guard, Rules, host_names
from control_plane.api.services import Services
from control_plane.clock import Clock, system_clock
from control_plane.dispatch.dispatcher import Dispatcher, Sending
from control_plane.dispatch.follower import World
from control_plane.dispatch.limits import Limits
from control_plane.dispatch.monitor import EndpointMonitor
from control_plane.dispatch.references import References
from control_plane.endpoints.departed import DepartedEndpoint
from control_plane.endpoints.directory import EndpointDirectory
from control_plane.endpoints.local.endpoint import LocalEndpoint
from control_plane.endpoints.port import LOCAL, Endpoint
from control_plane.endpoints.runpod import RunPodEndpoint
from control_plane.jobs import queries
from control_plane.jobs.table import JobTable
from control_plane.settings import Settings
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
        async with _running(app, settings, base_url, endpoint, limits or Limits(skew=settings.skew_seconds), clock):
            yield

    app = FastAPI(title="Rushes", version=health.VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    problems.install(app)
    for room in (health, jobs, timeline, uploads, events, files, callbacks):
        app.include_router(room.router)
    _protect(app, settings)
    return app


def _protect(app: FastAPI, settings: Settings) -> None:
    """The guard stands outermost but one: a preflight is answered before a key is asked for."""
    hosts = host_names(settings.host, settings.public_url)
    app.add_middleware(Guard, rules=Rules(settings.api_key, hosts, tuple(settings.cors_origins)))
    exact = [origin for origin in settings.cors_origins if not origin.endswith("://")]
    schemes = [origin for origin in settings.cors_origins if origin.endswith("://")]
    app.add_middleware(
        CORSMiddleware,
        allow_origins=exact,
        allow_origin_regex="|".join(f"{scheme}.+" for scheme in schemes) or None,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer"],
        expose_headers=["ETag", "Link", "Location", "Retry-After", "X-Request-ID"],
    )


@contextlib.asynccontextmanager
async def _running(
    app: FastAPI, settings: Settings, base_url: str, endpoint: Endpoint | None, limits: Limits, clock: Clock
) -> AsyncIterator[None]:
    _make_private(settings.data_dir)
    table = await JobTable.open(settings.database)
    signer = UrlSigner(_secret(settings.data_dir), settings.public_url or base_url, time.time)
    files_store = LocalStore(settings.data_dir / "objects", signer)
    stores = StoreDirectory(_current_store(settings, signer), [files_store])
    local = None if endpoint or settings.runpod_endpoint else _local_endpoint(settings)
    endpoints = _endpoints(settings, endpoint or local)
    monitor = EndpointMonitor(endpoints.default)
    references = References(
        settings.s3_bucket,
        lambda job_id: table.ask(queries.job_by_id, job_id),
        allow_private=settings.allow_private_urls,
    )
    callback_base = settings.public_url or (base_url if local else None)
    sending = Sending(settings.in_flight_limit, references, stores.current.name, callback_base, settings.public_url)
    dispatcher = Dispatcher(World(table, endpoints, stores, clock, limits), sending)
    app.state.signer = signer
    app.state.services = Services(
        table, dispatcher, monitor, references, stores, files_store, clock,
        settings.signed_url_seconds, settings.gpu_usd_per_second,
    )  # fmt: skip
    if local is not None:
        await local.start()
    tasks = [asyncio.create_task(dispatcher.run(), name="dispatcher"), asyncio.create_task(monitor.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await dispatcher.stop()
        await endpoints.aclose()
        await table.close()


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def _secret(data_dir: Path) -> bytes:
    """The key that signs links, made once and readable by the owner alone."""
    path = data_dir / "secret"
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


def _current_store(settings: Settings, signer: UrlSigner) -> ObjectStore:
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
