"""From the job table to the endpoint and back, with every answer that can get lost on the way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from control_plane import faults
from control_plane.dispatch.limits import Limits
from control_plane.jobs import verbs
from shared.job_types import JobType
from shared.states import AttemptState, JobStatus
from shared.wire import Tombstone, claim_key, result_key
from tests.integration.plane import QUICK, Plane, Worker, running_plane
from tests.standins.runpod import DROPPED_REQUEST, LOST_ANSWER, RunPodStandIn, refusing

Q, R, S, F, C = JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED


@pytest.fixture
async def runpod() -> AsyncIterator[RunPodStandIn]:
    async with RunPodStandIn() as stand_in:
        yield stand_in


@pytest.fixture
async def plane(tmp_path: Path, runpod: RunPodStandIn) -> AsyncIterator[Plane]:
    async with running_plane(tmp_path, runpod) as plane:
        yield plane


@pytest.fixture
def armed() -> Iterator[Callable[[Callable[[str], None]], None]]:
    """Lets the test act at the plane's fault points."""
    yield faults.arm
    faults.arm(None)


def _claim(worker: Worker) -> None:
    worker.claim()


async def test_a_job_succeeds_by_its_result_in_the_bucket(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    assert plane.job(job_id).status is Q
    assert worker.claim()
    running = await plane.status(job_id, R)
    assert (running.runpod_job_id, running.stage) == (worker.job.id, "starting")
    worker.succeed()
    done = await plane.status(job_id, S)
    assert [output["key"] for output in done.outputs] == [f"jobs/{job_id}/1/1/speech.wav"]
    assert (done.progress, done.engine, done.store) == (100, {"name": "test"}, "local")
    assert [(a.state, a.outcome) for a in plane.attempts(job_id)] == [(AttemptState.ENDED, "SUCCEEDED")]


async def test_the_message_carries_what_a_worker_needs_and_no_credential(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    assert worker.message.output_prefix == f"jobs/{job_id}/1/"
    assert worker.message.callback_url == f"http://127.0.0.1:1/callbacks/{worker.message.token}"
    assert worker.job.policy["executionTimeout"] > worker.message.deadline_seconds * 1000
    assert worker.job.policy["ttl"] > worker.job.policy["executionTimeout"]


async def test_completed_without_a_result_is_an_error_and_is_tried_again(plane: Plane) -> None:
    job_id = await plane.submit()
    first = await plane.worker()
    first.claim()
    await plane.status(job_id, R)
    first.job.finish({"looks": "fine"})
    second = await plane.worker()
    assert second.message.attempt == 2
    assert second.message.token != first.message.token
    assert plane.attempts(job_id)[0].outcome == "OUTPUT_MISSING"
    second.claim()
    second.succeed()
    assert (await plane.status(job_id, S)).attempts == 2
    assert not first.put_result(canceled=True), "the plane had decided the first attempt"


async def test_a_result_without_outputs_is_no_success(plane: Plane, runpod: RunPodStandIn) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    worker.put_result(outputs=[])
    worker.job.finish({})
    await plane.until(job_id, lambda job: job.attempts == 2 or job.stage == "retrying")
    assert plane.attempts(job_id)[0].outcome == "OUTPUT_MISSING"


async def test_a_lost_answer_is_settled_by_the_claim(plane: Plane, runpod: RunPodStandIn) -> None:
    runpod.fail_next("run", LOST_ANSWER)
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    adopted = await plane.status(job_id, R)
    assert adopted.runpod_job_id == worker.job.id
    worker.succeed()
    await plane.status(job_id, S)
    assert runpod.calls["run"] == 1


async def test_an_attempt_nobody_claimed_goes_out_again_under_the_same_token(
    plane: Plane, runpod: RunPodStandIn
) -> None:
    runpod.fail_next("run", LOST_ANSWER)
    job_id = await plane.submit()
    await plane.until(job_id, lambda _: len(runpod.jobs) == 2)
    late, second = await plane.worker(), await plane.worker()
    assert late.message.token == second.message.token
    assert second.claim()
    assert not late.claim(), "the claim keeps the duplicate from running"
    await plane.status(job_id, R)
    late.job.finish({"claim_lost": True, "holder": second.job.id})
    second.succeed()
    done = await plane.status(job_id, S)
    assert (done.attempts, done.runpod_job_id) == (1, second.job.id)


async def test_a_request_that_was_never_accepted_is_sent_again(plane: Plane, runpod: RunPodStandIn) -> None:
    runpod.fail_next("run", DROPPED_REQUEST)
    job_id = await plane.submit()
    unknown = await plane.until(job_id, lambda job: job.stage == "submit_unknown")
    assert "did not answer" in unknown.stage_message
    worker = await plane.worker()
    worker.claim()
    worker.succeed()
    assert (await plane.status(job_id, S)).attempts == 1


async def test_a_refused_key_holds_the_job_with_a_reason(plane: Plane, runpod: RunPodStandIn) -> None:
    runpod.fail_next("run", refusing(401))
    job_id = await plane.submit()
    held = await plane.until(job_id, lambda job: "key" in job.stage_message)
    assert (held.status, held.attempts) == (Q, 0)
    assert plane.attempts(job_id) == [], "nothing was accepted, so the attempt never was"


async def test_a_request_the_endpoint_will_never_take_fails_the_job(plane: Plane, runpod: RunPodStandIn) -> None:
    runpod.fail_next("run", refusing(400))
    job_id = await plane.submit()
    failed = await plane.status(job_id, F)
    assert failed.error_code == "ENDPOINT_REFUSED"


async def test_a_failure_told_by_the_worker_is_told_to_the_person(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    worker.fail("ENGINE_UNAVAILABLE", "This worker has no such engine.")
    failed = await plane.status(job_id, F)
    assert (failed.error_code, failed.error) == ("ENGINE_UNAVAILABLE", "This worker has no such engine.")
    assert failed.attempts == 1


async def test_a_worker_that_refuses_before_the_claim_is_closed_and_its_words_are_kept(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.job.fail("PROTOCOL_MISMATCH: This worker speaks another protocol.")
    failed = await plane.status(job_id, F)
    assert (failed.error_code, failed.error) == ("PROTOCOL_MISMATCH", "This worker speaks another protocol.")
    assert not worker.claim(), "the tombstone bars it from starting late"


async def test_a_worker_that_could_not_reach_the_store_to_claim_is_followed_by_another(plane: Plane) -> None:
    job_id = await plane.submit()
    first = await plane.worker()
    first.job.fail("STORAGE_FAILED: The store did not answer.")
    waiting = await plane.until(job_id, lambda job: job.stage == "retrying")
    assert waiting.status is Q
    assert plane.attempts(job_id)[0].outcome == "STORAGE_FAILED"


async def test_a_dead_holder_is_believed_dead_only_when_its_lease_has_run_out(
    plane: Plane, runpod: RunPodStandIn
) -> None:
    job_id = await plane.submit()
    first = await plane.worker()
    first.claim(lease=0.6)
    await plane.status(job_id, R)
    first.job.forget()
    first_end = asyncio.get_running_loop().time() + 0.4
    second = await plane.worker()
    assert asyncio.get_running_loop().time() >= first_end, "not before the lease was over"
    assert plane.attempts(job_id)[0].outcome == "WORKER_LOST"
    assert not first.succeed(), "the late result of the lost worker decides nothing"
    second.claim()
    second.succeed()
    done = await plane.status(job_id, S)
    assert done.outputs[0]["key"] == f"jobs/{job_id}/2/1/speech.wav"


async def test_a_job_the_platform_forgot_is_finished_from_the_bucket(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    await plane.status(job_id, R)
    worker.succeed()
    worker.job.forget()
    assert (await plane.status(job_id, S)).attempts == 1


async def test_a_canceled_job_that_waits_at_the_endpoint_is_closed_and_taken_back(
    plane: Plane, runpod: RunPodStandIn
) -> None:
    job_id = await plane.submit()
    await plane.until(job_id, lambda job: job.stage == "waiting_for_worker")
    await plane.cancel(job_id)
    await plane.status(job_id, C)
    assert runpod.jobs[0].status == "CANCELLED"
    stored = plane.store.get(claim_key(job_id, 1))
    assert stored is not None
    assert Tombstone.model_validate_json(stored.body).canceled


async def test_a_running_job_is_canceled_only_when_its_worker_has_ended(plane: Plane, runpod: RunPodStandIn) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    await plane.status(job_id, R)
    asked = await plane.cancel(job_id)
    assert (asked.status, asked.stage) == (R, "canceling")
    await plane.until(job_id, lambda _: worker.job.status == "CANCELLED")
    assert plane.job(job_id).status is R, "the worker has not said that it stopped"
    worker.put_result(canceled=True)
    assert (await plane.status(job_id, C)).finished_at is not None


async def test_a_canceled_job_whose_worker_died_ends_with_its_lease(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim(lease=0.4)
    await plane.status(job_id, R)
    await plane.cancel(job_id)
    await plane.status(job_id, C)
    assert not worker.put_result(canceled=True), "the plane has closed it"


async def test_a_job_that_finished_while_it_was_being_canceled_is_canceled_or_done_never_both(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    await plane.status(job_id, R)
    worker.succeed()
    await plane.cancel(job_id)
    ended = await plane.until(job_id, lambda job: job.status.is_terminal)
    assert ended.status is S, "the result was there first, and it was paid for"


async def test_cancel_works_while_the_endpoint_is_out_of_reach(plane: Plane, runpod: RunPodStandIn) -> None:
    job_id = await plane.submit()
    await plane.until(job_id, lambda job: job.stage == "waiting_for_worker")
    runpod.fail_next("status", *[DROPPED_REQUEST] * 50)
    runpod.fail_next("cancel", *[DROPPED_REQUEST] * 50)
    await plane.cancel(job_id)
    await plane.status(job_id, C)
    worker = await plane.worker()
    assert not worker.claim()


async def test_cancel_of_a_submission_nobody_knows_of(plane: Plane, runpod: RunPodStandIn) -> None:
    runpod.fail_next("run", LOST_ANSWER)
    job_id = await plane.submit()
    await plane.until(job_id, lambda job: job.stage == "submit_unknown")
    await plane.cancel(job_id)
    await plane.status(job_id, C)
    worker = await plane.worker()
    assert not worker.claim(), "the accepted one cannot start any more"


async def test_a_job_canceled_before_it_was_sent_never_leaves(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod, in_flight=1) as plane:
        first, second = await plane.submit(), await plane.submit()
        await plane.until(first, lambda job: job.stage == "waiting_for_worker")
        assert (await plane.cancel(second)).status is C
        assert runpod.calls["run"] == 1


async def test_the_more_urgent_job_goes_first_and_no_more_than_allowed_are_out(
    tmp_path: Path, runpod: RunPodStandIn
) -> None:
    async with running_plane(tmp_path, runpod, in_flight=1) as plane:
        first = await plane.submit()
        await plane.until(first, lambda job: job.stage == "waiting_for_worker")
        later, urgent = await plane.submit(), await plane.submit(priority=10)
        worker = await plane.worker()
        assert len(runpod.jobs) == 1
        worker.claim()
        worker.succeed()
        second = await plane.worker()
        assert second.message.job_id == urgent
        assert plane.job(later).stage == "queued"


async def test_a_restart_follows_what_runs_and_pays_for_nothing_twice(tmp_path: Path, runpod: RunPodStandIn) -> None:
    async with running_plane(tmp_path, runpod) as plane:
        job_id = await plane.submit()
        worker = await plane.worker()
        worker.claim()
        await plane.status(job_id, R)
    worker.succeed()
    async with running_plane(tmp_path, runpod) as plane:
        await plane.status(job_id, S)
    assert runpod.calls["run"] == 1


async def test_a_crash_while_the_answer_is_awaited_leaves_it_to_the_claim(
    tmp_path: Path, runpod: RunPodStandIn
) -> None:
    held = runpod.hold_next("run")
    async with running_plane(tmp_path, runpod) as plane:
        job_id = await plane.submit()
        await asyncio.wait_for(held.arrived.wait(), 10)
        await plane.crash()
        assert plane.attempts(job_id)[0].state is AttemptState.PREPARED
        worker = await plane.worker()
        worker.claim()
    held.release()
    async with running_plane(tmp_path, runpod) as plane:
        await plane.status(job_id, R)
        worker.succeed()
        await plane.status(job_id, S)
    assert runpod.calls["run"] == 1


async def test_a_callback_moves_progress_forward_only(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    await plane.status(job_id, R)
    token = worker.message.token
    await plane.dispatcher.heard(token, worker.progress(5, 50))
    await plane.dispatcher.heard(token, worker.progress(3, 30))
    await plane.dispatcher.heard(token, worker.progress(5, 10))
    await plane.dispatcher.heard("not-a-token", worker.progress(9, 90))
    assert plane.job(job_id).progress == 50
    other = worker.progress(8, 80).model_copy(update={"job_id": "another"})
    await plane.dispatcher.heard(token, other)
    assert plane.job(job_id).progress == 50


async def test_a_callback_ends_nothing_but_makes_the_plane_look(tmp_path: Path, runpod: RunPodStandIn) -> None:
    slow = replace(QUICK, look_every=60.0, look_every_with_callbacks=60.0)
    async with running_plane(tmp_path, runpod, limits=slow) as plane:
        job_id = await plane.submit()
        worker = await plane.worker()
        worker.claim()
        await plane.dispatcher.heard(worker.message.token, worker.progress(1, 10))
        await plane.status(job_id, R)
        await plane.dispatcher.heard(worker.message.token, worker.progress(2, 100, "finished"))
        await plane.until(job_id, lambda job: job.progress == 100)
        assert plane.job(job_id).status is R, "saying so is not enough"
        worker.succeed()
        await plane.dispatcher.heard(worker.message.token, None)
        await plane.status(job_id, S)


async def test_while_callbacks_come_the_endpoint_is_not_asked(tmp_path: Path, runpod: RunPodStandIn) -> None:
    talkative = replace(QUICK, look_every_with_callbacks=0.5)
    async with running_plane(tmp_path, runpod, limits=talkative) as plane:
        job_id = await plane.submit()
        worker = await plane.worker()
        worker.claim()
        await plane.status(job_id, R)
        seq = 0
        async with asyncio.timeout(10):
            while plane.world.pace.told == 0:
                seq += 1
                await plane.dispatcher.heard(worker.message.token, worker.progress(seq, 10))
            asked = runpod.calls["status"]
            for later in range(1, 5):
                await plane.dispatcher.heard(worker.message.token, worker.progress(seq + later, 20))
            assert runpod.calls["status"] == asked
            while plane.world.pace.told or runpod.calls["status"] == asked:
                await asyncio.sleep(0.01)  # they have stopped: it is asked again
            worker.succeed()
            await plane.dispatcher.heard(worker.message.token, worker.progress(seq + 5, 100, "finished"))
            await plane.status(job_id, S)


async def test_progress_comes_by_status_where_callbacks_do_not(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    worker.job.progress(worker.progress(1, 33).model_dump())
    seen = await plane.until(job_id, lambda job: job.progress == 33)
    assert (seen.stage, seen.stage_message) == ("rendering", "33 %")


async def test_a_job_no_worker_starts_in_time_is_closed(tmp_path: Path, runpod: RunPodStandIn) -> None:
    impatient = Limits(skew=0.0, look_every=0.03, start_within=0.3, max_attempts=1)
    async with running_plane(tmp_path, runpod, limits=impatient) as plane:
        job_id = await plane.submit()
        failed = await plane.status(job_id, F)
        assert failed.error_code == "NOT_STARTED"
        assert runpod.jobs[0].status == "CANCELLED"


async def test_a_worker_that_claims_while_the_plane_gives_it_up_keeps_its_job(
    tmp_path: Path, runpod: RunPodStandIn, armed: Callable[[Callable[[str], None]], None]
) -> None:
    impatient = Limits(skew=0.0, look_every=0.03, start_within=0.3)
    async with running_plane(tmp_path, runpod, limits=impatient) as plane:
        job_id = await plane.submit()
        worker = await plane.worker()
        armed(lambda point: _claim(worker) if point == "before_tombstone" else None)
        await plane.status(job_id, R)
        assert worker.job.status == "IN_PROGRESS", "nobody told the platform to stop it"
        worker.succeed()
        assert (await plane.status(job_id, S)).attempts == 1


async def test_a_second_worker_under_the_same_id_that_leaves_ends_nothing(plane: Plane, runpod: RunPodStandIn) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    await plane.status(job_id, R)
    worker.job.finish({"claim_lost": True, "holder": worker.job.id})
    looks = runpod.calls["status"] + 3
    await plane.until(job_id, lambda _: runpod.calls["status"] >= looks)
    assert worker.succeed(), "the plane has not given the holder up"
    assert (await plane.status(job_id, S)).attempts == 1


async def test_a_full_disk_only_delays_what_waits(plane: Plane, armed: Callable[[Callable[[str], None]], None]) -> None:
    await plane.table.do(verbs.restart)  # behind the dispatcher's own first write
    commits = iter(["the job", "its attempt", "its attempt again"])

    def disk(point: str) -> None:
        if point == "before_commit" and next(commits, None) == "its attempt":
            raise sqlite3.OperationalError("database or disk is full")

    armed(disk)
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    worker.succeed()
    assert (await plane.status(job_id, S)).attempts == 1


async def test_a_job_reference_reaches_the_worker_as_a_key(plane: Plane) -> None:
    source = await plane.submit()
    worker = await plane.worker()
    worker.claim()
    worker.succeed()
    await plane.status(source, S)
    export = await plane.submit(JobType.EXPORT, {"clips": [{"url": f"job:{source}"}]})
    follower: Worker = await plane.worker()
    assert follower.message.job_id == export
    assert follower.message.params["clips"][0]["url"] == f"storage://jobs/{source}/1/1/speech.wav"


async def test_a_claim_of_an_earlier_life_of_the_database_does_not_hold_the_job_for_ever(plane: Plane) -> None:
    job_id = await plane.submit()
    worker = await plane.worker()
    worker.message = worker.message.model_copy(update={"token": "from-before-the-restore"})
    worker.claim()
    second = await plane.worker()
    assert second.message.attempt == 2
    second.claim()
    second.succeed()
    await plane.status(job_id, S)
    assert plane.store.get(result_key(job_id, 1)) is None
