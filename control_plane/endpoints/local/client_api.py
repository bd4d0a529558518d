"""The client's side of the gateway: RunPod's serverless v2 calls. (Source: docs.runpod.io, operation reference.)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from control_plane.endpoints.local.jobs import LocalJob, RunRequest
from control_plane.endpoints.local.messages import MEGABYTE, Refusal, answer, guarded, read_json
from control_plane.endpoints.local.queue import JobQueue


class ClientApi:
    """`worker_counts` gives `workers` of `/health`."""

    def __init__(self, queue: JobQueue, worker_counts: Callable[[], dict[str, int]]) -> None:
        self._queue = queue
        self._worker_counts = worker_counts

    def routes(self, key: str, endpoint_id: str) -> list[Route]:
        """Every call, behind `key`."""
        calls = [
            ("POST", "run", self._run),
            ("POST", "runsync", self._runsync),
            ("GET", "status/{id}", self._status),
            ("GET", "stream/{id}", self._stream),
            ("POST", "cancel/{id}", self._cancel),
            ("POST", "retry/{id}", self._retry),
            ("POST", "purge-queue", self._purge),
            ("GET", "health", self._health),
        ]
        return [
            Route(f"/v2/{{endpoint}}/{path}", guarded(key, endpoint_id, call), methods=[method])
            for method, path, call in calls
        ]

    async def _run(self, request: Request) -> Response:
        job = self._queue.submit(await _parse(request, 10 * MEGABYTE))
        return answer({"id": job.id, "status": job.status})

    async def _runsync(self, request: Request) -> Response:
        wait = request.query_params.get("wait", "90000")
        if not (wait.isdecimal() and 1_000 <= int(wait) <= 300_000):
            raise Refusal("wait must be between 1000 and 300000 milliseconds.")
        job = self._queue.submit(await _parse(request, 20 * MEGABYTE), sync=True)
        await self._until_over(job, int(wait) / 1000)
        return answer(self._queue.view(job))

    async def _status(self, request: Request) -> Response:
        return answer(self._queue.view(self._queue.find(request.path_params["id"])))

    async def _stream(self, request: Request) -> Response:
        job = self._queue.find(request.path_params["id"])
        chunks, job.chunks = job.chunks, []
        return answer({"status": job.status, "stream": chunks})

    async def _cancel(self, request: Request) -> Response:
        job = self._queue.cancel(request.path_params["id"])
        return answer({"id": job.id, "status": job.status})

    async def _retry(self, request: Request) -> Response:
        try:
            job = self._queue.retry(request.path_params["id"])
        except ValueError as error:
            raise Refusal(str(error)) from error
        return answer({"id": job.id, "status": job.status})

    async def _purge(self, _: Request) -> Response:
        return answer({"removed": self._queue.purge(), "status": "completed"})

    async def _health(self, _: Request) -> Response:
        return answer({"jobs": self._queue.counts(), "workers": self._worker_counts()})

    async def _until_over(self, job: LocalJob, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not job.status.is_over:
                    await self._queue.changes.wait()
        except TimeoutError:
            return


async def _parse(request: Request, max_bytes: int) -> RunRequest:
    body = await read_json(request, max_bytes)
    try:
        return RunRequest.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise Refusal(f"{where}: {first['msg']}") from error
