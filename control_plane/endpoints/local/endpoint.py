"""The built-in endpoint: RunPod's API, queue and workers on this machine, spoken to over HTTP like any other."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from control_plane.endpoints.local import lock
from control_plane.endpoints.local.life import Life, WorkerSetup
from control_plane.endpoints.port import EndpointHealth, EndpointUnreachable, Policy, RemoteJob
from control_plane.endpoints.runpod import RunPodEndpoint

WORKER_COMMAND = (sys.executable, "-m", "gpu_worker.handler")

_log = logging.getLogger(__name__)


class LocalEndpoint:
    """Jobs run in `workers` child processes of `command`, each with `worker_env` and nothing else of our environment.

    Until `start` has opened it, which waits for the workers of an earlier life on this `data_dir` to be dead, and after
    `aclose`, every call raises EndpointUnreachable with the reason. `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        data_dir: Path,
        workers: int,
        worker_env: Mapping[str, str],
        command: list[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = data_dir / "local"
        self._setup = WorkerSetup(workers, command or list(WORKER_COMMAND), worker_env)
        self._clock = clock
        self._opening: asyncio.Task[None] | None = None
        self._life: Life | None = None
        self._why_closed = "The built-in endpoint is not started."

    @property
    def url(self) -> str:
        """`local`: its port is another one in every life."""
        return "local"

    async def start(self) -> None:
        """Begin to open, and return at once."""
        self._why_closed = "The built-in endpoint waits for workers of an earlier run to end."
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def run(self, payload: dict[str, Any], policy: Policy, webhook: str | None = None) -> str:
        """Submit `payload` as `input` and return the id."""
        return await self._remote().run(payload, policy, webhook)

    async def status(self, runpod_id: str) -> RemoteJob:
        """The submission's state; `GONE` for an id of an earlier life."""
        return await self._remote().status(runpod_id)

    async def cancel(self, runpod_id: str) -> None:
        """Stop the submission; a worker that does not let go of it is killed."""
        await self._remote().cancel(runpod_id)

    async def health(self) -> EndpointHealth:
        """Counts of jobs and workers."""
        return await self._remote().health()

    async def aclose(self) -> None:
        """End the workers with all they started, then the port, within some 10 seconds."""
        self._why_closed = "The built-in endpoint is closed."
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        life, self._life = self._life, None
        if life is not None:
            await life.aclose()

    async def _open(self) -> None:
        try:
            lock_fd = await lock.acquire(self._folder / "workers.lock")
            try:
                self._life = Life(self._folder, self._setup, self._clock, lock_fd)
            except OSError:
                os.close(lock_fd)
                raise
        except OSError as error:
            self._why_closed = f"The built-in endpoint cannot start: {error.strerror}."
            _log.exception("The built-in endpoint cannot start.")

    def _remote(self) -> RunPodEndpoint:
        if self._life is None:
            raise EndpointUnreachable(self._why_closed)
        return self._life.remote
