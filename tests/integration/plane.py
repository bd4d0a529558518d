"""A dispatching plane on a RunPod stand-in and a real local store, with a worker whose steps the test takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from uuid6 import uuid7

from control_plane.clock import Clock, system_clock
from control_plane.dispatch.dispatcher import Dispatcher, Sending
from control_plane.dispatch.follower import World
from control_plane.dispatch.limits import Limits
from control_plane.dispatch.references import References
from control_plane.dispatch.store_check import SETTLE_SECONDS, StoreCheck
from control_plane.endpoints.departed import DepartedEndpoint
from control_plane.endpoints.directory import EndpointDirectory
from control_plane.endpoints.runpod import RunPodEndpoint
from control_plane.jobs import queries, verbs
from control_plane.jobs.records import AttemptRecord, JobRecord, NewJob
from control_plane.jobs.table import JobTable
from control_plane.ledger.budget import Budget
from shared.job_types import JobType
from shared.states import JobStatus
from shared.storage.base import ObjectStore
from shared.storage.directory import StoreDirectory
from shared.storage.local import LocalStore
from shared.wire import Claim, Failure, OutputFile, Progress, Result, WorkerInput, claim_key, result_key
from tests.standins.runpod import RunPodStandIn, StandInJob

QUICK = Limits(skew=0.0, unknown_grace=0.3, look_every=0.03, look_every_with_callbacks=0.03)
PARAMS = {"text": "hello"}


@dataclass
class Worker:
    """What a real worker does to the bucket, one step at a time."""

    store: ObjectStore
    job: StandInJob
    run: int = 1
    etag: str | None = None
    message: WorkerInput = field(init=False)

    def __post_init__(self) -> None:
        self.message = WorkerInput.model_validate(self.job.input)

    def claim(self, lease: float = 60.0) -> bool:
        """Put the claim; False when it is taken."""
        now = datetime.now(UTC)
        claim = Claim(
            token=self.message.token, runpod_job_id=self.job.id, worker_id="w1", run=self.run,
            claimed_at=now, expires_at=now + timedelta(seconds=lease),
        )  # fmt: skip
        key = claim_key(self.message.job_id, self.message.attempt)
        self.etag = self.store.put_if_absent(key, claim.model_dump_json().encode())
        return self.etag is not None

    def put_result(self, **how: Any) -> bool:
        """Put `result.json`; False when somebody has decided already."""
        result = Result(job_id=self.message.job_id, attempt=self.message.attempt, run=self.run, **how)
        body = result.model_dump_json(exclude_none=True).encode()
        return self.store.put_if_absent(result_key(self.message.job_id, self.message.attempt), body) is not None

    def succeed(self) -> bool:
        """Outputs and `result.json`, then the platform hears of it."""
        key = f"{self.message.output_prefix}{self.run}/speech.wav"
        output = OutputFile(key=key, kind="audio", content_type="audio/wav", bytes=4, sha256="0" * 64)
        won = self.put_result(outputs=[output], engine={"name": "test"})
        self.job.finish({"done": True})
        return won

    def fail(self, code: str, message: str, *, retryable: bool = False) -> None:
        """A failure told in the bucket and to the platform."""
        self.put_result(error=Failure(code=code, message=message, retryable=retryable))
        self.job.fail(f"{code}: {message}")

    def progress(self, seq: int, percent: int, stage: str = "rendering") -> Progress:
        """One report of this worker."""
        return Progress(
            job_id=self.message.job_id, attempt=self.message.attempt, run=self.run, seq=seq, stage=stage,
            progress=percent, message=f"{percent} %",
        )  # fmt: skip


@dataclass
class Plane:
    """A job table, a dispatcher on it, and the stand-in it sends to."""

    table: JobTable
    store: ObjectStore
    runpod: RunPodStandIn
    dispatcher: Dispatcher
    task: asyncio.Task[None]
    world: World

    async def submit(
        self,
        job_type: JobType = JobType.TTS,
        params: dict[str, Any] | None = None,
        priority: int = 0,
        max_cost: int | None = None,
    ) -> str:
        """A new job's id."""
        new = NewJob(str(uuid7()), job_type, params or PARAMS, {}, priority, max_cost=max_cost)
        job, _ = await self.table.do(verbs.submit, new, self.world.clock())
        return job.id

    async def worker(self) -> Worker:
        """The worker that takes the next job."""
        return Worker(self.store, await asyncio.wait_for(self.runpod.next_job(), 10))

    def job(self, job_id: str) -> JobRecord:
        """The job as the table has it now."""
        job = self.table.ask(queries.job_by_id, job_id)
        assert job is not None
        return job

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Its attempts, first to last."""
        return self.table.ask(queries.attempts_of_job, job_id)

    async def until(self, job_id: str, condition: Callable[[JobRecord], bool], seconds: float = 10.0) -> JobRecord:
        """Wait for the job to be so."""
        async with asyncio.timeout(seconds):
            while not condition(self.job(job_id)):
                await self.table.changed(job_id, 0.05)
        return self.job(job_id)

    async def status(self, job_id: str, status: JobStatus) -> JobRecord:
        """Wait for the job to have this status."""
        return await self.until(job_id, lambda job: job.status is status)

    async def cancel(self, job_id: str) -> JobRecord:
        """What the API does on cancel."""
        job = await self.table.do(verbs.request_cancel, job_id, self.world.clock())
        self.dispatcher.wake(job_id)
        return job

    async def crash(self) -> None:
        """The process is gone; what is on the disk stays."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.dispatcher.stop()


async def _at_once(seconds: float) -> None:
    del seconds


@contextlib.asynccontextmanager
async def running_plane(
    folder: Path,
    runpod: RunPodStandIn,
    limits: Limits = QUICK,
    in_flight: int = 100,
    clock: Clock = system_clock,
    budget: Budget | None = None,
    store: ObjectStore | None = None,
    settle_seconds: float = SETTLE_SECONDS,
) -> AsyncIterator[Plane]:
    """A plane in `folder`; entering it again on the same folder is a restart."""
    table = await JobTable.open(folder / "rushes.db")
    store = store or LocalStore(folder / "objects")
    store_check = StoreCheck(store, settle_seconds)
    await store_check.look()
    endpoints = EndpointDirectory(RunPodEndpoint(runpod.url, runpod.key, sleep=_at_once), {}, DepartedEndpoint)
    world = World(table, endpoints, StoreDirectory(store), clock, limits, store_check, budget or Budget())
    references = References(None, lambda job_id: table.ask(queries.job_by_id, job_id))
    dispatcher = Dispatcher(world, Sending(in_flight, references, store.name, "http://127.0.0.1:1"))
    plane = Plane(table, store, runpod, dispatcher, asyncio.create_task(dispatcher.run()), world)
    try:
        yield plane
    finally:
        await plane.crash()
        await endpoints.aclose()
        await table.close()
