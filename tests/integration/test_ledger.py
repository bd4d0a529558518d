"""Money on its way through the plane: reserved before it is spent, held back, stopped, settled, and shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from control_plane.clock import system_clock, to_datetime
from control_plane.dispatch.bookkeeper import Bookkeeper
from control_plane.dispatch.limits import DEADLINE_SECONDS
from control_plane.jobs import queries
from control_plane.ledger.billing import Billing
from control_plane.ledger.budget import ALLOWANCE_SECONDS, Budget, Caps
from control_plane.ledger.money import cost
from control_plane.ledger.prices import GPU_USD_PER_SECOND, Prices
from shared.job_types import JobType
from shared.states import JobStatus
from shared.wire import OutputFile
from tests.integration.plane import QUICK, Plane, Worker, running_plane
from tests.integration.served import Served, served
from tests.standins.runpod import DROPPED_REQUEST, LOST_ANSWER, RunPodStandIn, StandInJob, refusing

Q, R, S, F, C = JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED
NANOS = 1_000_000  # a tenth of a cent a second
WORST = cost(DEADLINE_SECONDS[JobType.TTS] + ALLOWANCE_SECONDS, NANOS)
DAY_MS = 86_400_000


class TestClock:
    """Time of this machine, moved by the test."""

    __test__ = False

    def __init__(self) -> None:
        self.now = 20_000 * DAY_MS + DAY_MS // 2

    def __call__(self) -> int:
        return self.now


def budget(**caps: int) -> Budget:
    return Budget(Prices(NANOS / 10**9), Caps(**caps))


@pytest.fixture
async def runpod() -> AsyncIterator[RunPodStandIn]:
    async with RunPodStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


def took(job: StandInJob, milliseconds: int) -> None:
    """The platform's own measure of a finished job."""
    job.shown["executionTime"] = milliseconds


def today(plane: Plane) -> tuple[int, int]:
    """Spent and reserved today."""
    day = to_datetime(plane.world.clock()).date().isoformat()
    lines = plane.table.ask(queries.spending, day, day)
    return sum(line.spent for line in lines), sum(line.reserved for line in lines)


def cost_of(plane: Plane, job_id: str) -> int:
    return plane.table.ask(queries.costs_of_jobs, [job_id], plane.world.clock()).get(job_id, 0)


async def claimed(plane: Plane, job_id: str) -> Worker:
    """The job runs, under a lease that outlives every jump of the clock."""
    worker = await plane.worker()
    assert worker.message.job_id == job_id
    worker.claim(lease=10**9)
    await plane.status(job_id, R)
    return worker


def succeed(worker: Worker, milliseconds: int) -> None:
    worker.put_result(outputs=[speech(worker)])
    worker.job.finish({"done": True})
    took(worker.job, milliseconds)


def speech(worker: Worker) -> OutputFile:
    key = f"{worker.message.output_prefix}1/speech.wav"
    return OutputFile(key=key, kind="audio", content_type="audio/wav", bytes=4, sha256="0" * 64)


# Reserve and settle


async def test_the_worst_case_is_reserved_and_the_end_settles_it(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod, budget=budget()) as plane:
        job_id = await plane.submit()
        worker = await plane.worker()
        assert today(plane) == (0, WORST)
        worker.claim()
        succeed(worker, 4100)
        await plane.status(job_id, S)
        await Bookkeeper(plane.world).look()
        assert today(plane) == (5000, 0)
        assert cost_of(plane, job_id) == 5000


async def test_failed_attempts_are_paid_for(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod, budget=budget()) as plane:
        job_id = await plane.submit()
        first = await plane.worker()
        first.claim()
        first.fail("WORKER_LOST", "It vanished.", retryable=True)
        took(first.job, 2500)
        second = await plane.worker()
        second.claim()
        second.fail("ENGINE_FAILED", "It broke.")
        took(second.job, 900)
        await plane.status(job_id, F)
        await Bookkeeper(plane.world).look()
        bills = plane.table.ask(queries.attempt_bills, job_id, plane.world.clock())
        assert [(bill.outcome, bill.seconds, bill.is_final) for bill in bills] == [
            ("WORKER_LOST", 3, True),
            ("ENGINE_FAILED", 1, True),
        ]
        assert today(plane) == (4000, 0)


