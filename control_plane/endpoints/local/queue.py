"""The built-in endpoint's queue: RunPod's job states, in memory, moved by clients, workers and the clock.

A stopped job (cancelled, timed out, expired) stays *held* by its worker until that worker gives it back or dies; a
worker that does neither in time is named by `overdue`. (Source: docs.runpod.io, job states; the SDK's worker loop.)
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from control_plane.endpoints.local.jobs import LocalJob, RunRequest
from control_plane.endpoints.port import RemoteStatus

MAX_RUNS = 3
STOP_GRACE = 10.0
"""Seconds a worker has to give a stopped job back before it is killed."""
STOP_REPEAT = 1.0
"""Seconds between two stop signals for one job: the SDK drops one that comes before the handler has started."""
RETENTION = 30 * 60.0
SYNC_RETENTION = 60.0


class JobUnknown(Exception):
    """No such job, or no longer."""


class Changes:
    """Wakes everybody who waits for the queue to change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def announce(self) -> None:
        """Wake all who wait now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Return at the next change."""
        await self._event.wait()


@dataclass
class _Held:
    """A job in a worker's hands; once it must stop, when the worker was last told and when it is killed."""

    kill_at: float | None = None
    told_at: float | None = None


@dataclass
class _Worker:
    has_polled: bool = False
    retired: bool = False
    held: dict[str, _Held] = field(default_factory=dict)


