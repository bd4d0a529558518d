"""A small RunPod for tests: the client side of serverless v2 over real HTTP, its jobs and its faults moved by the test.

Written from RunPod's documentation alone, so that it checks our own gateway as well as our client.

    async with RunPodStandIn() as runpod:
        endpoint = RunPodEndpoint(runpod.url, runpod.key)
        runpod.fail_next("run", LOST_ANSWER)          # what the next calls of /run meet, in order
        job = await runpod.next_job()                 # a worker takes the oldest job
        job.progress({"progress": 50})
        job.finish({"answer": 42})                    # or fail, time_out, forget; runpod.requeue(job)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

WEEK_MS = 7 * 86_400_000


@dataclass
class Fault:
    """What one call meets. `takes_effect`: it is done all the same. Without `response` the connection just drops."""

    takes_effect: bool
    response: Response | None = None


LOST_ANSWER = Fault(takes_effect=True)
DROPPED_REQUEST = Fault(takes_effect=False)
MALFORMED = Fault(takes_effect=True, response=Response(b"<html>Bad gateway</html>", 200))
WITHOUT_ID = Fault(takes_effect=True, response=JSONResponse({"status": "IN_QUEUE"}))


def refusing(status: int, **headers: str) -> Fault:
    """An error answer; nothing was done. Header names with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(takes_effect=False, response=JSONResponse({"error": "no"}, status, headers=named))


def breaking(status: int = 502) -> Fault:
    """An error answer from something in between; the call was done."""
    return Fault(takes_effect=True, response=Response(b"upstream broke", status))


