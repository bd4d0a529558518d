"""What dispatch may lean on, of both endpoints: RunPod's client at a stand-in, and the built-in one with a worker."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from control_plane.endpoints.local.endpoint import LocalEndpoint
from control_plane.endpoints.port import (
    AnswerLost,
    Endpoint,
    EndpointBusy,
    EndpointHealth,
    EndpointRefused,
    EndpointUnreachable,
    Policy,
    RemoteStatus,
)
from control_plane.endpoints.runpod import TRIES, RunPodEndpoint
from tests.standins.jump_clock import JumpClock
from tests.standins.runpod import (
    DROPPED_REQUEST,
    LOST_ANSWER,
    MALFORMED,
    WITHOUT_ID,
    Fault,
    RunPodStandIn,
    StandInJob,
    breaking,
    refusing,
)
from tests.standins.scripted_worker import ScriptedWorker, announcing_command, next_worker

POLICY = Policy(execution_timeout_ms=600_000, ttl_ms=3_600_000)
SDK_ERROR = json.dumps(
    {
        "error_type": "<class 'ValueError'>",
        "error_message": "the seed is too large",
        "error_traceback": 'Traceback (most recent call last):\n  File "/app/handler.py", line 3',
        "hostname": "pod-64410",
    }
)


class RunningJob(Protocol):
    """A job in a worker's hands."""

    id: str
    input: dict[str, Any]

    async def progress(self, output: Any) -> None: ...
    async def finish(self, output: Any) -> None: ...
    async def fail(self, error: str) -> None: ...


@dataclass
class Bench:
    """An endpoint, the address and key behind it, and the hands of its worker and of its clock."""

    endpoint: Endpoint
    url: str
    take: Callable[[], Any]
    overrun: Callable[[RunningJob], None]
    expire: Callable[[str], None]

    async def next_job(self) -> RunningJob:
        async with asyncio.timeout(20):
            return await self.take()


@dataclass
class StandInRun:
    job: StandInJob

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def input(self) -> dict[str, Any]:
        return self.job.input

    async def progress(self, output: Any) -> None:
        self.job.progress(output)

    async def finish(self, output: Any) -> None:
        self.job.finish(output)

    async def fail(self, error: str) -> None:
        self.job.fail(error)


@dataclass
class LocalRun:
    worker: ScriptedWorker
    id: str
    input: dict[str, Any]

    async def progress(self, output: Any) -> None:
        assert await self.worker.progress(self.id, output) == 200

    async def finish(self, output: Any) -> None:
        assert await self.worker.done(self.id, {"output": output}) == 200

    async def fail(self, error: str) -> None:
        assert await self.worker.done(self.id, {"error": error}) == 200


@asynccontextmanager
async def runpod_bench() -> AsyncIterator[Bench]:
    async with RunPodStandIn() as runpod:
        endpoint = RunPodEndpoint(runpod.url, runpod.key, sleep=no_wait)

        async def take() -> StandInRun:
            return StandInRun(await runpod.next_job())

        def forget(job_id: str) -> None:
            next(job for job in runpod.jobs if job.id == job_id).forget()

        yield Bench(endpoint, runpod.url, take, overrun=lambda run: run.job.time_out(), expire=forget)
        await endpoint.aclose()


@asynccontextmanager
async def local_bench(folder: Path) -> AsyncIterator[Bench]:
    clock = JumpClock()
    announced = folder / "announced"
    announced.mkdir()
    endpoint = LocalEndpoint(folder, 1, {}, announcing_command(announced), clock)
    await endpoint.start()
    worker = await next_worker(announced)

    async def take() -> LocalRun:
        job = await worker.take()
        return LocalRun(worker, job["id"], job["input"])

    bench = Bench(endpoint, worker.base_url, take, lambda _: clock.jump(601), lambda _: clock.jump(3601))
    try:
        yield bench
    finally:
        await worker.aclose()
        await endpoint.aclose()


