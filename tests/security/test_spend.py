"""Spend is an asset: what a thief, a liar or a flood can do without the owner's key costs nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from tests.integration.served import Served, served
from tests.integration.test_keys import JOB, OWNER, make

CENT_A_SECOND = {"gpu_usd_per_second": 0.01}
FLOOD = 300


async def money(api: Served) -> tuple[float, float]:
    """Spent and reserved today, in US dollars."""
    day = (await api.client.get("/budget", headers=OWNER)).json()["today"]
    return day["spent_usd"], day["reserved_usd"]


async def count(api: Served) -> int:
    """How many jobs there are."""
    return len((await api.client.get("/jobs?limit=200", headers=OWNER)).json())


async def operations(api: Served) -> list[tuple[str, str]]:
    """Every method and path of the description, with a job's id where one is asked for."""
    paths: dict[str, dict[str, Any]] = (await api.client.get("/openapi.json")).json()["paths"]
    return [(method.upper(), path) for path, verbs in paths.items() for method in verbs]


async def test_a_stolen_read_only_key_costs_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret", **CENT_A_SECOND) as api:
        _, thief = await make(api, scopes=["read"])
        job_id = (await api.client.post("/jobs", json=JOB, headers=OWNER)).json()["job_id"]
        await api.worker()
        before, jobs = await money(api), await count(api)
        refused = 0
        for method, path in await operations(api):
            if method == "GET" or path in ("/estimate", "/tickets"):
                continue
            address = path.replace("{job_id}", job_id)
            for body in (JOB, {"clips": [{"url": "https://a.example/v.mp4"}]}):
                answer = await api.client.request(method, address, json=body, headers=thief)
                assert answer.status_code == 403, (method, path, answer.text)
                assert answer.json()["code"] == "SCOPE_MISSING"
                refused += 1
        assert refused >= 20
        assert (await money(api), await count(api)) == (before, jobs)
        assert api.runpod.calls["run"] == 1
        assert api.runpod.calls["cancel"] == 0


async def test_a_thiefs_ticket_opens_nothing_that_spends(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret") as api:
        _, thief = await make(api, scopes=["read"])
        ticket = (await api.client.post("/tickets", headers=thief)).json()["ticket"]
        for method, path in (("POST", "/jobs"), ("GET", "/jobs"), ("GET", "/keys")):
            assert (await api.client.request(method, f"{path}?ticket={ticket}", json=JOB)).status_code == 401
        assert api.runpod.calls["run"] == 0


async def test_a_replayed_callback_changes_and_costs_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, **CENT_A_SECOND) as api:
        job_id = await api.job_id()
        worker = await api.worker()
        worker.claim()
        said = [worker.progress(seq, 10 * seq).model_dump_json() for seq in (1, 2, 3)]
        said.append(worker.progress(4, 100, "finished").model_dump_json())
        callback = f"/callbacks/{worker.message.token}"
        await api.client.post(callback, content=said[0])
        worker.succeed()
        done = await api.get(job_id, Prefer="wait=10")
        assert done["status"] == "SUCCEEDED"
        before = await money(api)
        for body in said * 10:
            assert (await api.client.post(callback, content=body)).status_code == 200
        after = await api.get(job_id)
        assert (after["status"], after["progress"], after["attempts"]) == ("SUCCEEDED", 100, 1)
        assert await money(api) == before
        assert api.runpod.calls["run"] == 1


async def test_a_callback_of_one_attempt_says_nothing_of_another_job(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        mine, others = await api.job_id(), await api.job_id()
        worker = await api.worker()
        worker.claim()
        victim = others if worker.message.job_id == mine else mine
        lie = worker.progress(9, 99, "finished").model_copy(update={"job_id": victim})
        await api.client.post(f"/callbacks/{worker.message.token}", content=lie.model_dump_json())
        for job_id in (mine, others):
            assert (await api.get(job_id))["progress"] < 99


async def test_a_forged_webhook_ends_pays_and_starts_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, **CENT_A_SECOND) as api:
        job_id = await api.job_id()
        worker = await api.worker()
        worker.claim()
        await _until_running(api, job_id)
        before = await money(api)
        token = worker.message.token
        forged = [
            {"id": worker.job.id, "status": status, "output": {"video_url": "https://evil.example/x.mp4"},
             "executionTime": 10**9, "error": "gone"}
            for status in ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
        ]  # fmt: skip
        for body in forged:
            for where in (token, "guessed", "..%2f..%2fjobs"):
                assert (await api.client.post(f"/webhooks/runpod/{where}", json=body)).status_code in (200, 404)
        after = await api.get(job_id)
        assert (after["status"], after["output_urls"], after["attempts"]) == ("RUNNING", [], 1)
        assert await money(api) == before
        assert api.runpod.calls["run"] == 1


async def test_a_flood_of_submits_spends_no_more_than_the_cap(tmp_path: Path) -> None:
    async with served(tmp_path, budget_daily_usd=20.0, max_in_flight=FLOOD, **CENT_A_SECOND) as api:
        worst = (await api.client.post("/estimate", json=JOB)).json()["worst_case_usd"]
        answers = await asyncio.gather(*(api.submit() for _ in range(FLOOD)))
        assert {answer.status_code for answer in answers} == {202}
        await _settled(api)
        spent, reserved = await money(api)
        assert 0 < reserved <= 20.0
        assert spent == 0
        assert api.runpod.calls["run"] == int(20.0 / worst)


async def test_a_flood_under_a_key_is_cut_at_its_limit(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret") as api:
        _, flooder = await make(api, requests_per_minute=10)

        async def submit() -> httpx.Response:
            return await api.client.post("/jobs", json=JOB, headers=flooder)

        answers = [await submit() for _ in range(40)]
        taken = [answer for answer in answers if answer.status_code == 202]
        assert len(taken) == 10
        assert {answer.json()["code"] for answer in answers[10:]} == {"RATE_LIMITED"}
        assert await count(api) == 10


async def _until_running(api: Served, job_id: str) -> None:
    async with asyncio.timeout(10):
        while (await api.get(job_id))["status"] != "RUNNING":
            await asyncio.sleep(0.01)


async def _settled(api: Served) -> None:
    """Wait until every one of the flood was sent or is held back by the money."""
    async with asyncio.timeout(20):
        while (await api.client.get("/budget")).json()["held_jobs"] + api.runpod.calls["run"] < FLOOD:
            await asyncio.sleep(0.05)
