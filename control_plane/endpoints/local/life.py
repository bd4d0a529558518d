"""One life of the built-in endpoint: everything that begins once the lock is ours and ends together."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from control_plane.endpoints import quotas
from control_plane.endpoints.local.gateway import Gateway
from control_plane.endpoints.local.jobs import LocalJob
from control_plane.endpoints.local.queue import JobQueue
from control_plane.endpoints.local.supervisor import Supervisor, WorkerSpec
from control_plane.endpoints.local.webhooks import WebhookSender
from control_plane.endpoints.runpod import RunPodEndpoint

_TICK_SECONDS = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSetup:
    """How many workers, and what each is started with."""

    count: int
    command: list[str]
    env: Mapping[str, str]


class Life:
    """`remote` is how the rest of the plane talks to it. Ends with `aclose`, which also gives the lock back."""

    def __init__(self, folder: Path, setup: WorkerSetup, clock: Callable[[], float], lock_fd: int) -> None:
        for path in (folder / "home", folder / "logs"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = lock_fd
        self._webhooks = WebhookSender()
        self._queue = JobQueue(clock, self._send_webhook)
        self._gateway = Gateway(self._queue, lambda: self._supervisor.counts())
        self._supervisor = Supervisor(self._spec(folder, setup), setup.count, self._queue, clock)
        self.remote = RunPodEndpoint(self._gateway.base_url, self._gateway.client_key, quotas=quotas.none())
        self._upkeep = asyncio.get_running_loop().create_task(self._keep_up())

    async def aclose(self) -> None:
        """End the workers first: one that outlived the port would spin on it."""
        self._upkeep.cancel()
        self._gateway.end_polls()
        await self._supervisor.aclose()
        await self._webhooks.aclose()
        await self.remote.aclose()
        await self._gateway.aclose()
        os.close(self._lock_fd)

    def _spec(self, folder: Path, setup: WorkerSetup) -> WorkerSpec:
        # A HOME of its own: the SDK prefers a RunPod key it finds in a file there to the one we give it.
        home = str((folder / "home").resolve())
        env = {"RUNPOD_LOG_LEVEL": "WARN", "PYTHONUNBUFFERED": "1", **setup.env, "HOME": home}
        base_url, key = self._gateway.base_url, self._gateway.worker_key
        return WorkerSpec(setup.command, env, base_url, key, self._lock_fd, log_dir=folder / "logs")

    def _send_webhook(self, job: LocalJob) -> None:
        url = job.request.webhook
        if url is not None:
            self._webhooks.send(url, {**self._queue.view(job), "input": job.request.input, "webhook": url})

    async def _keep_up(self) -> None:
        while True:
            try:
                self._queue.pass_time()
                self._supervisor.tick()
            except Exception:  # noqa: BLE001 - without upkeep no timeout, no stop and no new worker would ever come
                _log.exception("The upkeep of the built-in endpoint failed; it goes on.")
            await asyncio.sleep(_TICK_SECONDS)