@pytest.fixture(params=["runpod", "local"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with runpod_bench() if request.param == "runpod" else local_bench(tmp_path) as made:
        yield made


async def no_wait(_: float) -> None:
    return


async def until(endpoint: Endpoint, seen: Callable[[EndpointHealth], bool]) -> EndpointHealth:
    async with asyncio.timeout(20):
        while not seen(health := await endpoint.health()):
            await asyncio.sleep(0.01)
    return health


class TestBothEndpoints:
    async def test_a_submitted_job_waits_and_is_counted(self, bench: Bench) -> None:
        job_id = await bench.endpoint.run({"n": 1}, POLICY)
        job = await bench.endpoint.status(job_id)
        assert (job.id, job.status, job.output, job.error) == (job_id, RemoteStatus.IN_QUEUE, None, None)
        assert (await bench.endpoint.health()).jobs["inQueue"] == 1

    async def test_the_worker_gets_the_payload_as_it_was(self, bench: Bench) -> None:
        payload = {"text": "Grüße, 世界 \u2028 \U0001f3ac", "deep": [{"x": None}, 1.5, True]}
        job_id = await bench.endpoint.run(payload, POLICY)
        run = await bench.next_job()
        assert (run.id, run.input) == (job_id, payload)
        job = await bench.endpoint.status(job_id)
        assert job.status is RemoteStatus.IN_PROGRESS
        assert job.worker_id
        assert job.delay_ms is not None
        assert job.delay_ms >= 0
        assert (await bench.endpoint.health()).jobs["inProgress"] == 1

    async def test_jobs_are_handed_out_in_order(self, bench: Bench) -> None:
        ids = [await bench.endpoint.run({"n": n}, POLICY) for n in range(3)]
        taken = []
        for _ in ids:
            run = await bench.next_job()
            taken.append(run.id)
            await run.finish({})
        assert taken == ids

    async def test_progress_shows_as_output_of_a_running_job(self, bench: Bench) -> None:
        job_id = await bench.endpoint.run({}, POLICY)
        run = await bench.next_job()
        await run.progress({"seq": 1, "progress": 10})
        await run.progress({"seq": 2, "progress": 60})
        job = await bench.endpoint.status(job_id)
        assert (job.status, job.output) == (RemoteStatus.IN_PROGRESS, {"seq": 2, "progress": 60})

    async def test_a_finished_job_keeps_its_output(self, bench: Bench) -> None:
        job_id = await bench.endpoint.run({}, POLICY)
        run = await bench.next_job()
        await run.finish({"outputs": ["a"]})
        for _ in range(2):
            job = await bench.endpoint.status(job_id)
            assert (job.status, job.output, job.error) == (RemoteStatus.COMPLETED, {"outputs": ["a"]}, None)
        assert job.execution_ms is not None
        assert job.execution_ms >= 0
        assert (await bench.endpoint.health()).jobs["completed"] == 1

    async def test_nothing_changes_a_finished_job(self, bench: Bench) -> None:
        job_id = await bench.endpoint.run({}, POLICY)
        run = await bench.next_job()
        await run.finish({"n": 1})
        await run.progress({"progress": 99})
        await run.fail("too late")
        await bench.endpoint.cancel(job_id)
        job = await bench.endpoint.status(job_id)
        assert (job.status, job.output, job.error) == (RemoteStatus.COMPLETED, {"n": 1}, None)

    @pytest.mark.parametrize(
        ("said", "shown"),
        [
            ("FETCH_FAILED: The picture could not be read.", "FETCH_FAILED: The picture could not be read."),
            (SDK_ERROR, "the seed is too large"),
            ('{"error_type": "<class \'KeyError\'>"}', "The worker failed."),
            ("{torn json", "The worker failed."),
            ("handler: boom \ntraceback: File /app/x.py", "handler: boom"),
            ('Traceback (most recent call last):\n  File "/app/x.py"\nValueError: boom', "ValueError: boom"),
        ],
    )
    async def test_a_failure_is_one_sentence(self, bench: Bench, said: str, shown: str) -> None:
        job_id = await bench.endpoint.run({}, POLICY)
        await (await bench.next_job()).fail(said)
        job = await bench.endpoint.status(job_id)
        assert (job.status, job.error) == (RemoteStatus.FAILED, shown)
        assert (await bench.endpoint.health()).jobs["failed"] == 1

    async def test_a_canceled_queued_job_is_never_handed_out(self, bench: Bench) -> None:
        first, second = [await bench.endpoint.run({"n": n}, POLICY) for n in range(2)]
        await bench.endpoint.cancel(first)
        assert (await bench.endpoint.status(first)).status is RemoteStatus.CANCELLED
        assert (await bench.next_job()).id == second

    async def test_a_canceled_running_job_stays_canceled(self, bench: Bench) -> None:
        job_id = await bench.endpoint.run({}, POLICY)
        run = await bench.next_job()
        await bench.endpoint.cancel(job_id)
        await bench.endpoint.cancel(job_id)
        await run.finish({"late": True})
        job = await bench.endpoint.status(job_id)
        assert (job.status, job.output) == (RemoteStatus.CANCELLED, None)

    @pytest.mark.parametrize("unknown", ["0b7c1d3e-u1", "../health", "a/b", "?", "%2e", "  "])
    async def test_an_unknown_id_is_gone_and_can_be_canceled(self, bench: Bench, unknown: str) -> None:
        assert (await bench.endpoint.status(unknown)).status is RemoteStatus.GONE
        await bench.endpoint.cancel(unknown)

    async def test_a_job_past_its_time_to_live_is_gone(self, bench: Bench) -> None:
        job_id = await bench.endpoint.run({}, POLICY)
        await bench.next_job()
        bench.expire(job_id)
        assert (await bench.endpoint.status(job_id)).status is RemoteStatus.GONE

    async def test_a_job_past_its_execution_timeout_is_over(self, bench: Bench) -> None:
        job_id = await bench.endpoint.run({}, POLICY)
        run = await bench.next_job()
        bench.overrun(run)
        job = await bench.endpoint.status(job_id)
        assert job.status in (RemoteStatus.TIMED_OUT, RemoteStatus.FAILED)
        assert job.error

    @pytest.mark.parametrize(
        "policy",
        [
            Policy(4_999, 3_600_000),
            Policy(600_000, 9_999),
            Policy(7 * 86_400_000 + 1, 3_600_000),
            Policy(600_000, 7 * 86_400_000 + 1),
        ],
    )
    async def test_a_policy_out_of_range_is_refused(self, bench: Bench, policy: Policy) -> None:
        with pytest.raises(EndpointRefused) as refused:
            await bench.endpoint.run({}, policy)
        assert refused.value.status == 400
        assert (await bench.endpoint.health()).jobs["inQueue"] == 0

    async def test_a_wrong_key_is_refused_everywhere(self, bench: Bench) -> None:
        stranger = RunPodEndpoint(bench.url, "rpa_wrong")
        calls = [stranger.run({}, POLICY), stranger.status("x"), stranger.cancel("x"), stranger.health()]
        for call in calls:
            with pytest.raises(EndpointRefused) as refused:
                await call
            assert refused.value.status == 401
        await stranger.aclose()

    async def test_health_counts_every_state(self, bench: Bench) -> None:
        health = await bench.endpoint.health()
        assert set(health.jobs) == {"inQueue", "inProgress", "completed", "failed", "retried"}
        assert set(health.workers) == {"idle", "initializing", "ready", "running", "throttled", "unhealthy"}


@pytest.fixture
async def runpod() -> AsyncIterator[RunPodStandIn]:
    async with RunPodStandIn() as standin:
        yield standin


class Naps:
    """Waits between tries, written down instead of slept."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
async def endpoint(runpod: RunPodStandIn, naps: Naps) -> AsyncIterator[RunPodEndpoint]:
    made = RunPodEndpoint(runpod.url + "/", runpod.key, sleep=naps)
    yield made
    await made.aclose()


class TestRunPodFaults:
    async def test_the_request_is_what_runpod_documents(self, endpoint: RunPodEndpoint, runpod: RunPodStandIn) -> None:
        await endpoint.run({"a": 1}, Policy(5_000, 10_000), webhook="https://plane.example/webhooks/runpod/t0ken")
        [job] = runpod.jobs
        assert (job.input, job.policy) == ({"a": 1}, {"executionTimeout": 5_000, "ttl": 10_000})
        assert job.webhook == "https://plane.example/webhooks/runpod/t0ken"
        assert endpoint.url == runpod.url

    async def test_run_waits_out_429_as_long_as_it_was_told(
        self, endpoint: RunPodEndpoint, runpod: RunPodStandIn, naps: Naps
    ) -> None:
        runpod.fail_next("run", refusing(429, Retry_After="17"), refusing(429))
        await endpoint.run({}, POLICY)
        assert len(runpod.jobs) == 1
        assert naps.taken[0] == 17
        assert 0 <= naps.taken[1] < 17

    async def test_run_gives_up_on_429_after_a_few_tries(self, endpoint: RunPodEndpoint, runpod: RunPodStandIn) -> None:
        runpod.fail_next("run", *[refusing(429, Retry_After="3")] * TRIES)
        with pytest.raises(EndpointBusy) as busy:
            await endpoint.run({}, POLICY)
        assert busy.value.retry_after == 3
        assert runpod.calls["run"] == TRIES

    async def test_a_long_retry_after_is_left_to_the_caller(
        self, endpoint: RunPodEndpoint, runpod: RunPodStandIn, naps: Naps
    ) -> None:
        runpod.fail_next("run", refusing(429, Retry_After="3600"))
        with pytest.raises(EndpointBusy) as busy:
            await endpoint.run({}, POLICY)
        assert (busy.value.retry_after, naps.taken) == (3600, [])

    @pytest.mark.parametrize("header", ["soon", "-1", "nan", "1e9", "9" * 400, "Wed, 21 Oct 2026 07:28:00 GMT"])
    async def test_an_odd_retry_after_is_not_believed(
        self, endpoint: RunPodEndpoint, runpod: RunPodStandIn, naps: Naps, header: str
    ) -> None:
        runpod.fail_next("run", refusing(429, Retry_After=header))
        await endpoint.run({}, POLICY)
        assert 0 <= naps.taken[0] <= 8

    @pytest.mark.parametrize(
        "fault",
        [LOST_ANSWER, DROPPED_REQUEST, MALFORMED, WITHOUT_ID, breaking(500), breaking(502), breaking(504)],
        ids=["lost", "dropped", "malformed", "without id", "500", "502", "504"],
    )
    async def test_run_is_never_repeated_once_it_was_sent(
        self, endpoint: RunPodEndpoint, runpod: RunPodStandIn, fault: Fault
    ) -> None:
        runpod.fail_next("run", fault)
        with pytest.raises(AnswerLost):
            await endpoint.run({}, POLICY)
        assert runpod.calls["run"] == 1
        assert len(runpod.jobs) == fault.takes_effect

    async def test_an_answer_that_does_not_come_is_lost(self, runpod: RunPodStandIn) -> None:
        async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=0.05)) as client:
            endpoint = RunPodEndpoint(runpod.url, runpod.key, client)
            held = runpod.hold_next("run")
            with pytest.raises(AnswerLost):
                await endpoint.run({}, POLICY)
            held.release()
        assert (runpod.calls["run"], len(runpod.jobs)) == (1, 1)

    async def test_without_a_connection_run_tries_again_and_says_so(self, naps: Naps) -> None:
        endpoint = RunPodEndpoint("http://127.0.0.1:9/v2/endpoint1", "key", sleep=naps)
        with pytest.raises(EndpointUnreachable):
            await endpoint.run({}, POLICY)
        assert len(naps.taken) == TRIES - 1
        await endpoint.aclose()

    @pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 413, 422])
    async def test_a_refusal_is_final(self, endpoint: RunPodEndpoint, runpod: RunPodStandIn, status: int) -> None:
        runpod.fail_next("run", refusing(status))
        with pytest.raises(EndpointRefused) as refused:
            await endpoint.run({}, POLICY)
        assert (refused.value.status, runpod.calls["run"], runpod.jobs) == (status, 1, [])

    @pytest.mark.parametrize(
        "fault",
        [refusing(429), breaking(500), breaking(503), LOST_ANSWER, DROPPED_REQUEST],
        ids=["429", "500", "503", "lost", "dropped"],
    )
    async def test_status_and_cancel_are_repeated(
        self, endpoint: RunPodEndpoint, runpod: RunPodStandIn, fault: Fault
    ) -> None:
        job_id = await endpoint.run({}, POLICY)
        runpod.fail_next("status", fault, fault)
        assert (await endpoint.status(job_id)).status is RemoteStatus.IN_QUEUE
        runpod.fail_next("cancel", fault, fault)
        await endpoint.cancel(job_id)
        assert runpod.jobs[0].status == "CANCELLED"
        assert (runpod.calls["status"], runpod.calls["cancel"]) == (3, 3)

    async def test_status_gives_up_after_a_few_tries(
        self, endpoint: RunPodEndpoint, runpod: RunPodStandIn, naps: Naps
    ) -> None:
        runpod.fail_next("status", *[breaking(500)] * TRIES)
        with pytest.raises(AnswerLost):
            await endpoint.status("x")
        assert (runpod.calls["status"], len(naps.taken)) == (TRIES, TRIES - 1)

    async def test_health_is_asked_once(self, endpoint: RunPodEndpoint, runpod: RunPodStandIn) -> None:
        runpod.fail_next("health", breaking(500))
        with pytest.raises(AnswerLost):
            await endpoint.health()
        assert runpod.calls["health"] == 1

    @pytest.mark.parametrize("word", ["RUNNING", "SUSPENDED", "GONE", ""])
    async def test_an_unknown_state_is_not_an_end(
        self, endpoint: RunPodEndpoint, runpod: RunPodStandIn, word: str
    ) -> None:
        job_id = await endpoint.run({}, POLICY)
        runpod.jobs[0].status = word
        assert (await endpoint.status(job_id)).status is RemoteStatus.IN_PROGRESS

    async def test_an_odd_answer_is_read_for_what_is_usable(
        self, endpoint: RunPodEndpoint, runpod: RunPodStandIn
    ) -> None:
        job_id = await endpoint.run({}, POLICY)
        job = await runpod.next_job()
        job.fail("x", delayTime="soon", workerId=7, output=[1])
        job.shown["error"] = {"not": "a string"}
        seen = await endpoint.status(job_id)
        assert (seen.error, seen.delay_ms, seen.worker_id, seen.output) == ("The worker failed.", None, None, [1])
        runpod.workers = {"idle": "many", "running": 2, "new": 1}
        assert (await endpoint.health()).workers["running"] == 2

    async def test_the_key_is_in_no_error(self, runpod: RunPodStandIn) -> None:
        endpoint = RunPodEndpoint(runpod.url, runpod.key, sleep=no_wait)
        for fault in (refusing(401), breaking(500), LOST_ANSWER, MALFORMED):
            runpod.fail_next("run", fault)
            with pytest.raises((EndpointRefused, AnswerLost)) as error:
                await endpoint.run({}, POLICY)
            assert runpod.key not in "".join(traceback.format_exception(error.value))
        assert runpod.key not in repr(vars(endpoint)["_client"])
        await endpoint.aclose()