async def test_both_submissions_of_a_lost_answer_are_paid_for(tmp_path: Path, runpod: RunPodStandIn) -> None:
    runpod.fail_next("run", LOST_ANSWER, LOST_ANSWER)
    async with running_plane(tmp_path, runpod, budget=budget()) as plane:
        job_id = await plane.submit()
        await plane.until(job_id, lambda _: len(runpod.jobs) == 3)
        workers = [await plane.worker() for _ in range(3)]
        assert today(plane) == (0, WORST), "one attempt, reserved once"
        workers[2].claim()
        await plane.status(job_id, R)
        assert plane.job(job_id).runpod_job_id == workers[2].job.id
        succeed(workers[2], 6000)
        await plane.status(job_id, S)
        await Bookkeeper(plane.world).look()
        assert today(plane) == (6000, 0), "what nobody ever named cannot be asked about"


async def test_a_refused_submission_gives_its_reservation_back(tmp_path: Path, runpod: RunPodStandIn) -> None:
    runpod.fail_next("run", refusing(401))
    async with running_plane(tmp_path, runpod, budget=budget()) as plane:
        job_id = await plane.submit()
        await plane.until(job_id, lambda job: "key" in job.stage_message)
        assert today(plane) == (0, 0)


async def test_a_canceled_job_is_paid_for_as_far_as_it_ran(
    tmp_path: Path, runpod: RunPodStandIn, clock: TestClock
) -> None:
    async with running_plane(tmp_path, runpod, clock=clock, budget=budget()) as plane:
        job_id = await plane.submit()
        worker = await claimed(plane, job_id)
        clock.now += 30_000
        assert cost_of(plane, job_id) == 30_000, "while it runs, too"
        await plane.cancel(job_id)
        await plane.until(job_id, lambda _: worker.job.status == "CANCELLED")
        worker.put_result(canceled=True)
        await plane.status(job_id, C)
        await Bookkeeper(plane.world).look()
        assert today(plane) == (1000, 0), "the platform's own measure, begun seconds whole"


async def test_the_workers_gpu_makes_the_price(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod) as plane:
        job_id = await plane.submit()
        worker = await plane.worker()
        worker.claim()
        dearest = cost(
            DEADLINE_SECONDS[JobType.TTS] + ALLOWANCE_SECONDS, round(max(GPU_USD_PER_SECOND.values()) * 10**9)
        )
        assert today(plane) == (0, dearest)
        worker.put_result(outputs=[speech(worker)], engine={"name": "t", "gpu": "NVIDIA GeForce RTX 4090"})
        worker.job.finish({})
        took(worker.job, 10_000)
        await plane.status(job_id, S)
        await Bookkeeper(plane.world).look()
        assert today(plane) == (3100, 0)
        assert plane.table.ask(queries.attempt_bills, job_id, 0)[0].gpu == "NVIDIA GeForce RTX 4090"


async def test_a_job_the_platform_forgot_costs_what_its_worker_says(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod, budget=budget()) as plane:
        job_id = await plane.submit()
        worker = await plane.worker()
        took(worker.job, 50_000)
        worker.claim()
        await plane.status(job_id, R)
        worker.put_result(outputs=[speech(worker)], timings={"fetch": 1.25, "run": 5.5, "upload": 0.5})
        worker.job.forget()
        await plane.status(job_id, S)
        await Bookkeeper(plane.world).look()
        [bill] = plane.table.ask(queries.attempt_bills, job_id, plane.world.clock())
        assert (bill.seconds, bill.is_final) == (8, True)


async def test_a_worker_that_died_unseen_is_paid_for_until_its_lease_ran_out(
    tmp_path: Path, runpod: RunPodStandIn
) -> None:
    once = replace(QUICK, max_attempts=1)

    def later() -> int:
        return system_clock() + 3_600_000

    async with running_plane(tmp_path, runpod, budget=budget()) as plane:
        job_id = await plane.submit()
        worker = await plane.worker()
        await plane.crash()
    worker.claim(lease=1.5)
    worker.job.forget()
    async with running_plane(tmp_path, runpod, limits=once, clock=later, budget=budget()) as plane:
        await plane.status(job_id, F)
        assert plane.attempts(job_id)[0].started_at is None, "the plane was not there"
        assert plane.attempts(job_id)[0].outcome == "WORKER_LOST"
        assert cost_of(plane, job_id) == 2000