class JobQueue:
    """Owned by one event loop. `clock` counts seconds; `on_finish` hears of every job that comes to an end."""

    def __init__(self, clock: Callable[[], float], on_finish: Callable[[LocalJob], None]) -> None:
        self.changes = Changes()
        self._clock = clock
        self._on_finish = on_finish
        self._jobs: dict[str, LocalJob] = {}
        self._waiting: deque[str] = deque()
        self._workers: dict[str, _Worker] = {}
        self._totals: Counter[str] = Counter()

    # What clients ask for.

    def submit(self, request: RunRequest, *, sync: bool = False) -> LocalJob:
        """Take a job in, last in line."""
        job_id = f"sync-{uuid.uuid4()}" if sync else str(uuid.uuid4())
        retention = SYNC_RETENTION if sync else RETENTION
        job = self._jobs[job_id] = LocalJob(job_id, request, retention, submitted_at=self._clock())
        self._waiting.append(job_id)
        self.changes.announce()
        return job

    def find(self, job_id: str) -> LocalJob:
        """The job as it is by the clock; JobUnknown when there is none."""
        job = self._current(job_id)
        if job is None:
            raise JobUnknown
        return job

    def cancel(self, job_id: str) -> LocalJob:
        """Stop the job; what has ended stays as it is."""
        job = self.find(job_id)
        if not job.status.is_over:
            self._stop(job, STOP_GRACE)
            self._finish(job, RemoteStatus.CANCELLED, {})
        return job

    def retry(self, job_id: str) -> LocalJob:
        """Queue a failed or timed-out job again under its id. ValueError for any other."""
        job = self.find(job_id)
        if job.status not in (RemoteStatus.FAILED, RemoteStatus.TIMED_OUT):
            raise ValueError("Only a job that failed or timed out can be retried.")
        job.retries = 0
        self._enqueue(job)
        self._waiting.append(job_id)
        return job

    def purge(self) -> int:
        """Forget every job that waits, and say how many there were."""
        waiting = [job.id for job in self._jobs.values() if job.status is RemoteStatus.IN_QUEUE]
        for job_id in waiting:
            del self._jobs[job_id]
        self._waiting.clear()
        return len(waiting)

    def view(self, job: LocalJob) -> dict[str, Any]:
        """The job as `/status` shows it now."""
        return job.view(self._clock())

    def counts(self) -> dict[str, int]:
        """`jobs` of `/health`."""
        states = Counter(job.status for job in self._jobs.values())
        return {
            "inQueue": states[RemoteStatus.IN_QUEUE],
            "inProgress": states[RemoteStatus.IN_PROGRESS],
            **{name: self._totals[name] for name in ("completed", "failed", "retried")},
        }

    # What workers say.

    def take(self, worker_id: str, limit: int = 1) -> list[LocalJob]:
        """Hand out up to `limit` jobs, oldest first."""
        worker = self._workers[worker_id]
        worker.has_polled = True
        taken: list[LocalJob] = []
        while self._waiting and len(taken) < limit and not worker.retired:
            job = self._current(self._waiting.popleft())
            if job is not None and job.status is RemoteStatus.IN_QUEUE:
                job.status, job.worker_id, job.taken_at = RemoteStatus.IN_PROGRESS, worker_id, self._clock()
                worker.held[job.id] = _Held()
                taken.append(job)
        return taken

    def empty_handed(self, worker_id: str) -> None:
        """The worker has no job: stopped ones are given back, a live one was lost on the way to it or from it."""
        worker = self._workers[worker_id]
        held, worker.held = worker.held, {}
        for job_id in held:
            job = self._current(job_id)
            if job is not None and self._runs_on(job, worker_id):
                self._lose_run(job)

    def report_progress(self, worker_id: str, job_id: str, output: object) -> None:
        """Show `output` while the job runs. Too late, or not from its worker: nothing happens."""
        if self._runs_on(self.find(job_id), worker_id):
            self._jobs[job_id].report = {"output": output}

    def report_chunk(self, worker_id: str, job_id: str, output: object) -> None:
        """Keep a chunk for `/stream`."""
        if self._runs_on(self.find(job_id), worker_id):
            self._jobs[job_id].chunks.append({"output": output})

    def report_end(self, worker_id: str, job_id: str, report: dict[str, Any]) -> None:
        """End the job with `output` and `error` as reported; the worker holds it no more. Late ones change nothing."""
        worker = self._workers.get(worker_id)
        if worker is not None:
            worker.held.pop(job_id, None)
            worker.retired = worker.retired or bool(report.get("stopPod"))
        job = self.find(job_id)
        if self._runs_on(job, worker_id):
            kept = {name: value for name, value in report.items() if name in ("output", "error")}
            self._finish(job, RemoteStatus.FAILED if kept.get("error") else RemoteStatus.COMPLETED, kept)

    def stops(self, worker_id: str) -> list[str]:
        """The held jobs that must stop, told again every STOP_REPEAT seconds until they are given back."""
        now = self._clock()
        due = [
            (job_id, held)
            for job_id, held in self._workers[worker_id].held.items()
            if held.kill_at is not None and (held.told_at is None or now - held.told_at >= STOP_REPEAT)
        ]
        for _, held in due:
            held.told_at = now
        return [job_id for job_id, _ in due]

    # What the supervisor knows.

    def add_worker(self, worker_id: str) -> None:
        """A process with this id was started."""
        self._workers[worker_id] = _Worker()

    def remove_worker(self, worker_id: str) -> None:
        """The process is dead: what it ran waits again, or has failed."""
        self.empty_handed(worker_id)
        del self._workers[worker_id]
        self.changes.announce()

    def knows(self, worker_id: str) -> bool:
        """True while the process with this id lives."""
        return worker_id in self._workers

    def has_polled(self, worker_id: str) -> bool:
        """True once the worker has asked for a job."""
        return self._workers[worker_id].has_polled

    def is_busy(self, worker_id: str) -> bool:
        """True while the worker has a job in its hands."""
        return bool(self._workers[worker_id].held)

    def overdue(self) -> list[str]:
        """Workers to be killed: they kept a stopped job too long, or asked to be replaced."""
        now = self._clock()
        return [
            worker_id
            for worker_id, worker in self._workers.items()
            if worker.retired or any(h.kill_at is not None and h.kill_at <= now for h in worker.held.values())
        ]

    def pass_time(self) -> None:
        """Forget and time out what the clock says; wake those who wait for a stop signal to be repeated."""
        for job in list(self._jobs.values()):
            self._pass_time(job)
        if any(held.kill_at is not None for worker in self._workers.values() for held in worker.held.values()):
            self.changes.announce()

    def _current(self, job_id: str) -> LocalJob | None:
        if job_id in self._jobs:
            self._pass_time(self._jobs[job_id])
        return self._jobs.get(job_id)

    def _pass_time(self, job: LocalJob) -> None:
        now = self._clock()
        if now >= job.expires_at:
            self._stop(job, STOP_GRACE)
            del self._jobs[job.id]
        elif job.overran(now):
            self._stop(job, 0)
            self._finish(job, RemoteStatus.TIMED_OUT, {"error": "The job ran longer than its execution timeout."})

    def _stop(self, job: LocalJob, grace: float) -> None:
        worker = self._workers.get(job.worker_id or "")
        if worker is not None and job.id in worker.held:
            worker.held[job.id].kill_at = self._clock() + grace
            self.changes.announce()

    def _finish(self, job: LocalJob, status: RemoteStatus, report: dict[str, Any]) -> None:
        job.status, job.report, job.finished_at = status, report, self._clock()
        if status is not RemoteStatus.CANCELLED:
            self._totals["completed" if status is RemoteStatus.COMPLETED else "failed"] += 1
        self._on_finish(job)
        self.changes.announce()

    def _lose_run(self, job: LocalJob) -> None:
        if job.retries + 1 >= MAX_RUNS:
            self._finish(job, RemoteStatus.FAILED, {"error": f"The worker was lost {MAX_RUNS} times."})
            return
        job.retries += 1
        self._totals["retried"] += 1
        self._enqueue(job)
        self._waiting.appendleft(job.id)

    def _enqueue(self, job: LocalJob) -> None:
        job.status, job.report, job.chunks = RemoteStatus.IN_QUEUE, {}, []
        job.worker_id = job.taken_at = job.finished_at = None
        self.changes.announce()

    @staticmethod
    def _runs_on(job: LocalJob, worker_id: str) -> bool:
        return job.status is RemoteStatus.IN_PROGRESS and job.worker_id == worker_id
