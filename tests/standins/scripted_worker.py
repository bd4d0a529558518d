"""A worker whose loop is the test: a supervised child that only says how it was started, and the SDK's calls by hand.

Written from the SDK's source (runpod 1.12, serverless/modules), which the integration tests run for real.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx

_ANNOUNCE = """
import json, os, sys
path = os.path.join(sys.argv[1], os.environ["RUNPOD_POD_ID"])
with open(path + ".tmp", "w") as file:
    json.dump({**os.environ, "pid": os.getpid()}, file)
os.rename(path + ".tmp", path + ".json")
os.read(int(os.environ["RUSHES_LIFELINE_FD"]), 1)
"""


def announcing_command(folder: Path) -> list[str]:
    """A worker command: leave our environment in `folder` and stay until the lifeline ends."""
    return [sys.executable, "-I", "-S", "-c", _ANNOUNCE, str(folder)]


async def next_worker(folder: Path) -> ScriptedWorker:
    """Wait until a supervised child has announced itself, and take its place."""
    async with asyncio.timeout(20):
        while not (found := sorted(folder.glob("*.json"))):
            await asyncio.sleep(0.01)
    env = json.loads(found[0].read_text())
    found[0].unlink()
    return ScriptedWorker(env)


class ScriptedWorker:
    """The SDK's requests, as one worker. `env` is what its process was started with, and its `pid`."""

    def __init__(self, env: dict[str, Any]) -> None:
        self.env = env
        self.id: str = env["RUNPOD_POD_ID"]
        self.base_url: str = env["RUNPOD_WEBHOOK_GET_JOB"].partition("/job-take/")[0]
        self._client = httpx.AsyncClient(
            trust_env=False, timeout=30, headers={"Authorization": env["RUNPOD_AI_API_KEY"]}
        )

    async def poll(self, busy: bool = False) -> httpx.Response:
        url = self.env["RUNPOD_WEBHOOK_GET_JOB"].replace("$ID", self.id)
        return await self._client.get(f"{url}&job_in_progress={int(busy)}")

    async def take(self) -> dict[str, Any]:
        response = await self.poll()
        assert response.status_code == 200, response.text
        job: dict[str, Any] = response.json()
        return job

    async def take_batch(self, size: int) -> list[dict[str, Any]]:
        url = self.env["RUNPOD_WEBHOOK_GET_JOB"].replace("$ID", self.id).replace("/job-take/", "/job-take-batch/")
        jobs: list[dict[str, Any]] = (await self._client.get(f"{url}&batch_size={size}&job_in_progress=0")).json()
        return jobs

    async def stops(self) -> list[str]:
        url = self.env["RUNPOD_WEBHOOK_GET_JOB"].replace("$ID", self.id).replace("/job-take/", "/job-stop/")
        stopped: list[str] = (await self._client.get(url)).json()["jobsToStop"]
        return stopped

    async def done(self, job_id: str, body: dict[str, Any] | bytes) -> int:
        """Report as the SDK does: JSON that is labelled as a form. Returns the status code."""
        return await self._post(self.env["RUNPOD_WEBHOOK_POST_OUTPUT"], job_id, body)

    async def progress(self, job_id: str, output: Any) -> int:
        return await self.done(job_id, {"status": "IN_PROGRESS", "output": output})

    async def stream(self, job_id: str, output: Any) -> int:
        return await self._post(self.env["RUNPOD_WEBHOOK_POST_STREAM"], job_id, {"output": output})

    async def ping(self, **params: str) -> int:
        url = self.env["RUNPOD_WEBHOOK_PING"].replace("$RUNPOD_POD_ID", self.id)
        query = "&".join(f"{name}={value}" for name, value in params.items())
        return (await self._client.get(f"{url}&{query}")).status_code

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _post(self, template: str, job_id: str, body: dict[str, Any] | bytes) -> int:
        url = template.replace("$RUNPOD_POD_ID", self.id).replace("$ID", job_id) + "&isStream=false"
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "charset": "utf-8"}
        return (await self._client.post(url, content=content, headers=headers)).status_code
