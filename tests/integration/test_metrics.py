"""`GET /metrics`: what a scrape says agrees with what has happened, read by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.served import Served, served
from tests.standins.runpod import refusing

Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, budget_daily_usd=100.0, gpu_usd_per_second=0.001) as running:
        yield running


async def scrape(api: Served) -> dict[Sample, float]:
    answer = await api.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def named(samples: dict[Sample, float], name: str, **labels: str) -> float:
    return sum(value for (called, has), value in samples.items() if called == name and labels.items() <= set(has))


async def test_jobs_are_counted_while_they_live_and_once_when_they_end(api: Served) -> None:
    done, waiting = await api.job_id(), await api.job_id()
    before = await scrape(api)
    assert named(before, "rushes_jobs", type="TTS", status="QUEUED") == 2
    assert named(before, "rushes_oldest_job_age_seconds", type="TTS", status="QUEUED") > 0
    assert (await api.finish(done))["status"] == "SUCCEEDED"
    for _ in range(2):  # a second scrape counts nothing again
        after = await scrape(api)
        assert named(after, "rushes_jobs_finished_total", type="TTS", status="SUCCEEDED") == 1
        assert named(after, "rushes_attempts_ended_total", type="TTS", outcome="SUCCEEDED") == 1
        assert named(after, "rushes_job_stage_seconds_count", type="TTS", stage="running") == 1
        assert named(after, "rushes_job_stage_seconds_bucket", type="TTS", stage="running", le="+Inf") == 1
    assert named(after, "rushes_jobs", type="TTS") == 1
    assert (await api.client.post(f"/jobs/{waiting}/cancel")).status_code in (200, 202)


async def test_the_budget_and_the_endpoint_are_told(api: Served) -> None:
    await api.job_id()
    await api.worker()
    told = await scrape(api)
    assert 0 < named(told, "rushes_budget_left_usd", period="day") < 100
    assert named(told, "rushes_endpoint_up") == 1


async def test_what_an_endpoint_refuses_is_counted_by_code(api: Served) -> None:
    api.runpod.fail_next("run", refusing(400))
    failed = await api.get(await api.job_id(), Prefer="wait=10")
    assert failed["status"] == "FAILED"
    told = await scrape(api)
    assert named(told, "rushes_dispatch_errors_total", code=failed["error_code"]) == 1
    assert named(told, "rushes_jobs_finished_total", status="FAILED") == 1


async def test_a_callback_is_timed(api: Served) -> None:
    await api.job_id()
    worker = await api.worker()
    worker.claim()
    body = {
        "job_id": worker.message.job_id,
        "attempt": 1,
        "run": 1,
        "seq": 1,
        "stage": "x",
        "progress": 5,
        "message": "",
    }
    assert (await api.client.post(f"/callbacks/{worker.message.token}", json=body)).status_code == 200
    assert named(await scrape(api), "rushes_callback_seconds_count") == 1


async def test_without_a_key_nothing_is_told(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="owner" * 8) as api:
        assert (await api.client.get("/metrics")).status_code == 401
