"""A RunPod with a simulated fleet: the stand-in's HTTP side, and workers that run the real code on a real store.

Only the GPU work is a timer; parsing, claim, lease, upload and result are `gpu_worker.executor`. What the fleet notes
of each execution is the truth a campaign is judged by.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

from aiohttp import ClientError, ClientSession, ClientTimeout
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gpu_worker.executor import Executor
from gpu_worker.settings import WorkerSettings
from shared.errors import EngineFailed, EngineUnavailable, RushesError
from shared.storage.local import LocalStore
from tests.campaign.execution import Execution, TimedWork, WorkerStore
from tests.campaign.trouble import StoreTrouble, Trouble
from tests.standins.runpod import (
    DROPPED_REQUEST,
    LOST_ANSWER,
    MALFORMED,
    WITHOUT_ID,
    Fault,
    RunPodStandIn,
    StandInJob,
    breaking,
    refusing,
)

UNAVAILABLE = Fault(takes_effect=False, response=Response(b"", 503))
FAULTS: dict[str, dict[str, Fault | None]] = {
    "run": {
        "run: answer lost after acceptance": LOST_ANSWER,
        "run: request dropped": DROPPED_REQUEST,
        "run: malformed answer after acceptance": MALFORMED,
        "run: answer without an id": WITHOUT_ID,
        "run: 502 after acceptance": breaking(502),
        "run: 503": UNAVAILABLE,
        "run: 429": refusing(429, Retry_After="1"),
        "run: 401": refusing(401),
        "run: slow answer": None,
    },
    "status": {
        "status: answer lost": LOST_ANSWER,
        "status: malformed answer": MALFORMED,
        "status: 503": UNAVAILABLE,
        "status: 429": refusing(429, Retry_After="1"),
        "status: slow answer": None,
    },
    "cancel": {
        "cancel: answer lost": LOST_ANSWER,
        "cancel: request dropped": DROPPED_REQUEST,
        "cancel: 503": UNAVAILABLE,
    },
}
"""What a call can meet; None is an answer that takes its time, some longer than the client waits."""


@dataclass
class Terms:
    """How the fleet works. Seconds; `obeys_claims` off: a worker that lost its claim works on regardless."""

    workers: int = 30
    lease: float = 4.0
    cold_start: float = 1.5
    work: float = 2.0
    clock_error: float = 0.4
    obeys_claims: bool = True


class Fleet(RunPodStandIn):
    """Use as `async with`. `public_url` is where the plane's callbacks and webhooks pass on their unsafe way to it."""

    def __init__(self, folder: Path, trouble: Trouble, terms: Terms, plane_url: str) -> None:
        super().__init__()
        self.trouble = trouble
        self.public_url = self.url.removesuffix("/v2/endpoint1")
        self.executions: list[Execution] = []
        self.refused_for_good: set[str] = set()
        self.bills: defaultdict[str, list[int]] = defaultdict(list)
        self.log: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
        self._plane_url = plane_url
        self._terms = terms
        self._store = LocalStore(folder)
        self._store_trouble = StoreTrouble(trouble.folder, seed=-1)
        self._running: defaultdict[str, set[asyncio.Task[Any]]] = defaultdict(set)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._session = ClientSession(timeout=ClientTimeout(total=3))
        for number in range(self._terms.workers):
            self._spawn(self._worker(f"worker-{number}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._tasks, *(task for running in self._running.values() for task in running)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()
        await super().__aexit__()

    @property
    def is_idle(self) -> bool:
        """True when nothing waits and nothing runs."""
        return not any(self._running.values()) and not any(job.status == "IN_QUEUE" for job in self._known())

    def note(self, job_id: str, text: str) -> None:
        """A line for the trace of a job."""
        self.log[job_id].append((time.time(), text))

    # The HTTP side

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith("/v2/"):
            request = Request(scope, receive)
            await (await self._relay(request))(scope, receive, send)
            return
        operation = scope["path"].split("/")[3]
        for name, fault in FAULTS.get(operation, {}).items():
            if self.trouble.strikes(name):
                self._arm(operation, fault)
                break
        await super()._serve(scope, receive, send)

    def _arm(self, operation: str, fault: Fault | None) -> None:
        if fault is not None:
            self.fail_next(operation, fault)
        else:
            held = self.hold_next(operation)
            asyncio.get_running_loop().call_later(self.trouble.between(0.1, 3), held.release)

    async def _run(self, request: Request) -> Response:
        try:
            job_id = json.loads(await request.body())["input"]["job_id"]
        except ClientDisconnect:  # killed in the middle of asking
            return Response(status_code=400)
        if self.trouble.strikes("run: 400"):
            self.refused_for_good.add(job_id)
            return JSONResponse({"error": "no"}, 400)
        answer = await super()._run(request)
        self.note(job_id, f"platform: /run accepted as {_short(self.jobs[-1].id)}")
        return answer

    async def _cancel(self, request: Request) -> Response:
        live = [job for job in self._known() if job.status in ("IN_QUEUE", "IN_PROGRESS")]
        answer = await super()._cancel(request)
        for job in live:
            if job.status == "CANCELLED":
                self._bill(job)
        running = self._running[request.path_params["id"]]
        if running and not self.trouble.strikes("worker's stop notice lost"):
            for task in running:
                task.cancel()
        return answer

    async def _relay(self, request: Request) -> Response:
        """What workers post comes through here, for the plane has no other address: and not always, or not once."""
        body, sender = await request.body(), request.query_params.get("execution")
        if sender and self.executions[int(sender)].how == "died":
            return Response(status_code=502)
        return Response(status_code=await self._deliver(request.url.path, body))

    async def _deliver(self, path: str, body: bytes) -> int:
        if self.trouble.callbacks_down:
            return 502
        if self.trouble.strikes("callback or webhook lost"):
            return 200
        if self.trouble.strikes("callback or webhook repeated"):
            self._spawn(_later(self.trouble.between(0, 2), self._post, path, body))
        if self.trouble.strikes("callback or webhook late"):
            self._spawn(_later(self.trouble.between(0, 3), self._post, path, body))
            return 200
        return await self._post(path, body)

    async def _post(self, path: str, body: bytes) -> int:
        try:
            async with self._session.post(self._plane_url + path, data=body) as answer:
                return answer.status
        except (ClientError, TimeoutError):
            return 502

    # The workers

    async def _worker(self, name: str) -> None:
        while True:
            job = await self.next_job()
            job.worker_id = name
            await self._employ(job, name)

    async def _employ(self, job: StandInJob, name: str) -> None:
        """One worker's time with one job, to its return, its death or its stop."""
        message = job.input
        number = len(self.executions)
        error = self.trouble.between(-self._terms.clock_error, self._terms.clock_error)
        execution = Execution(number, message["job_id"], message["attempt"], job.id, name, time.time(), error)
        self.executions.append(execution)
        note = partial(self._note_of, execution)
        store = WorkerStore(self._store, self._store_trouble, execution, note, obeys_claims=self._terms.obeys_claims)
        note("takes it")
        task = asyncio.create_task(self._execute(job, execution, store))
        self._running[job.id].add(task)
        dies = self.trouble.strikes("worker dies")
        self._let_the_platform_err(job)
        done, _ = await asyncio.wait({task}, timeout=self.trouble.between(0, 3) if dies else None)
        execution.left_at = time.time()
        if not done:
            execution.how = "died"
            store.is_cut_off = True
            task.cancel()
            await asyncio.wait({task})
        self._running[job.id].discard(task)
        if execution.how == "died":
            self._bury(job, execution)
        elif task.cancelled():
            execution.how = "was stopped"
        else:
            execution.how = f"returned {_brief(task.result())}"
            self._report(job, execution, task.result())
        note(execution.how)

    def _note_of(self, execution: Execution, text: str) -> None:
        who = f"{execution.worker} (attempt {execution.attempt}, {_short(execution.runpod_id)}, run {execution.run})"
        self.note(execution.job_id, f"{who}: {text}")

    async def _execute(self, job: StandInJob, execution: Execution, store: WorkerStore) -> dict[str, Any]:
        trouble = self.trouble
        await asyncio.sleep(trouble.between(0, self._terms.cold_start))
        execution.handled_at = time.time()
        message = dict(job.input)
        if message.get("callback_url"):
            message["callback_url"] += f"?execution={execution.number}"
        settings = WorkerSettings(
            _env_file=None,
            runpod_pod_id=execution.worker,
            claim_lease_seconds=self._terms.lease,
            storage_patience_seconds=8,
            fetch_reserve_bytes=0,
        )
        failure: RushesError | None = None
        if trouble.strikes("engine fails, a retry may help"):
            failure = EngineFailed()
        elif trouble.strikes("engine fails for good"):
            failure = EngineUnavailable()
        work = TimedWork(execution, trouble.between(0.05, self._terms.work), failure)
        error = timedelta(seconds=execution.clock_error)
        executor = Executor(
            store=store, jobs=work, settings=settings, clock=lambda: datetime.now(UTC) + error, address=str
        )

        def update(progress: dict[str, Any]) -> None:
            late = trouble.strikes("progress late, out of order")
            asyncio.get_running_loop().call_later(trouble.between(0, 2) if late else 0, job.progress, progress)

        return await executor.execute({"id": job.id, "input": message}, update)

    # What the platform makes of it

    def _let_the_platform_err(self, job: StandInJob) -> None:
        """What it can say and do while the worker lives."""
        later, when = asyncio.get_running_loop().call_later, self.trouble.between(0.2, 3)
        if self.trouble.strikes("platform forgets a running job"):
            later(when, job.forget)
        elif self.trouble.strikes("platform calls a running job TIMED_OUT"):
            later(when, self._end, job, job.time_out)
        elif self.trouble.strikes("platform runs a live job again, same id"):
            later(when, self._run_again, job)

    def _run_again(self, job: StandInJob) -> None:
        if job.status == "IN_PROGRESS":
            self.note(job.input["job_id"], f"platform: {_short(job.id)} is queued again")
            self.requeue(job)

    def _bury(self, job: StandInJob, execution: Execution) -> None:
        """A worker is dead. The platform calls it failed, runs the job again, notices late, errs or forgets."""
        before = "before" if execution.claimed_at is None else "after"
        self.trouble.injected[f"worker died {before} its claim"] += 1
        later = asyncio.get_running_loop().call_later
        fate = self.trouble.choice(["FAILED", "again", "TIMED_OUT", "COMPLETED", "GONE"])
        self.trouble.injected[f"dead worker's job: {fate}"] += 1
        when = self.trouble.between(0, 1)
        match fate:
            case "FAILED":
                later(when, self._end, job, job.fail, "worker exited with exit code 137")
            case "again":
                later(when, self._run_again, job)
            case "TIMED_OUT":
                later(6, self._end, job, job.time_out)
            case "COMPLETED":
                later(when, self._call_it_done, job, execution)
            case _:
                later(when, job.forget)
        self._after_the_end(job)

    def _call_it_done(self, job: StandInJob, execution: Execution) -> None:
        if not self._running[job.id]:
            self._complete(job, execution, {"looks": "fine"})

    def _end(self, job: StandInJob, how: Callable[..., None], *args: Any) -> None:
        before = job.status
        how(*args)
        if job.status != before:
            self._bill(job)

    def _bill(self, job: StandInJob) -> None:
        """What the platform says the job took, and charges: the time of every worker that had it, up to now."""
        milliseconds = round(1000 * sum(e.seconds for e in self.executions if e.runpod_id == job.id))
        self.bills[job.id].append(milliseconds)
        job.shown["executionTime"] = milliseconds

    def _complete(self, job: StandInJob, execution: Execution, answer: dict[str, Any]) -> None:
        self._end(job, job.finish, answer)
        if job.status == "COMPLETED":
            execution.completed_at = time.time()

    def _report(self, job: StandInJob, execution: Execution, answer: dict[str, Any]) -> None:
        later = asyncio.get_running_loop().call_later
        if self.trouble.strikes("worker's job-done lost"):
            later(6, self._end, job, job.time_out)
        elif "error" in answer:
            self._end(job, job.fail, answer["error"])
        else:
            self._complete(job, execution, answer)
        if self.trouble.strikes("job reopened by late progress"):
            job.status = "IN_PROGRESS"
            later(6, self._end, job, job.time_out)
        self._after_the_end(job)

    def _after_the_end(self, job: StandInJob) -> None:
        """The webhook, and the end of the time for which the platform remembers."""
        if job.webhook:
            body = json.dumps(job.webhook_body()).encode()
            self._spawn(_later(0, self._deliver, job.webhook.removeprefix(self.public_url), body))
        asyncio.get_running_loop().call_later(8, job.forget)

    def _spawn(self, act: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(act)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _later(seconds: float, act: Callable[[str, bytes], Awaitable[int]], path: str, body: bytes) -> None:
    await asyncio.sleep(seconds)
    await act(path, body)


def _short(runpod_id: str) -> str:
    return runpod_id[:8]


def _brief(answer: dict[str, Any]) -> str:
    return str(answer.get("error") or ("claim_lost" if answer.get("claim_lost") else "a result"))
