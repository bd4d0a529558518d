"""The worker's side of the gateway: what the runpod SDK's worker loop calls.

Polls are held open, since the SDK asks again at once. A refused key or a dead port makes it spin, so a worker that is
not ours any more is told 429, after which it sleeps 5 s.
(Source: runpod 1.12, serverless/modules/rp_job.py, rp_scale.py, rp_http.py, rp_ping.py.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from control_plane.endpoints.local.jobs import LocalJob
from control_plane.endpoints.local.messages import MEGABYTE, Refusal, answer, guarded, read_json
from control_plane.endpoints.local.queue import JobQueue

POLL_SECONDS = 20.0
"""How long a poll is held open: well below the SDK's own limit of 90 s."""

_log = logging.getLogger(__name__)
_NONE = 204
T = TypeVar("T")


class WorkerApi:
    """Calls name the worker in their path; the supervisor has told the queue which ids are alive."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._ending = False

    def end_polls(self) -> None:
        """Answer every poll at once from now on, so that nobody waits for us while we end."""
        self._ending = True
        self._queue.changes.announce()

    def routes(self, key: str, endpoint_id: str) -> list[Route]:
        """Every call, behind `key`."""
        calls = [
            ("GET", "job-take/{worker}", self._take),
            ("GET", "job-take-batch/{worker}", self._take_batch),
            ("GET", "job-stop/{worker}", self._stop),
            ("GET", "ping/{worker}", self._ping),
            ("POST", "job-done/{worker}/{id}", self._done),
            ("POST", "job-stream/{worker}/{id}", self._stream),
        ]
        return [
            Route(f"/v2/{{endpoint}}/{path}", guarded(key, endpoint_id, call), methods=[method])
            for method, path, call in calls
        ]

    async def _take(self, request: Request) -> Response:
        jobs = await self._next_jobs(request, 1)
        return answer(_task(jobs[0])) if jobs else Response(status_code=_NONE)

    async def _take_batch(self, request: Request) -> Response:
        size = request.query_params.get("batch_size", "1")
        jobs = await self._next_jobs(request, int(size) if size.isdecimal() else 1)
        return answer([_task(job) for job in jobs]) if jobs else Response(status_code=_NONE)

    async def _next_jobs(self, request: Request, limit: int) -> list[LocalJob]:
        worker_id = self._alive(request)
        if request.query_params.get("job_in_progress") == "0":
            self._queue.empty_handed(worker_id)
        return await self._poll(request, lambda: self._queue.take(worker_id, limit)) or []

    async def _stop(self, request: Request) -> Response:
        worker_id = self._alive(request)
        stops = await self._poll(request, lambda: self._queue.stops(worker_id))
        return answer({"jobsToStop": stops}) if stops else Response(status_code=_NONE)

    async def _poll(self, request: Request, look: Callable[[], T]) -> T | None:
        """What `look` finds, as soon as it finds something; None when time is up, we end, or nobody listens."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                while not (self._ending or await request.is_disconnected()):
                    self._alive(request)
                    if found := look():
                        return found
                    await self._queue.changes.wait()
        except TimeoutError:
            pass
        return None

    async def _ping(self, request: Request) -> Response:
        worker_id = self._alive(request)
        if request.query_params.get("status") == "unhealthy":
            check, reason = (request.query_params.get(name, "") for name in ("check", "reason"))
            _log.warning("Worker %s is not fit: %s: %s", worker_id, check, reason)
        return answer({})

    async def _done(self, request: Request) -> Response:
        worker_id, job_id = request.path_params["worker"], request.path_params["id"]
        try:
            report = await read_json(request, 20 * MEGABYTE)
        except Refusal as error:
            # The SDK does not repeat a refused result: without this the job would hang until its timeout.
            self._queue.report_end(worker_id, job_id, {"error": f"The worker's result was refused. {error}"})
            raise
        if not isinstance(report, dict):
            raise Refusal("The result is not a JSON object.")
        if report.get("status") == "IN_PROGRESS":
            self._queue.report_progress(worker_id, job_id, report.get("output"))
        else:
            self._queue.report_end(worker_id, job_id, report)
        return answer({})

    async def _stream(self, request: Request) -> Response:
        chunk = await read_json(request, MEGABYTE)
        output = chunk.get("output") if isinstance(chunk, dict) else None
        self._queue.report_chunk(request.path_params["worker"], request.path_params["id"], output)
        return answer({})

    def _alive(self, request: Request) -> str:
        worker_id: str = request.path_params["worker"]
        if not self._queue.knows(worker_id):
            raise Refusal("This worker was replaced.", 429)
        return worker_id


def _task(job: LocalJob) -> dict[str, object]:
    return {"id": job.id, "input": job.request.input}
