"""A job that waits says why, in its own stage and at GET /endpoint, and events come only when the reason changes."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.clock import system_clock
from tests.integration.served import Served, served
from tests.standins.runpod import DROPPED_REQUEST

ALL_BUSY = "Waiting for a worker: all of them are at work"


class Clock:
    """This machine's time, and ahead of it as the test says, in milliseconds."""

    ahead = 0

    def __call__(self) -> int:
        return system_clock() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api(tmp_path: Path, clock: Clock) -> AsyncIterator[Served]:
    async with served(tmp_path, clock=clock) as running:
        yield running


async def _look(api: Served) -> None:
    await api.app.state.services.monitor.look()


async def _waits(api: Served) -> str:
    job_id = await api.job_id()
    while (await api.get(job_id))["runpod_job_id"] is None:
        pass
    return job_id


async def _waited(api: Served, *seconds: int) -> None:
    """Jobs that ran to their end after so many seconds in the endpoint's queue."""
    for waited in seconds:
        job_id = await _waits(api)
        await _look(api)
        api.runpod.jobs[-1].delay_ms = waited * 1000
        assert (await api.finish(job_id))["status"] == "SUCCEEDED"


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


async def test_a_waiting_job_says_how_long_it_usually_takes(api: Served) -> None:
    await _waited(api, 21, 25, 30, 50)
    job_id = await _waits(api)
    await _look(api)
    assert (await api.get(job_id))["stage_message"] == "Waiting for a worker; next in line"
    api.runpod.jobs[-1].delay_ms = 110_000
    await api.finish(job_id)
    job_id = await _waits(api)
    await _look(api)
    message = (await api.get(job_id))["stage_message"]
    assert message == "Waiting for a worker; next in line; usually 20 s to 2 min"
    endpoint = (await api.client.get("/endpoint")).json()
    assert endpoint["usual_wait"] == {"low_seconds": 20, "high_seconds": 120, "samples": 5}


async def test_a_cold_start_has_a_history_of_its_own(api: Served) -> None:
    await _waited(api, *[1] * 5)
    api.runpod.workers = {"initializing": 1}
    await _waited(api, *[240] * 5)
    job_id = await _waits(api)
    await _look(api)
    assert (await api.get(job_id))["stage_message"].endswith("being loaded; usually 2 min to 5 min")
    api.runpod.workers = {"idle": 1}
    await _look(api)
    assert (await api.get(job_id))["stage_message"].endswith("usually 1 s to 2 s")


async def test_where_waiting_does_not_help_no_time_is_promised(api: Served) -> None:
    api.runpod.workers = {"unhealthy": 1}
    await _waited(api, *[240] * 5)
    await _waits(api)
    await _look(api)
    endpoint = (await api.client.get("/endpoint")).json()
    assert (endpoint["state"], endpoint["usual_wait"]) == ("crash_looping", None)


async def test_a_job_behind_others_says_how_many(tmp_path: Path) -> None:
    async with served(tmp_path, max_in_flight=100) as api:
        api.runpod.workers = {"running": 1}
        running = await api.job_id()
        worker = await api.worker()
        worker.claim()
        while (await api.get(running))["status"] != "RUNNING":
            pass
        waiting = [await _waits(api) for _ in range(12)]
        await _look(api)
        messages = [(await api.get(job_id))["stage_message"] for job_id in waiting]
        assert messages[:3] == [f"{ALL_BUSY}; {place}" for place in ("next in line", "1 job ahead", "2 jobs ahead")]
        assert messages[10:] == [f"{ALL_BUSY}; 10 jobs or more ahead"] * 2
        await api.client.post(f"/jobs/{waiting[0]}/cancel")
        await api.get(waiting[0], Prefer="wait=10")
        await _look(api)
        assert (await api.get(waiting[1]))["stage_message"] == f"{ALL_BUSY}; next in line"


async def test_a_job_that_waits_for_a_place_at_the_endpoint_says_how_many_are_ahead(
    tmp_path: Path, clock: Clock
) -> None:
    async with served(tmp_path, clock=clock, max_in_flight=1) as api:
        await _waits(api)
        late = await api.job_id()
        urgent = (await api.submit({"type": "TTS", "params": {"text": "hi"}, "priority": 5})).json()["job_id"]
        clock.ahead += 2000
        await _look(api)
        assert (await api.get(urgent))["stage_message"] == "Waiting for its turn; next in line"
        assert (await api.get(late))["stage_message"] == "Waiting for its turn; 1 job ahead"


async def test_a_worker_that_takes_no_job_is_noticed_told_and_logged_once(
    api: Served, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    api.runpod.workers = {"running": 1}
    job_id = await _waits(api)
    await _look(api)
    assert (await api.get(job_id))["stage"] == "waiting_for_worker"
    clock.ahead += 100_000
    api.runpod.fail_next("health", DROPPED_REQUEST)
    await _look(api)
    clock.ahead += 81_000
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await _look(api)
    job, endpoint = await api.get(job_id), (await api.client.get("/endpoint")).json()
    assert (job["status"], job["stage"], endpoint["state"]) == ("QUEUED", "stalled", "stalled")
    assert job["stage_message"] == endpoint["message"] == "A worker runs but takes no job"
    assert "being paid for" in endpoint["advice"]
    assert [record.levelname for record in caplog.records if "stalled" in record.getMessage()] == ["WARNING"]