@dataclass
class Held:
    """A call that is done, and whose answer waits for `release`."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        self.released.set()


@dataclass
class StandInJob:
    """A submitted job; the test is its worker."""

    input: dict[str, Any]
    policy: dict[str, int]
    webhook: str | None
    id: str = field(default_factory=lambda: f"{uuid.uuid4()}-u1")
    status: str = "IN_QUEUE"
    shown: dict[str, Any] = field(default_factory=dict)
    forgotten: bool = False
    worker_id: str = "w0rker"
    delay_ms: int = 40

    def start(self) -> None:
        self.status = "IN_PROGRESS"
        self.shown = {"delayTime": self.delay_ms, "executionTime": 0, "workerId": self.worker_id}

    def progress(self, output: Any) -> None:
        self._change("IN_PROGRESS", output=output)

    def finish(self, output: Any) -> None:
        self._change("COMPLETED", output=output)

    def fail(self, error: str, **more: Any) -> None:
        self._change("FAILED", error=error, **more)

    def time_out(self) -> None:
        self._change("TIMED_OUT", error="job timed out")

    def forget(self) -> None:
        """What the ttl, the retention or a Redis failure does."""
        self.forgotten = True

    def webhook_body(self) -> dict[str, Any]:
        """What RunPod posts to `webhook` when the job ends."""
        return {"input": self.input, "webhook": self.webhook, **self.view()}

    def view(self) -> dict[str, Any]:
        return {"id": self.id, "status": self.status, **self.shown}

    def _change(self, status: str, **shown: Any) -> None:
        if self.status in ("IN_QUEUE", "IN_PROGRESS"):
            times = {"delayTime": self.delay_ms, "executionTime": 120, "workerId": self.worker_id}
            self.status, self.shown = status, {**times, **shown}


class RunPodStandIn:
    """`url` and `key` for the client; `jobs` in order of submission; `calls` counts requests by operation."""

    def __init__(self) -> None:
        self.key = f"rpa_{uuid.uuid4().hex}"
        self.jobs: list[StandInJob] = []
        self.calls: Counter[str] = Counter()
        self.workers = {"idle": 1, "initializing": 0, "ready": 1, "running": 0, "throttled": 0, "unhealthy": 0}
        self._faults: defaultdict[str, deque[Fault | Held]] = defaultdict(deque)
        self._queued = asyncio.Event()
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v2/endpoint1"
        self._app = Starlette(
            routes=[
                Route("/v2/endpoint1/run", self._run, methods=["POST"]),
                Route("/v2/endpoint1/status/{id}", self._status),
                Route("/v2/endpoint1/cancel/{id}", self._cancel, methods=["POST"]),
                Route("/v2/endpoint1/health", self._health),
            ]
        )

    async def __aenter__(self) -> Self:
        config = uvicorn.Config(self._serve, interface="asgi3", ws="none", lifespan="off", log_config=None)
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut everything at once: uvicorn's own goodbye takes a fifth of a second."""
        self._serving.cancel()
        await asyncio.wait([self._serving])
        for server in self._server.servers:
            server.close()
        for connection in self._server.server_state.connections:
            connection.transport.abort()
        for task in self._server.server_state.tasks:
            task.cancel()

    def fail_next(self, operation: str, *faults: Fault) -> None:
        """The next calls of `run`, `status`, `cancel` or `health` meet these, one each."""
        self._faults[operation].extend(faults)

    def hold_next(self, operation: str) -> Held:
        """The next call of the operation is done and not answered before `release`."""
        held = Held()
        self._faults[operation].append(held)
        return held

    async def next_job(self) -> StandInJob:
        """Wait for a queued job and start it, oldest first."""
        while not (waiting := [job for job in self._known() if job.status == "IN_QUEUE"]):
            self._queued.clear()
            await self._queued.wait()
        waiting[0].start()
        return waiting[0]

    def requeue(self, job: StandInJob) -> None:
        """The platform lost the job's worker and runs it again under the same id."""
        job.status = "IN_QUEUE"
        self._queued.set()

    def _known(self) -> list[StandInJob]:
        return [job for job in self.jobs if not job.forgotten]

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = scope["path"].split("/")[3]
        self.calls[operation] += 1
        fault = self._faults[operation].popleft() if self._faults[operation] else None
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        if fault is None or isinstance(fault, Held) or fault.takes_effect:
            await self._app(scope, receive, keep)
        if isinstance(fault, Held):
            fault.arrived.set()
            await fault.released.wait()
        if isinstance(fault, Fault):
            await (fault.response(scope, receive, send) if fault.response else _drop(receive))
            return
        for message in answer:
            await send(message)

    async def _run(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        try:
            body = json.loads(await request.body())
            policy = {"executionTimeout": 600_000, "ttl": 86_400_000} | body.get("policy", {})
            job = StandInJob(body["input"], policy, body.get("webhook"))
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": "bad request"}, 400)
        if not (5_000 <= policy["executionTimeout"] <= WEEK_MS and 10_000 <= policy["ttl"] <= WEEK_MS):
            return JSONResponse({"error": "policy out of range"}, 400)
        self.jobs.append(job)
        self._queued.set()
        return JSONResponse({"id": job.id, "status": job.status})

    async def _status(self, request: Request) -> Response:
        return self._about(request, lambda job: job.view())

    async def _cancel(self, request: Request) -> Response:
        def cancel(job: StandInJob) -> dict[str, Any]:
            job._change("CANCELLED")
            return {"id": job.id, "status": job.status}

        return self._about(request, cancel)

    async def _health(self, request: Request) -> Response:
        states = Counter(job.status for job in self._known())
        jobs = {"completed": states["COMPLETED"], "failed": states["FAILED"] + states["TIMED_OUT"], "retried": 0}
        jobs |= {"inProgress": states["IN_PROGRESS"], "inQueue": states["IN_QUEUE"]}
        return self._refusal(request) or JSONResponse({"jobs": jobs, "workers": self.workers})

    def _about(self, request: Request, show: Any) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        found = [job for job in self._known() if job.id == request.path_params["id"]]
        return JSONResponse(show(found[0])) if found else JSONResponse({"error": "job not found"}, 404)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {self.key}":
            return None
        return JSONResponse({"error": "unauthorized"}, 401)


async def _drop(receive: Receive) -> None:
    """Cut the connection. An application has no way to do that, so this reaches for uvicorn's transport."""
    receive.__self__.transport.abort()  # type: ignore[attr-defined]  # a method of uvicorn's RequestResponseCycle
    while (await receive())["type"] != "http.disconnect":
        pass


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
