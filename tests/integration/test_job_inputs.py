"""Jobs that take the output of other jobs: they wait for it, start with it, and fail with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import Served, served
from tests.integration.test_api import assert_problem


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


def _film(*job_ids: str) -> dict[str, Any]:
    return {"type": "EXPORT", "params": {"clips": [{"url": f"job:{job_id}"} for job_id in job_ids]}}


async def _film_of(api: Served, *job_ids: str) -> str:
    answer = await api.submit(_film(*job_ids))
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


async def test_a_job_waits_for_all_its_inputs_and_is_given_their_outputs(api: Served) -> None:
    first, second = await api.job_id(), await api.job_id()
    film = await _film_of(api, first, second, first)
    await api.finish(first)
    waiting = await api.get(film)
    assert (waiting["status"], waiting["stage"], waiting["attempts"]) == ("QUEUED", "waiting_for_input", 0)
    assert len(api.runpod.jobs) == 2, "it is not sent anywhere"
    await api.finish(second)
    worker = await api.worker()
    assert worker.message.job_id == film
    urls = [clip["url"] for clip in worker.message.params["clips"]]
    assert urls == [f"storage://jobs/{job_id}/1/1/speech.wav" for job_id in (first, second, first)]
    worker.claim()
    worker.succeed()
    assert (await api.get(film, Prefer="wait=10"))["status"] == "SUCCEEDED"


async def test_a_job_fails_with_its_input_and_so_does_what_waits_for_it(api: Served) -> None:
    source = await api.job_id()
    film = await _film_of(api, source)
    chain = [film]
    for _ in range(30):
        chain.append(await _film_of(api, chain[-1]))
    worker = await api.worker()
    worker.claim()
    worker.fail("ENGINE_FAILED", "It broke.")
    assert (await api.get(source, Prefer="wait=10"))["status"] == "FAILED"
    for needed, job_id in zip([source, *chain], chain, strict=False):
        failed = await api.get(job_id)
        assert (failed["status"], failed["error_code"], failed["attempts"]) == ("FAILED", "INPUT_FAILED", 0)
        assert needed in failed["error"]
    assert len(api.runpod.jobs) == 1, "nothing was paid for"


async def test_a_job_fails_when_its_input_is_canceled_and_can_be_canceled_itself(api: Served) -> None:
    source = await api.job_id()
    left, right = await _film_of(api, source), await _film_of(api, source)
    assert (await api.client.post(f"/jobs/{left}/cancel")).json()["status"] == "CANCELED"
    await api.client.post(f"/jobs/{source}/cancel")
    assert (await api.get(source, Prefer="wait=10"))["status"] == "CANCELED"
    assert (await api.get(right))["error_code"] == "INPUT_FAILED"
    assert (await api.get(left))["status"] == "CANCELED"


async def test_what_has_failed_is_no_input(api: Served) -> None:
    source = await api.job_id()
    await api.client.post(f"/jobs/{source}/cancel")
    await api.get(source, Prefer="wait=10")
    assert_problem(await api.submit(_film(source)), 422, "BAD_REFERENCE", "params.clips[0].url")


async def test_an_input_cannot_be_deleted_while_it_is_needed(api: Served) -> None:
    source = await api.job_id()
    await api.finish(source)
    film = await _film_of(api, source)
    assert_problem(await api.client.delete(f"/jobs/{source}"), 409, "INPUT_IN_USE")
    assert list(api.app.state.services.files.list(f"jobs/{source}/")), "and its files are still there"
    await api.finish(film)
    assert (await api.client.delete(f"/jobs/{source}")).status_code == 204


async def test_waiting_outlives_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        source = await api.job_id()
        film = await _film_of(api, source)
        worker = await api.worker()
        worker.claim()
    worker.succeed()
    async with served(tmp_path) as api:
        assert (await api.get(source, Prefer="wait=10"))["status"] == "SUCCEEDED"
        assert (await api.finish(film))["status"] == "SUCCEEDED"
