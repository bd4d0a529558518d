"""Another attempt, as a client sees it: how many there are, what is said meanwhile, when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.job_types import JobType
from shared.states import JobStatus
from tests.integration.plane import QUICK, running_plane
from tests.integration.served import Served, served
from tests.standins.runpod import RunPodStandIn

RESTLESS = replace(QUICK, rest=0.01)
RENDER = {"type": "RENDER", "params": {"prompt": "A lighthouse."}}
TTS = {"type": "TTS", "params": {"text": "hi"}}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, limits=RESTLESS) as running:
        yield running


async def _fail(api: Served, code: str = "ENGINE_FAILED") -> None:
    worker = await api.worker()
    worker.claim()
    worker.fail(code, "The engine failed.", retryable=True)


@pytest.mark.parametrize(("body", "tries"), [(RENDER, 2), (TTS, 3)], ids=["RENDER", "TTS"])
async def test_a_dear_type_is_tried_less_often_than_a_cheap_one(api: Served, body: dict[str, Any], tries: int) -> None:
    job_id = (await api.submit(body)).json()["job_id"]
    for _ in range(tries):
        await _fail(api)
    job = await api.get(job_id, Prefer="wait=10")
    assert (job["status"], job["error_code"], job["attempts"]) == ("FAILED", "ENGINE_FAILED", tries)
    assert [attempt["outcome"] for attempt in job["attempt_history"]] == ["ENGINE_FAILED"] * tries


async def test_the_pause_is_said_in_words(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        job_id = (await api.submit(RENDER)).json()["job_id"]
        await _fail(api, "STORAGE_FAILED")
        while (job := await api.get(job_id))["stage"] != "retrying":
            pass
        assert job["status"] == "QUEUED"
        assert job["stage_message"].startswith("The engine failed. Tried 1 of 4; again in 1")


async def test_max_attempts_is_the_ceiling(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod, limits=replace(RESTLESS, max_attempts=2)) as plane:
        job_id = await plane.submit()
        for _ in range(2):
            worker = await plane.worker()
            worker.claim()
            worker.fail("STORAGE_FAILED", "The store did not answer.", retryable=True)
        assert (await plane.status(job_id, JobStatus.FAILED)).attempts == 2


async def test_a_canceled_job_is_not_tried_again(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod) as plane:
        running, resting = (
            await plane.submit(),
            await plane.submit(JobType.EXPORT, {"clips": [{"url": "https://a.b/c"}]}),
        )
        first, second = await plane.worker(), await plane.worker()
        first.claim()
        await plane.status(running, JobStatus.RUNNING)
        second.claim()
        second.fail("STORAGE_FAILED", "The store did not answer.", retryable=True)
        await plane.until(resting, lambda job: job.stage == "retrying")
        for job_id in (running, resting):
            await plane.cancel(job_id)
        first.fail("STORAGE_FAILED", "The store did not answer.", retryable=True)
        assert (await plane.status(resting, JobStatus.CANCELED)).ready_at is None
        assert (await plane.status(running, JobStatus.CANCELED)).attempts == 1


@pytest.fixture
async def runpod() -> AsyncIterator[RunPodStandIn]:
    async with RunPodStandIn() as stand_in:
        yield stand_in
