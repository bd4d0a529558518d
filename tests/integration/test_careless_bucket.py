"""The whole plane on a bucket that ignores conditions: slower, and still nothing runs twice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from control_plane.dispatch import store_check
from gpu_worker.executor import Executor
from gpu_worker.job_process import JobProcess
from gpu_worker.settings import WorkerSettings
from shared.job_types import JobType
from shared.states import JobStatus
from shared.storage.s3 import S3Store
from shared.wire import Result, result_key
from tests.integration.plane import QUICK, running_plane
from tests.integration.served import served
from tests.standins.careless_s3 import careless_s3
from tests.standins.runpod import DROPPED_REQUEST, LOST_ANSWER, RunPodStandIn, StandInJob

JOBS = (sys.executable, str(Path(__file__).parents[1] / "standins" / "worker_jobs.py"))
SETTLE = 2.0
FILM: dict[str, Any] = {"prompt": "write a film"}


@pytest.fixture
async def runpod() -> AsyncIterator[RunPodStandIn]:
    async with RunPodStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def bucket() -> Iterator[S3Store]:
    with careless_s3() as url:
        yield S3Store("bucket", url, "auto", "key", "secret")


async def work(store: S3Store, job: StandInJob, worker: str = "w1") -> dict[str, Any]:
    """A real worker's answer, which the platform passes on."""
    jobs = JobProcess(JOBS)
    settings = WorkerSettings(_env_file=None, runpod_pod_id=worker, fetch_reserve_bytes=0)
    executor = Executor(store=store, jobs=jobs, settings=settings, clock=lambda: datetime.now(UTC), address=str)
    try:
        answer = await executor.execute({"id": job.id, "input": job.input})
    finally:
        await jobs.kill()
    job.finish(answer)
    return answer


async def test_of_two_submissions_one_runs_and_its_job_succeeds(
    tmp_path: Path, runpod: RunPodStandIn, bucket: S3Store
) -> None:
    async with running_plane(tmp_path, runpod, store=bucket, settle_seconds=SETTLE) as plane:
        job_id = await plane.submit(JobType.RENDER, FILM)
        job = await asyncio.wait_for(runpod.next_job(), 10)
        assert job.input["settle_seconds"] == SETTLE
        twin = StandInJob(job.input, job.policy, None)
        answers = await asyncio.gather(work(bucket, job), work(bucket, twin))
        assert sorted("claim_lost" in answer for answer in answers) == [False, True]
        [answer] = [answer for answer in answers if "outputs" in answer]
        done = await plane.until(job_id, lambda job: job.status.is_terminal, 30)
        assert done.status is JobStatus.SUCCEEDED
        assert [output["key"] for output in done.outputs] == [answer["outputs"][0]["key"]]


async def test_a_lost_answer_is_not_sent_again_and_the_job_goes_on(
    tmp_path: Path, runpod: RunPodStandIn, bucket: S3Store
) -> None:
    runpod.fail_next("run", LOST_ANSWER)
    async with running_plane(tmp_path, runpod, store=bucket, settle_seconds=SETTLE) as plane:
        job_id = await plane.submit(JobType.RENDER, FILM)
        job = await asyncio.wait_for(runpod.next_job(), 10)
        told = await plane.until(job_id, lambda job: "not asked again" in job.stage_message)
        assert told.stage == "submit_unknown"
        await work(bucket, job)
        done = await plane.until(job_id, lambda job: job.status.is_terminal, 30)
        assert (done.status, done.runpod_job_id) == (JobStatus.SUCCEEDED, job.id)
    assert runpod.calls["run"] == 1


async def test_what_was_never_taken_is_closed_when_it_could_not_start_any_more(
    tmp_path: Path, runpod: RunPodStandIn, bucket: S3Store
) -> None:
    runpod.fail_next("run", DROPPED_REQUEST)
    limits = replace(QUICK, start_within=2.0)
    async with running_plane(tmp_path, runpod, limits, store=bucket, settle_seconds=SETTLE) as plane:
        job_id = await plane.submit(JobType.RENDER, FILM)
        job = await asyncio.wait_for(runpod.next_job(), 30)
        first, second = plane.attempts(job_id)
        assert (first.outcome, second.number, job.input["attempt"]) == ("SUBMIT_LOST", 2, 2)
        assert (first.ended_at or 0) >= first.start_before + SETTLE * 1000
    assert runpod.calls["run"] == 2


async def test_a_cancel_waits_until_its_tombstone_stands(
    tmp_path: Path, runpod: RunPodStandIn, bucket: S3Store
) -> None:
    async with running_plane(tmp_path, runpod, store=bucket, settle_seconds=SETTLE) as plane:
        job_id = await plane.submit(JobType.RENDER, FILM)
        job = await asyncio.wait_for(runpod.next_job(), 10)
        asked = await plane.cancel(job_id)
        done = await plane.until(job_id, lambda job: job.status is JobStatus.CANCELED, 30)
        assert (done.finished_at or 0) - (asked.cancel_requested_at or 0) >= SETTLE * 1000
        assert await work(bucket, job) == {"claim_lost": True, "holder": None, "canceled": True}


async def test_an_outcome_counts_when_it_stands(tmp_path: Path, runpod: RunPodStandIn, bucket: S3Store) -> None:
    """What a worker writes may still be overwritten by one that looked before it did."""
    async with running_plane(tmp_path, runpod, store=bucket, settle_seconds=SETTLE) as plane:
        job_id = await plane.submit(JobType.RENDER, FILM)
        job = await asyncio.wait_for(runpod.next_job(), 10)
        key = result_key(job_id, 1)
        for canceled in (True, False):
            result = Result(job_id=job_id, attempt=1, run=1, canceled=canceled, outputs=[])
            bucket.put_if_absent(key, result.model_dump_json().encode())
            plane.dispatcher.wake(job_id, result_is_near=True)
            await asyncio.sleep(SETTLE / 4)
        assert plane.job(job_id).status is JobStatus.QUEUED
        job.finish({})
        await plane.until(job_id, lambda job: job.attempts == 1 and "left no result" in job.stage_message, 30)


async def test_nothing_is_sent_before_the_bucket_has_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_check, "AGAIN_SECONDS", 0.1)
    refuses = True
    with careless_s3(refuses=lambda: refuses) as url:
        settings = {"s3_bucket": "b", "s3_endpoint_url": url, "s3_access_key_id": "k", "s3_secret_access_key": "s"}
        async with served(tmp_path, **settings) as api, asyncio.timeout(20):
            job_id = await api.job_id()
            while (job := await api.get(job_id))["stage"] != "waiting_for_store":
                await asyncio.sleep(0.01)
            assert job["stage_message"] == "Waiting for the store: The bucket refused the access key."
            assert api.runpod.calls["run"] == 0
            refuses = False
            sent = await api.runpod.next_job()
            assert sent.input["settle_seconds"] == store_check.SETTLE_SECONDS
            message = (await api.client.get("/health")).json()["store_message"]
            assert "the safer, slower path is taken" in message
            assert f"{store_check.SETTLE_SECONDS:g} seconds" in message