async def test_late_knowledge_is_asked_for_until_it_comes(
    tmp_path: Path, runpod: RunPodStandIn, clock: TestClock
) -> None:
    async with running_plane(tmp_path, runpod, clock=clock, budget=budget()) as plane:
        bookkeeper = Bookkeeper(plane.world)
        job_id = await plane.submit()
        worker = await claimed(plane, job_id)
        clock.now += 9000
        worker.put_result(outputs=[speech(worker)])
        await plane.dispatcher.heard(worker.message.token, worker.progress(1, 100, "finished"))
        await plane.status(job_id, S)
        await bookkeeper.look()
        assert today(plane) == (9000, 0), "from claim to end, since the platform still says IN_PROGRESS"
        runpod.fail_next("status", *[DROPPED_REQUEST] * 4)
        await bookkeeper.look()
        worker.job.finish({})
        took(worker.job, 7000)
        await bookkeeper.look()
        assert today(plane) == (7000, 0)
        asked = runpod.calls["status"]
        await bookkeeper.look()
        assert runpod.calls["status"] == asked, "what is known is not asked again"


async def test_what_runs_on_long_after_its_attempt_is_canceled_again(
    tmp_path: Path, runpod: RunPodStandIn, clock: TestClock
) -> None:
    async with running_plane(tmp_path, runpod, clock=clock, budget=budget()) as plane:
        job_id = await plane.submit()
        worker = await claimed(plane, job_id)
        worker.put_result(outputs=[speech(worker)])
        await plane.dispatcher.heard(worker.message.token, None)
        await plane.status(job_id, S)
        await Bookkeeper(plane.world).look()
        assert worker.job.status == "IN_PROGRESS", "it may be about to return"
        clock.now += 31_000
        await Bookkeeper(plane.world).look()
        assert worker.job.status == "CANCELLED"


# Hold back


