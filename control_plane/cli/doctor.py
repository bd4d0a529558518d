"""`rushes doctor`: does everything that a job needs work, and if not, how is it mended?"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from control_plane.app import current_store
from control_plane.dispatch.store_check import explain
from control_plane.endpoints.port import EndpointError, EndpointHealth, EndpointRefused, EndpointUnreachable
from control_plane.endpoints.runpod import RunPodEndpoint
from control_plane.jobs.backup import examine as examine_database
from control_plane.settings import Settings
from shared.errors import RushesError, StorageFailed
from shared.storage.probe import probe_conditional_puts

LOW_DISK_BYTES = 2_000_000_000
_MEND = {
    401: "set RUNPOD_API_KEY to a key of the account that owns the endpoint",
    402: "add funds to the RunPod account",
    403: "give the key in RUNPOD_API_KEY access to this endpoint",
    404: "check the id at the end of the address, https://api.runpod.ai/v2/<endpoint id>",
}


@dataclass(frozen=True)
class Finding:
    """What was looked at and how it is: where `ok` is False, with how to mend it."""

    what: str
    ok: bool
    message: str

    def __str__(self) -> str:
        return f"{'ok' if self.ok else 'wrong':7}{self.what:11}{self.message}"


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything, one after the other. The store is written to, below a scratch key that is removed again."""
    yield Finding("settings", True, "all understood")
    yield _look("disk", lambda: _disk(settings))
    yield _look("database", lambda: f"{settings.database}: {examine_database(settings.database)}")
    yield _look("store", lambda: _store(settings))
    for what, url in _endpoints(settings).items():
        yield _look(what, partial(asyncio.run, _endpoint(url, settings.runpod_api_key or "")))
    if settings.runpod_endpoint is None:
        yield _look("endpoint", _built_in)


def _look(what: str, how: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, how())
    except RushesError as wrong:
        return Finding(what, False, wrong.message)
    except OSError as wrong:
        return Finding(what, False, f"{wrong.strerror}: {wrong.filename}")


def _disk(settings: Settings) -> str:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(settings.data_dir).free
    if free < LOW_DISK_BYTES:
        raise StorageFailed(f"Only {free / 1e9:.1f} GB left: make room, or set DATA_DIR to a larger disk")
    return f"{free / 1e9:.1f} GB left"


def _store(settings: Settings) -> str:
    try:
        store = current_store(settings)
        trouble = explain(probe_conditional_puts(store))
    except StorageFailed as failed:
        names = "S3_BUCKET, S3_ENDPOINT_URL, S3_REGION and the S3 keys" if settings.s3_bucket else "DATA_DIR"
        raise StorageFailed(f"{failed.message} Check {names}") from failed
    if trouble:
        raise StorageFailed(trouble)
    return f"{store.name}: reads, writes, and enforces conditional puts"


def _endpoints(settings: Settings) -> dict[str, str]:
    default = {"endpoint": settings.runpod_endpoint} if settings.runpod_endpoint else {}
    return default | {kind.value: url for kind, url in settings.endpoints_by_type.items()}


async def _endpoint(url: str, api_key: str) -> str:
    endpoint = RunPodEndpoint(url, api_key)
    try:
        return _in_words(await endpoint.health())
    except EndpointError as wrong:
        raise EndpointError(f"{wrong.message} {_mend(wrong)}") from wrong
    finally:
        await endpoint.aclose()


def _in_words(health: EndpointHealth) -> str:
    workers = ", ".join(f"{count} {state}" for state, count in health.workers.items() if count)
    return f"answers; workers: {workers or 'none now'}"


def _mend(wrong: EndpointError) -> str:
    if isinstance(wrong, EndpointRefused) and wrong.status in _MEND:
        return f"To mend it, {_MEND[wrong.status]}"
    if isinstance(wrong, EndpointUnreachable):
        return "Check its address and this machine's network"
    return "See the endpoint's own console"


def _built_in() -> str:
    if find_spec("runpod") is None:
        raise EndpointError("The built-in endpoint has no worker: install rushes[worker], or set RUNPOD_ENDPOINT")
    return "built-in, on this machine"
