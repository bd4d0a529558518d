"""The built-in endpoint beyond what both endpoints share: RunPod's limits, and what the SDK's loop needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from control_plane.endpoints.local.gateway import Gateway
from control_plane.endpoints.local.jobs import LocalJob
from control_plane.endpoints.local.queue import MAX_RUNS, RETENTION, STOP_GRACE, STOP_REPEAT, SYNC_RETENTION, JobQueue
from control_plane.endpoints.local.supervisor import sdk_environment
from control_plane.endpoints.local.webhooks import WebhookSender
from tests.standins.scripted_worker import ScriptedWorker
from tests.standins.webhook_receiver import WebhookReceiver

MEGABYTE = 1_000_000


class StoppedClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Rig:
    """A gateway on a real port, a client with its key, workers by hand, and a clock that stands still."""

    def __init__(self) -> None:
        self.clock = StoppedClock()
        self.finished: list[LocalJob] = []
        self.queue = JobQueue(self.clock, self.finished.append)
        self.gateway = Gateway(self.queue, dict)
        self.client = httpx.AsyncClient(
            base_url=self.gateway.base_url,
            headers={"Authorization": f"Bearer {self.gateway.client_key}"},
            trust_env=False,
            timeout=30,
        )
        self._workers: list[ScriptedWorker] = []

    def worker(self, worker_id: str) -> ScriptedWorker:
        self.queue.add_worker(worker_id)
        self._workers.append(ScriptedWorker(sdk_environment(self.gateway.base_url, worker_id, self.gateway.worker_key)))
        return self._workers[-1]

    async def run(self, **more: Any) -> str:
        answer = await self.client.post("/run", json={"input": {"n": 1}, **more})
        assert (answer.status_code, answer.json()["status"]) == (200, "IN_QUEUE")
        job_id: str = answer.json()["id"]
        return job_id

    async def status(self, job_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/status/{job_id}")
        return answer.json() if answer.status_code == 200 else {"status": answer.status_code}

    async def aclose(self) -> None:
        self.gateway.end_polls()
        for worker in self._workers:
            await worker.aclose()
        await self.client.aclose()
        await self.gateway.aclose()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.aclose()


class TestClientSide:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b'{"input": {"x": NaN}}',
            b"[" * 100_000,
            b"[]",
            b'{"policy": {}}',
            b'{"input": "text"}',
            b'{"input": {}, "webhook": "ftp://x"}',
            b'{"input": {}, "policy": {"ttl": true}}',
            b'{"input": {}, "policy": {"ttl": "60000"}}',
            b'{"input": {"n": ' + b"9" * 5000 + b"}}",
        ],
        ids=lambda body: body[:40].decode(),
    )
    async def test_a_bad_body_is_400_in_words(self, rig: Rig, body: bytes) -> None:
        answer = await rig.client.post("/run", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]
        assert (await rig.client.get("/health")).json()["jobs"]["inQueue"] == 0

    async def test_a_body_over_10_mb_is_refused(self, rig: Rig) -> None:
        answer = await rig.client.post("/run", json={"input": {"blob": "x" * (10 * MEGABYTE)}})
        assert answer.status_code == 413
        answer = await rig.client.post("/run", json={"input": {"blob": "x" * (9 * MEGABYTE)}})
        assert answer.status_code == 200

    async def test_unknown_keys_beside_input_are_dropped(self, rig: Rig) -> None:
        await rig.run(s3Config={"accessId": "secret"}, priority=3, policy={"lowPriority": True})
        job = await rig.worker("w1").take()
        assert set(job) == {"id", "input"}

    async def test_each_side_has_its_own_key(self, rig: Rig) -> None:
        keys = (rig.gateway.client_key, rig.gateway.worker_key)
        rig.queue.add_worker("w1")
        for path, right in (("/health", keys[0]), ("/ping/w1", keys[1])):
            for given in (*keys, "Bearer", "é"):
                for header in (given.encode(), b"Bearer " + given.encode()):
                    answer = await rig.client.get(path, headers={b"Authorization": header})
                    assert answer.status_code == (200 if given == right else 401)

    async def test_another_endpoints_id_is_404(self, rig: Rig) -> None:
        answer = await rig.client.get(rig.gateway.base_url.replace("/v2/local", "/v2/other") + "/health")
        assert answer.status_code == 404

    async def test_results_are_forgotten_after_their_retention(self, rig: Rig) -> None:
        job_id = await rig.run()
        worker = rig.worker("w1")
        await worker.take()
        await worker.done(job_id, {"output": 1})
        rig.clock.now += RETENTION - 1
        assert (await rig.status(job_id))["output"] == 1
        rig.clock.now += 1
        assert (await rig.status(job_id))["status"] == 404

    async def test_time_to_live_counts_from_submission_whatever_the_state(self, rig: Rig) -> None:
        waiting, running = [await rig.run(policy={"ttl": 10_000 + n * 20_000}) for n in range(2)]
        rig.clock.now += 10
        worker = rig.worker("w1")
        assert (await worker.take())["id"] == running
        assert (await rig.status(waiting))["status"] == 404
        rig.clock.now += 20
        assert (await rig.status(running))["status"] == 404
        assert await worker.stops() == [running]
        assert await worker.done(running, {"output": 1}) == 404

    async def test_times_are_milliseconds_of_waiting_and_running(self, rig: Rig) -> None:
        job_id = await rig.run()
        rig.clock.now += 2.5
        worker = rig.worker("w1")
        await worker.take()
        rig.clock.now += 1.25
        assert (await rig.status(job_id))["executionTime"] == 1250
        await worker.done(job_id, {"output": None})
        rig.clock.now += 9
        expected = {"delayTime": 2500, "executionTime": 1250, "workerId": "w1", "output": None}
        assert await rig.status(job_id) == {"id": job_id, "status": "COMPLETED", **expected}

    async def test_runsync_answers_with_the_result(self, rig: Rig) -> None:
        asking = asyncio.create_task(rig.client.post("/runsync", json={"input": {}}))
        worker = rig.worker("w1")
        job = await worker.take()
        await worker.done(job["id"], {"output": {"n": 2}})
        answer = (await asking).json()
        assert job["id"].startswith("sync-")
        assert (answer["status"], answer["output"]) == ("COMPLETED", {"n": 2})
        rig.clock.now += SYNC_RETENTION
        assert (await rig.status(job["id"]))["status"] == 404
        assert (await rig.client.post("/runsync?wait=10", json={"input": {}})).status_code == 400

    async def test_stream_is_drained_on_read(self, rig: Rig) -> None:
        job_id = await rig.run()
        worker = rig.worker("w1")
        await worker.take()
        for chunk in ("a", "b"):
            assert await worker.stream(job_id, chunk) == 200
        expected = {"status": "IN_PROGRESS", "stream": [{"output": "a"}, {"output": "b"}]}
        assert (await rig.client.get(f"/stream/{job_id}")).json() == expected
        assert (await rig.client.get(f"/stream/{job_id}")).json()["stream"] == []

    async def test_retry_runs_a_failed_job_again_under_its_id(self, rig: Rig) -> None:
        job_id = await rig.run()
        worker = rig.worker("w1")
        await worker.take()
        assert (await rig.client.post(f"/retry/{job_id}")).status_code == 400
        await worker.done(job_id, {"error": "broken", "output": {"partial": 1}})
        assert (await rig.status(job_id))["output"] == {"partial": 1}
        answer = await rig.client.post(f"/retry/{job_id}")
        assert answer.json() == {"id": job_id, "status": "IN_QUEUE"}
        assert set(await rig.status(job_id)) == {"id", "status"}
        assert await worker.take() == {"id": job_id, "input": {"n": 1}}

    async def test_purge_forgets_only_what_waits(self, rig: Rig) -> None:
        running, *waiting = [await rig.run() for _ in range(3)]
        worker = rig.worker("w1")
        await worker.take()
        assert (await rig.client.post("/purge-queue")).json() == {"removed": 2, "status": "completed"}
        assert [(await rig.status(job_id))["status"] for job_id in waiting] == [404, 404]
        assert (await rig.status(running))["status"] == "IN_PROGRESS"


class TestWorkerSide:
    async def test_a_take_is_held_open_until_there_is_a_job(self, rig: Rig) -> None:
        taking = asyncio.create_task(rig.worker("w1").take())
        await rig.client.get("/health")
        assert not taking.done()
        job_id = await rig.run()
        assert (await taking)["id"] == job_id

    async def test_every_poll_ends_when_we_end(self, rig: Rig) -> None:
        worker = rig.worker("w1")
        polls = [asyncio.create_task(worker.poll()) for _ in range(2)]
        while not rig.queue.has_polled("w1"):
            await asyncio.sleep(0.001)
        rig.gateway.end_polls()
        assert [(await poll).status_code for poll in polls] == [204, 204]
        assert (await worker.poll()).status_code == 204

    async def test_a_worker_that_is_dead_to_us_gets_429_and_no_job(self, rig: Rig) -> None:
        worker = rig.worker("w1")
        polling = asyncio.create_task(worker.poll())
        while not rig.queue.has_polled("w1"):
            await asyncio.sleep(0.001)
        rig.queue.remove_worker("w1")
        job_id = await rig.run()
        assert (await polling).status_code == 429
        assert (await worker.poll()).status_code == 429
        assert (await rig.status(job_id))["status"] == "IN_QUEUE"

    async def test_a_poll_nobody_listens_to_takes_no_job(self, rig: Rig) -> None:
        worker = rig.worker("w1")
        polling = asyncio.create_task(worker.poll())
        while not rig.queue.has_polled("w1"):
            await asyncio.sleep(0.001)
        polling.cancel()
        await asyncio.wait([polling])
        await rig.client.get("/health")
        job_id = await rig.run()
        assert (await rig.status(job_id))["status"] == "IN_QUEUE"

    async def test_a_batch_takes_several(self, rig: Rig) -> None:
        ids = [await rig.run() for _ in range(3)]
        assert [job["id"] for job in await rig.worker("w1").take_batch(2)] == ids[:2]

    async def test_a_stop_is_told_again_until_the_job_is_given_back(self, rig: Rig) -> None:
        job_id = await rig.run()
        worker = rig.worker("w1")
        await worker.take()
        waiting = asyncio.create_task(worker.stops())
        await rig.client.post(f"/cancel/{job_id}")
        assert await waiting == [job_id]
        waiting = asyncio.create_task(worker.stops())
        await rig.client.get("/health")
        assert not waiting.done()
        rig.clock.now += STOP_REPEAT
        rig.queue.pass_time()
        assert await waiting == [job_id]
        await worker.done(job_id, {"output": 1})
        rig.clock.now += STOP_GRACE
        assert rig.queue.stops("w1") == []
        assert rig.queue.overdue() == []

    async def test_a_canceled_handler_gives_its_job_back_by_taking_the_next(self, rig: Rig) -> None:
        first, second = [await rig.run() for _ in range(2)]
        worker = rig.worker("w1")
        await worker.take()
        await rig.client.post(f"/cancel/{first}")
        assert (await worker.take())["id"] == second
        rig.clock.now += STOP_GRACE
        assert rig.queue.overdue() == []
        assert (await rig.status(first))["status"] == "CANCELLED"

    async def test_a_worker_that_keeps_a_canceled_job_is_overdue(self, rig: Rig) -> None:
        job_id = await rig.run()
        await rig.worker("w1").take()
        await rig.client.post(f"/cancel/{job_id}")
        assert rig.queue.overdue() == []
        rig.clock.now += STOP_GRACE
        assert rig.queue.overdue() == ["w1"]

    async def test_an_overrun_job_times_out_and_its_worker_is_overdue_at_once(self, rig: Rig) -> None:
        job_id = await rig.run(policy={"executionTimeout": 5_000})
        await rig.worker("w1").take()
        rig.clock.now += 5
        rig.queue.pass_time()
        assert rig.queue.overdue() == []
        rig.clock.now += 0.01
        rig.queue.pass_time()
        assert rig.queue.overdue() == ["w1"]
        assert (await rig.status(job_id))["status"] == "TIMED_OUT"

    async def test_a_job_retried_elsewhere_survives_the_death_of_its_first_worker(self, rig: Rig) -> None:
        job_id = await rig.run(policy={"executionTimeout": 5_000})
        await rig.worker("w1").take()
        rig.clock.now += 6
        await rig.client.post(f"/retry/{job_id}")
        second = rig.worker("w2")
        await second.take()
        rig.queue.remove_worker("w1")
        assert (await rig.status(job_id))["workerId"] == "w2"

    async def test_a_worker_that_asks_for_it_is_replaced(self, rig: Rig) -> None:
        job_id = await rig.run()
        worker = rig.worker("w1")
        await worker.take()
        await worker.done(job_id, {"error": "CUDA: out of memory", "stopPod": True})
        assert rig.queue.overdue() == ["w1"]
        await rig.run()
        assert rig.queue.take("w1") == []

    async def test_a_lost_worker_s_job_is_first_in_line_again(self, rig: Rig) -> None:
        first, second = [await rig.run() for _ in range(2)]
        await rig.worker("w1").take()
        rig.queue.remove_worker("w1")
        assert await rig.status(first) == {"id": first, "status": "IN_QUEUE", "retries": 1}
        assert (await rig.worker("w2").take())["id"] == first
        assert (await rig.client.get("/health")).json()["jobs"]["retried"] == 1
        assert (await rig.status(second))["status"] == "IN_QUEUE"

    async def test_a_job_that_keeps_losing_workers_fails(self, rig: Rig) -> None:
        job_id = await rig.run()
        for n in range(MAX_RUNS):
            assert (await rig.worker(f"w{n}").take())["id"] == job_id
            rig.queue.remove_worker(f"w{n}")
        job = await rig.status(job_id)
        assert (job["status"], job["retries"]) == ("FAILED", MAX_RUNS - 1)
        assert job["error"] == "The worker was lost 3 times."

    async def test_a_job_lost_on_the_way_to_its_worker_runs_again(self, rig: Rig) -> None:
        job_id = await rig.run()
        worker = rig.worker("w1")
        await worker.take()
        assert (await worker.take())["id"] == job_id
        assert (await rig.status(job_id))["retries"] == 1

    async def test_only_its_worker_speaks_for_a_job(self, rig: Rig) -> None:
        job_id = await rig.run()
        first = rig.worker("w1")
        await first.take()
        rig.queue.remove_worker("w1")
        second = rig.worker("w2")
        await second.take()
        assert await first.progress(job_id, {"seq": 99}) == 200
        assert await first.done(job_id, {"output": "stale"}) == 200
        assert "output" not in await rig.status(job_id)
        await second.done(job_id, {"output": "fresh"})
        assert await first.progress(job_id, {"seq": 100}) == 200
        assert (await rig.status(job_id))["output"] == "fresh"
        assert await second.done("unknown", {"output": 1}) == 404

    @pytest.mark.parametrize(
        ("body", "status"),
        [(b'{"output": NaN}', 400), (b"output=1", 400), (b'"' + b"x" * (20 * MEGABYTE) + b'"', 413)],
        ids=["NaN", "form", "21 MB"],
    )
    async def test_a_result_that_cannot_be_kept_fails_the_job(self, rig: Rig, body: bytes, status: int) -> None:
        job_id = await rig.run()
        worker = rig.worker("w1")
        await worker.take()
        assert await worker.done(job_id, body) == status
        job = await rig.status(job_id)
        assert job["status"] == "FAILED"
        assert job["error"].startswith("The worker's result was refused.")

    async def test_a_torn_character_in_a_result_breaks_no_answer(self, rig: Rig) -> None:
        job_id = await rig.run()
        worker = rig.worker("w1")
        await worker.take()
        await worker.done(job_id, json.dumps({"output": "\ud83c"}).encode())
        assert (await rig.status(job_id))["output"] == "\ud83c"

    async def test_a_ping_is_answered(self, rig: Rig) -> None:
        assert await rig.worker("w1").ping(job_id="a,b", runpod_version="1.12.0") == 200


@pytest.mark.parametrize(
    ("codes", "deliveries"), [((200,), 1), ((500, 200), 2), ((204, 302, 404), 3)], ids=["taken", "second", "never"]
)
async def test_a_webhook_is_sent_until_it_is_taken_three_times_at_most(codes: tuple[int, ...], deliveries: int) -> None:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    async with WebhookReceiver(*codes) as receiver:
        sender = WebhookSender(nap)
        await sender.send(receiver.url, {"id": "j1", "status": "COMPLETED"})
        await sender.aclose()
    assert receiver.bodies == [{"id": "j1", "status": "COMPLETED"}] * deliveries
    assert naps == [10.0] * (deliveries - 1)
