"""A job that waits says why, in its own stage and at GET /endpoint, and events come only when the reason changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.served import Served, served
from tests.standins.runpod import DROPPED_REQUEST


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


async def _look(api: Served) -> None:
    await api.app.state.services.monitor.look()


async def _waits(api: Served) -> str:
    job_id = await api.job_id()
    while (await api.get(job_id))["runpod_job_id"] is None:
        pass
    return job_id


async def test_a_waiting_job_says_why(api: Served) -> None:
    job_id = await _waits(api)
    for workers, stage in (
        ({"initializing": 1}, "cold_start"),
        ({"throttled": 2}, "throttled"),
        ({"unhealthy": 1}, "crash_looping"),
        ({"running": 1}, "waiting_for_worker"),
    ):
        api.runpod.workers = workers
        await _look(api)
        job = await api.get(job_id)
        assert (job["status"], job["stage"]) == ("QUEUED", stage)
        endpoint = (await api.client.get("/endpoint")).json()
        assert (endpoint["state"], endpoint["connected"]) == (stage, True)


async def test_an_endpoint_that_is_gone_is_said_and_forgotten_when_it_is_back(api: Served) -> None:
    job_id = await _waits(api)
    api.runpod.fail_next("health", DROPPED_REQUEST)
    await _look(api)
    assert (await api.get(job_id))["stage"] == "endpoint_unreachable"
    assert (await api.client.get("/health")).json()["runpod_connected"] is False
    await _look(api)
    assert (await api.get(job_id))["stage"] != "endpoint_unreachable"


async def test_the_same_reason_is_told_once(api: Served) -> None:
    job_id = await _waits(api)
    api.runpod.workers = {"throttled": 1}
    await _look(api)
    before = (await api.client.get(f"/jobs/{job_id}")).headers["etag"]
    await _look(api)
    assert (await api.client.get(f"/jobs/{job_id}")).headers["etag"] == before


async def test_a_running_job_keeps_its_own_stage(api: Served) -> None:
    job_id = await api.job_id()
    worker = await api.worker()
    worker.claim()
    while (await api.get(job_id))["status"] != "RUNNING":
        pass
    await _look(api)
    assert (await api.get(job_id))["stage"] == "starting"
