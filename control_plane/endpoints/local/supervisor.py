"""Keeps N worker processes alive: starts them, notices their death, starts them again with growing delay, ends them.

One `tick` does everything that is due, a few times a second; there is no thread and no task of its own.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from control_plane.endpoints.local.process import WorkerProcess
from control_plane.endpoints.local.queue import JobQueue

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0
STEADY_SECONDS = 30.0
"""A worker that lived this long was no part of a crash loop."""
TERM_SECONDS = 3.0
KILL_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker process is started with; `env` gets the variables that name it, see `sdk_environment`."""

    command: list[str]
    env: Mapping[str, str]
    base_url: str
    key: str
    lock_fd: int
    log_dir: Path


@dataclass
class _Slot:
    number: int
    process: WorkerProcess | None = None
    crashes: int = 0
    start_at: float = 0.0


class Supervisor:
    """Tells the queue which worker ids live. `clock` counts seconds."""

    def __init__(self, spec: WorkerSpec, workers: int, queue: JobQueue, clock: Callable[[], float]) -> None:
        self._spec = spec
        self._queue = queue
        self._clock = clock
        self._slots = [_Slot(number, start_at=clock()) for number in range(1, workers + 1)]

    def tick(self) -> None:
        """Kill who is overdue, bury who is dead, start who is due."""
        overdue = self._queue.overdue()
        for slot in self._slots:
            if slot.process and slot.process.id in overdue and not slot.process.dismissed:
                slot.process.dismiss(signal.SIGKILL)
            if slot.process and slot.process.has_exited():
                self._bury(slot, slot.process)
            if slot.process is None and self._clock() >= slot.start_at:
                self._start(slot)

    def counts(self) -> dict[str, int]:
        """`workers` of `/health`. A worker that crashed is unhealthy until its successor asks for a job."""
        states = Counter(self._state(slot) for slot in self._slots)
        names = ("idle", "initializing", "running", "throttled", "unhealthy")
        return {"ready": states["idle"], **{name: states[name] for name in names}}

    async def aclose(self) -> None:
        """End every worker and its group, by SIGTERM, then SIGKILL, in TERM_SECONDS + KILL_SECONDS at most."""
        for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            for process in self._processes():
                process.dismiss(number)
            await self._wait_for_exits(seconds)
        for process in self._processes():
            _log.error("Worker %s does not die; the next start will wait for it.", process.id)

    def _start(self, slot: _Slot) -> None:
        worker_id = f"local-{slot.number}-{secrets.token_hex(4)}"
        env = {**self._spec.env, **sdk_environment(self._spec.base_url, worker_id, self._spec.key)}
        log = self._spec.log_dir / f"worker-{slot.number}.log"
        try:
            slot.process = WorkerProcess(
                worker_id, self._spec.command, env, self._spec.lock_fd, log, started_at=self._clock()
            )
        except OSError as error:
            self._back_off(slot)
            _log.error("A worker could not be started: %s", error.strerror)
            return
        self._queue.add_worker(worker_id)
        _log.info("Worker %s started.", worker_id)

    def _bury(self, slot: _Slot, process: WorkerProcess) -> None:
        code = process.reap()
        self._queue.remove_worker(process.id)
        slot.process = None
        if process.dismissed:
            return
        if self._clock() - process.started_at >= STEADY_SECONDS:
            slot.crashes = 0
        self._back_off(slot)
        _log.warning("Worker %s ended by itself with code %d: %s", process.id, code, process.last_words())

    def _back_off(self, slot: _Slot) -> None:
        slot.start_at = self._clock() + min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(slot.crashes, 10))
        slot.crashes += 1

    def _state(self, slot: _Slot) -> str:
        if slot.process and self._queue.is_busy(slot.process.id):
            return "running"
        if slot.process and self._queue.has_polled(slot.process.id):
            return "idle"
        return "unhealthy" if slot.crashes else "initializing"

    def _processes(self) -> list[WorkerProcess]:
        return [slot.process for slot in self._slots if slot.process is not None]

    async def _wait_for_exits(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self._processes() and loop.time() < deadline:
            for slot in self._slots:
                if slot.process and slot.process.has_exited():
                    self._bury(slot, slot.process)
            await asyncio.sleep(0.02)


def sdk_environment(base_url: str, worker_id: str, key: str) -> dict[str, str]:
    """What makes the unmodified SDK work for us. `$ID` and `$RUNPOD_POD_ID` are filled in by the SDK itself.

    The checks switched off want 4 GB of free memory and a way to the internet. (Source: runpod 1.12, rp_job.py,
    rp_http.py, rp_ping.py, rp_system_fitness.py; the addresses need the `?` and the `/job-take/`.)
    """
    return {
        "RUNPOD_WEBHOOK_GET_JOB": f"{base_url}/job-take/$ID?gpu=local",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base_url}/job-done/$RUNPOD_POD_ID/$ID?gpu=local",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{base_url}/job-stream/$RUNPOD_POD_ID/$ID?gpu=local",
        "RUNPOD_WEBHOOK_PING": f"{base_url}/ping/$RUNPOD_POD_ID?gpu=local",
        "RUNPOD_PING_INTERVAL": "10000",
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_ENDPOINT_ID": "local",
        "RUNPOD_AI_API_KEY": key,
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }
