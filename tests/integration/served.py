"""The whole control plane on a real socket, sending to a RunPod stand-in instead of a local worker."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from control_plane.app import create_app
from control_plane.clock import Clock, system_clock
from control_plane.dispatch.limits import Limits
from control_plane.endpoints.runpod import RunPodEndpoint
from control_plane.settings import Settings
from tests.integration.plane import QUICK, Worker
from tests.standins.runpod import RunPodStandIn


class QuietServer(uvicorn.Server):
    """Leaves the signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Served:
    """The client speaks to the running plane; the stand-in is where its jobs go."""

    client: httpx.AsyncClient
    runpod: RunPodStandIn
    app: Any
    url: str

    async def submit(self, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """POST /jobs."""
        return await self.client.post("/jobs", json=body or {"type": "TTS", "params": {"text": "hi"}}, headers=headers)

    async def job_id(self) -> str:
        """A fresh job."""
        job_id: str = (await self.submit()).json()["job_id"]
        return job_id

    async def worker(self) -> Worker:
        """The worker that takes the next job."""
        return Worker(self.app.state.services.files, await asyncio.wait_for(self.runpod.next_job(), 10))

    async def get(self, job_id: str, **headers: str) -> dict[str, Any]:
        """GET /jobs/{id}."""
        answer: dict[str, Any] = (await self.client.get(f"/jobs/{job_id}", headers=headers)).json()
        return answer

    async def finish(self, job_id: str) -> dict[str, Any]:
        """Run the next job to its end and read it."""
        worker = await self.worker()
        worker.claim()
        worker.succeed()
        return await self.get(job_id, Prefer="wait=10")


@contextlib.asynccontextmanager
async def served(
    folder: Path, *, limits: Limits = QUICK, clock: Clock = system_clock, at_port: int = 0, **settings: Any
) -> AsyncIterator[Served]:
    """A running plane with its data in `folder`."""
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every answer waits 40 ms.
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", at_port))
    listening.listen()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with RunPodStandIn() as runpod:
        endpoint = RunPodEndpoint(runpod.url, runpod.key)
        ours = Settings(data_dir=folder, **settings)
        app = create_app(ours, base_url=url, endpoint=endpoint, limits=limits, clock=clock)
        server = QuietServer(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, ws="websockets-sansio"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
                await _answers(client)
                yield Served(client, runpod, app, url)
        finally:
            server.should_exit = True
            await serving


async def _answers(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while not (await client.get("/health")).json()["runpod_connected"]:
            await asyncio.sleep(0.01)