async def test_a_job_held_by_the_budget_goes_when_another_ends(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod, budget=budget(day=WORST + WORST // 2)) as plane:
        first = await plane.submit()
        worker = await plane.worker()
        second = await plane.submit()
        held = await plane.until(second, lambda job: job.stage == "held_by_budget")
        assert (held.status, held.attempts) == (Q, 0)
        assert "daily budget" in held.stage_message
        assert f"${WORST / 2 / 10**6:.2f} of ${WORST * 1.5 / 10**6:.2f} is left for today" in held.stage_message
        assert len(runpod.jobs) == 1
        worker.claim()
        succeed(worker, 1000)
        await plane.status(first, S)
        assert (await plane.worker()).message.job_id == second


async def test_of_many_at_once_only_those_go_that_there_is_money_for(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod, budget=budget(day=WORST * 7 // 2)) as plane:
        jobs = await asyncio.gather(*(plane.submit() for _ in range(20)))
        for job_id in jobs:
            await plane.until(job_id, lambda job: job.stage in ("held_by_budget", "waiting_for_worker"))
        sent = [job_id for job_id in jobs if plane.attempts(job_id)]
        assert sent == sorted(jobs)[:3], "oldest first"
        assert (len(runpod.jobs), today(plane)) == (3, (0, 3 * WORST))
        for job_id in set(jobs) - set(sent):
            assert f"${WORST / 2 / 10**6:.2f} of" in plane.job(job_id).stage_message
            assert plane.job(job_id).version == 2, "taken and held, nothing else"


async def test_a_job_held_by_the_budget_goes_the_next_day(
    tmp_path: Path, runpod: RunPodStandIn, clock: TestClock
) -> None:
    async with running_plane(tmp_path, runpod, clock=clock, budget=budget(day=WORST)) as plane:
        await claimed(plane, await plane.submit())
        second = await plane.submit()
        await plane.until(second, lambda job: job.stage == "held_by_budget")
        clock.now += DAY_MS // 2 - 1
        third = await plane.submit()
        await plane.until(third, lambda job: job.stage == "held_by_budget")
        assert len(runpod.jobs) == 1
        clock.now += 1
        await plane.submit(priority=-1)
        assert (await plane.worker()).message.job_id == second


async def test_waiting_for_money_makes_no_noise_and_a_cheap_job_may_pass(
    tmp_path: Path, runpod: RunPodStandIn, clock: TestClock
) -> None:
    async with running_plane(tmp_path, runpod, clock=clock, budget=budget(day=2 * WORST)) as plane:
        dear = await plane.submit(JobType.RENDER, {"prompt": "x"})
        await plane.until(dear, lambda job: job.stage == "held_by_budget")
        for _ in range(5):
            clock.now += 61_000
            cheap = await plane.submit()
            worker = await claimed(plane, cheap)
            succeed(worker, 100_000)
            await plane.status(cheap, S)
        assert plane.job(dear).version == 2, "taken and held, nothing else"


async def test_a_held_job_can_be_canceled(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod, budget=budget(day=1)) as plane:
        job_id = await plane.submit()
        await plane.until(job_id, lambda job: job.stage == "held_by_budget")
        assert (await plane.cancel(job_id)).status is C


async def test_a_restart_keeps_reservations_and_pays_for_nothing_twice(tmp_path: Path, runpod: RunPodStandIn) -> None:
    tight = budget(day=WORST + WORST // 2)
    async with running_plane(tmp_path, runpod, budget=tight) as plane:
        first = await plane.submit()
        worker = await plane.worker()
    async with running_plane(tmp_path, runpod, budget=tight) as plane:
        assert today(plane) == (0, WORST)
        second = await plane.submit()
        await plane.until(second, lambda job: job.stage == "held_by_budget")
        worker.claim()
        succeed(worker, 3000)
        await plane.status(first, S)
        await plane.worker()
        await Bookkeeper(plane.world).look()
        assert today(plane) == (3000, WORST)
    async with running_plane(tmp_path, runpod, budget=tight) as plane:
        assert today(plane) == (3000, WORST)


# Stop


async def test_a_job_that_passes_its_cap_while_it_runs_is_stopped(
    tmp_path: Path, runpod: RunPodStandIn, clock: TestClock
) -> None:
    async with running_plane(tmp_path, runpod, clock=clock, budget=budget()) as plane:
        job_id = await plane.submit(max_cost=WORST)
        worker = await claimed(plane, job_id)
        worker.run = 2
        clock.now += WORST + 1  # a micro-dollar costs a millisecond
        assert plane.attempts(job_id)[0].run == 1
        plane.dispatcher.wake(job_id)
        assert plane.job(job_id).status is R, "one run alone cannot cost more than its deadline"
        stopping = runpod.hold_next("cancel")
        await plane.table.do(_rerun, job_id)
        await stopping.arrived.wait()
        assert not worker.put_result(canceled=True), "the plane has decided it before it stopped the worker"
        stopping.release()
        failed = await plane.status(job_id, F)
        assert failed.error_code == "COST_CAP_EXCEEDED"
        assert failed.error is not None
        assert "may cost $1.15" in failed.error
        assert worker.job.status == "CANCELLED"
        took(worker.job, 1_155_000)
        await Bookkeeper(plane.world).look()
        assert today(plane) == (1_155_000, 0)


def _rerun(conn: Any, job_id: str) -> None:
    """The platform ran it a second time."""
    conn.execute("UPDATE attempts SET run = 2 WHERE job_id = ?", (job_id,))


async def test_what_earlier_attempts_cost_shortens_the_next_until_none_is_left(
    tmp_path: Path, runpod: RunPodStandIn, clock: TestClock
) -> None:
    async with running_plane(tmp_path, runpod, clock=clock, budget=budget(job=WORST)) as plane:
        job_id = await plane.submit()
        whole = DEADLINE_SECONDS[JobType.TTS]
        for deadline, seconds in ((whole, 500), (whole - 500, 350)):
            worker = await claimed(plane, job_id)
            assert worker.message.deadline_seconds == deadline
            assert worker.job.policy["executionTimeout"] == (deadline + 120) * 1000
            worker.job.finish({"no": "result"})
            took(worker.job, seconds * 1000)
            await plane.until(job_id, lambda job: job.stage == "retrying" or job.status is F)
            clock.now += 60_000
        failed = await plane.status(job_id, F)
        assert (failed.error_code, failed.attempts) == ("COST_CAP_EXCEEDED", 2)
        assert (
            failed.error == "Earlier attempts cost $0.85 of the $1.15 the job may cost: too little is left for another"
        )
        assert cost_of(plane, job_id) == 850_000


# As a client sees it


PRICE = NANOS / 10**9


async def finish_and_settle(api: Served, job_id: str) -> dict[str, Any]:
    """Run the job to its end, and wait until the endpoint has told what it took."""
    done = await api.finish(job_id)
    async with asyncio.timeout(30):
        while done["status"] != "SUCCEEDED" or not all(each["cost_is_final"] for each in done["attempt_history"]):
            done = await api.get(job_id)
    return done


async def test_a_finished_job_shows_its_attempts_and_what_they_cost(tmp_path: Path) -> None:
    async with served(tmp_path, gpu_usd_per_second=PRICE) as api:
        job_id = (await api.submit({"type": "TTS", "params": {"text": "x"}, "max_cost_usd": 2})).json()["job_id"]
        first = await api.worker()
        first.claim()
        first.fail("WORKER_LOST", "It vanished.", retryable=True)
        took(first.job, 2500)
        done = await finish_and_settle(api, job_id)
        assert (done["cost_usd"], done["max_cost_usd"]) == (0.004, 2)
        history = done["attempt_history"]
        assert [(a["number"], a["outcome"], a["seconds"], a["cost_usd"]) for a in history] == [
            (1, "WORKER_LOST", 3, 0.003),
            (2, "SUCCEEDED", 1, 0.001),
        ]
        assert history[0]["runpod_job_ids"] == [first.job.id]
        assert history[1]["usd_per_second"] == PRICE
        assert [job["cost_usd"] for job in (await api.client.get("/jobs")).json()] == [0.004]
        assert "attempt_history" not in (await api.client.get("/jobs")).json()[0]
        twin = (await api.client.post(f"/jobs/{job_id}/retry")).json()["job_id"]
        assert (await api.get(twin))["max_cost_usd"] == 2, "the same job has the same cap"


async def test_a_cost_learnt_late_is_a_new_answer(tmp_path: Path) -> None:
    async with served(tmp_path, gpu_usd_per_second=PRICE) as api:
        job_id = await api.job_id()
        worker = await api.worker()
        worker.claim()
        worker.put_result(outputs=[speech(worker)])
        await api.get(job_id, Prefer="wait=1")
        await api.client.post(f"/webhooks/runpod/{worker.message.token}", json={})
        done = await api.get(job_id, Prefer="wait=10")
        assert (done["status"], done["attempt_history"][0]["cost_is_final"]) == ("SUCCEEDED", False)
        tag = (await api.client.get(f"/jobs/{job_id}")).headers["etag"]
        listed = (await api.client.get("/jobs")).headers["etag"]
        worker.job.finish({})
        took(worker.job, 55_000)
        async with asyncio.timeout(20):
            while (
                answer := await api.client.get(f"/jobs/{job_id}", headers={"If-None-Match": tag})
            ).status_code == 304:
                pass
        assert answer.json()["cost_usd"] == 0.055
        assert (await api.client.get("/jobs", headers={"If-None-Match": listed})).status_code == 200


REFUSED = [
    ({"gpu_usd_per_second": PRICE}, 1.0, "max_cost_usd"),
    ({"gpu_usd_per_second": PRICE, "budget_job_usd": 1.0}, None, "type"),
    ({"gpu_usd_per_second": PRICE, "budget_daily_usd": 1.0}, 5.0, "type"),
    ({"gpu_usd_per_second": PRICE, "budget_monthly_usd": 1.0}, None, "type"),
    ({"budget_job_usd": 1.0}, None, "type"),
]


@pytest.mark.parametrize(("settings", "max_cost", "field"), REFUSED)
async def test_a_job_above_a_whole_cap_is_refused(
    tmp_path: Path, settings: dict[str, float], max_cost: float | None, field: str
) -> None:
    async with served(tmp_path, **settings) as api:
        body = {"type": "TTS", "params": {"text": "x"}, "max_cost_usd": max_cost}
        answer = await api.submit(body)
        assert (answer.status_code, answer.json()["code"]) == (422, "COST_CAP_EXCEEDED")
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        stitched = {"clips": [{"url": "https://a.example/v.mp4"}], "max_cost_usd": max_cost}
        assert (await api.client.post("/timeline/stitch", json=stitched)).json()["code"] == "COST_CAP_EXCEEDED"
        assert (await api.client.get("/jobs")).json() == []


async def test_the_same_key_with_another_cap_is_another_request(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        body = {"type": "TTS", "params": {"text": "x"}, "max_cost_usd": 50}
        key = {"Idempotency-Key": "k"}
        assert (await api.submit(body, **key)).status_code == 202
        assert (await api.submit({**body, "max_cost_usd": 51}, **key)).json()["code"] == "IDEMPOTENCY_KEY_REUSED"
        assert (await api.submit({**body, "max_cost_usd": -1})).status_code == 422


async def test_the_budget_adds_up(tmp_path: Path) -> None:
    caps = {"budget_job_usd": 5.0, "budget_daily_usd": 3.0, "budget_monthly_usd": 20.0}
    async with served(tmp_path, gpu_usd_per_second=PRICE, max_in_flight=10, **caps) as api:
        await finish_and_settle(api, await api.job_id())
        await api.job_id()
        await api.worker()
        third = await api.job_id()
        fourth = await api.job_id()
        while (await api.get(fourth))["stage"] != "held_by_budget":
            pass
        await api.get(third)
        found = (await api.client.get("/budget")).json()
        worst = WORST / 10**6
        assert found["job_cap_usd"] == 5
        for period, cap in ((found["today"], 3), (found["month"], 20)):
            assert (period["cap_usd"], period["spent_usd"]) == (cap, 0.001)
            assert period["reserved_usd"] == 2 * worst
            assert period["left_usd"] == pytest.approx(cap - 0.001 - 2 * worst)
        assert found["by_type"] == [{"type": "TTS", "today_usd": 0.001, "month_usd": 0.001}]
        [price] = found["prices"]
        assert (price["usd_per_second"], price["source"], price["assumed"]) == (PRICE, "GPU_USD_PER_SECOND", False)
        assert set(price["types"]) == set(JobType)
        assert found["held_jobs"] == 1
        assert found["reconciliation"] is None


async def test_an_estimate_learns_from_finished_jobs(tmp_path: Path) -> None:
    async with served(tmp_path, gpu_usd_per_second=PRICE) as api:
        wanted = {"type": "TTS", "params": {"text": "x"}}
        first = (await api.client.post("/estimate", json=wanted)).json()
        assert (first["basis"], first["usd_per_second"], first["worst_case_usd"]) == ("default", PRICE, WORST / 10**6)
        assert 0 < first["low_usd"] < first["high_usd"] < first["worst_case_usd"]
        for _ in range(5):
            job_id = await api.job_id()
            done = await finish_and_settle(api, job_id)
            while not done["attempt_history"][0]["cost_is_final"]:
                done = await api.get(job_id)
        learnt = (await api.client.post("/estimate", json=wanted)).json()
        assert (learnt["basis"], learnt["samples"]) == ("history", 5)
        assert (learnt["low_seconds"], learnt["low_usd"]) == (1, 0.001)
        other = {"type": "RENDER", "params": {"prompt": "x"}}
        assert (await api.client.post("/estimate", json=other)).json()["basis"] == "default"


@pytest.mark.parametrize(
    "body", [{}, {"type": "TTS", "params": {}}, {"type": "TTS", "params": {"text": "x"}, "wat": 1}, {"type": "NO"}]
)
async def test_an_estimate_of_a_wrong_job_is_refused(tmp_path: Path, body: dict[str, Any]) -> None:
    async with served(tmp_path) as api:
        answer = await api.client.post("/estimate", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")


async def test_an_unset_price_is_the_dearest_and_said_to_be_assumed(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        [price] = (await api.client.get("/budget")).json()["prices"]
        assert (price["assumed"], price["usd_per_second"]) == (True, max(GPU_USD_PER_SECOND.values()))
        assert "dearest" in price["source"]
        budgeted = (await api.client.get("/budget")).json()
        assert (budgeted["today"]["cap_usd"], budgeted["today"]["left_usd"]) == (None, None)


async def _compare(api: Served, *bill: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """`GET /budget?reconcile=true` with this bill at RunPod."""

    async def answer(request: Request) -> JSONResponse:
        assert request.query_params["serverlessId"] == "endpoint1"
        return JSONResponse({"records": list(bill)}, status)

    app = Starlette(routes=[Route("/v2/billing/serverless", answer)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        billing = Billing("key", "https://api.runpod.io/v2", client)
        api.app.state.services = replace(api.app.state.services, billing=billing)
        found: dict[str, Any] = (await api.client.get("/budget?reconcile=true")).json()
        return found


async def test_the_bill_is_laid_beside_the_ledger(tmp_path: Path) -> None:
    async with served(tmp_path, gpu_usd_per_second=PRICE) as api:
        nothing = (await api.client.get("/budget?reconcile=true")).json()
        assert "no RunPod endpoint" in nothing["reconciliation_message"]
        await finish_and_settle(api, await api.job_id())
        day = nothing["today"]["starts"]
        found = await _compare(api, {"startTime": f"{day}T00:00:00Z", "totalAmount": 0.25})
        assert found["reconciliation"] == [
            {"day": day, "ledger_usd": 0.001, "billed_usd": 0.25, "unaccounted_usd": 0.249}
        ]
        failed = await _compare(api, status=500)
        assert failed["reconciliation"] is None
        assert "billing records" in failed["reconciliation_message"]
