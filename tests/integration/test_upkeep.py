"""What is forgotten, when, and what never is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from uuid6 import uuid7

from control_plane.dispatch import upkeep
from control_plane.dispatch.upkeep import DAY_MS, Retention, Upkeep
from control_plane.jobs import deliveries, queries, verbs
from control_plane.jobs.deliveries import Tried
from control_plane.jobs.records import NewJob, Ref
from control_plane.jobs.table import JobTable
from shared.errors import StorageFailed
from shared.job_types import JobType
from shared.storage.base import ObjectInfo
from shared.storage.directory import StoreDirectory
from shared.storage.local import LocalStore
from shared.wire import claim_key, result_key
from tests.integration.served import served
from tests.standins.careless_s3 import careless_s3

START = 1_800_000_000_000


class BreakingStore(LocalStore):
    """Does not answer while `broken`."""

    broken = False

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        if self.broken:
            raise StorageFailed
        return super().list(prefix)


@dataclass
class House:
    """A table and a store with some history, and a clock to move."""

    table: JobTable
    store: BreakingStore
    now: int = START

    async def tidy(self, **keep: int) -> None:
        await Upkeep(self.table, StoreDirectory(self.store), lambda: self.now, Retention(**keep)).tidy()

    async def submit(self, *inputs: str, webhook_url: str | None = None) -> str:
        new = NewJob(str(uuid7()), JobType.TTS, {}, {}, webhook_url=webhook_url, inputs=inputs)
        await self.table.do(verbs.submit, new, self.now)
        return new.id

    async def attempt(self, job_id: str) -> Ref:
        """A claimed attempt with half a file."""
        opening = verbs.Opening("local", self.store.name, 60.0, self.now + 1)
        attempt = await self.table.do(verbs.open_attempt, job_id, opening, self.now)
        assert attempt is not None
        for key in (claim_key(job_id, attempt.number), f"jobs/{job_id}/{attempt.number}/1/part.mp4"):
            self.store.put_if_absent(key, b"x")
        return attempt.ref

    async def succeeded(self) -> str:
        """A job whose first attempt was lost and whose second made a film."""
        job_id = await self.submit()
        first = await self.attempt(job_id)
        self.store.put_if_absent(result_key(job_id, 1), b"{}")
        await self.table.do(verbs.requeue, first, "WORKER_LOST", "Again", self.now, self.now)
        second = await self.attempt(job_id)
        for key in (result_key(job_id, 2), f"jobs/{job_id}/2/1/film.mp4"):
            self.store.put_if_absent(key, b"x")
        outputs = [{"key": f"jobs/{job_id}/2/1/film.mp4"}]
        await self.table.do(verbs.succeed, second, outputs, {}, self.store.name, self.now)
        return job_id

    async def failed(self, webhook_url: str | None = None) -> str:
        """A job that left a claim, half a file and a result."""
        job_id = await self.submit(webhook_url=webhook_url)
        ref = await self.attempt(job_id)
        self.store.put_if_absent(result_key(job_id, 1), b"{}")
        await self.table.do(verbs.fail, ref, "ENGINE_FAILED", "It broke.", None, self.now)
        return job_id

    def keys(self, job_id: str) -> set[str]:
        """What lies in the store for the job, its own prefix left out."""
        return {found.key.removeprefix(f"jobs/{job_id}/") for found in self.store.list(f"jobs/{job_id}/")}

    def is_there(self, job_id: str) -> bool:
        return self.table.ask(queries.job_by_id, job_id) is not None


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    table = await JobTable.open(tmp_path / "rushes.db")
    yield House(table, BreakingStore(tmp_path / "objects"))
    await table.close()


async def test_old_events_and_deliveries_are_forgotten_and_young_ones_are_not(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 3)
    old = [await house.failed("https://hooks.example/x") for _ in range(4)]
    pending = await house.failed("https://hooks.example/x")
    for job_id in old:
        delivery = next(d for d in house.table.ask(deliveries.newest, 100) if d.job_id == job_id)
        await house.table.do(deliveries.tried, delivery, Tried(200), house.now)
    house.now += 30 * DAY_MS
    last_id = house.table.ask(queries.last_event_id)
    await house.tidy()
    assert house.table.ask(queries.last_event_id) == last_id, "on the day itself everything is still there"
    house.now += 1
    young = await house.failed("https://hooks.example/x")
    await house.tidy()
    assert {event.job_id for event in house.table.ask(queries.events_after, 0, None)} == {young}
    assert {delivery.job_id for delivery in house.table.ask(deliveries.newest, 100)} == {young, pending}
    assert all(house.is_there(job_id) for job_id in old)


async def test_events_go_on_counting_when_all_have_been_forgotten(house: House) -> None:
    await house.submit()
    last_id = house.table.ask(queries.last_event_id)
    house.now += 31 * DAY_MS
    await house.tidy()
    assert house.table.ask(queries.events_after, 0, None) == []
    waiting = asyncio.create_task(house.table.changed(None, 10))
    await asyncio.sleep(0)
    await house.submit()
    assert await waiting, "who follows events still hears of the next one"
    assert house.table.ask(queries.events_after, last_id, None)[0].id > last_id


async def test_a_finished_film_keeps_its_output_and_its_result_and_nothing_else(house: House) -> None:
    film, broken, running = await house.succeeded(), await house.failed(), await house.submit()
    await house.attempt(running)
    before = {job_id: house.keys(job_id) for job_id in (film, broken, running)}
    house.now += 30 * DAY_MS
    await house.tidy()
    assert {job_id: house.keys(job_id) for job_id in before} == before, "a claim may still matter"
    house.now += 1
    await house.tidy()
    assert house.keys(film) == {"2/1/film.mp4", "2/result.json"}
    assert house.keys(broken) == set()
    assert house.keys(running) == before[running], "what has not ended is left alone"
    house.now += 10_000 * DAY_MS
    await house.tidy()
    assert house.keys(film) == {"2/1/film.mp4", "2/result.json"}, "for ever"


async def test_the_claims_of_a_deleted_job_stay_as_long_as_they_matter(house: House) -> None:
    job_id = await house.failed()
    await house.table.do(verbs.delete, job_id)
    await house.tidy()
    assert "claims/1.json" in house.keys(job_id)
    house.now += 30 * DAY_MS + 1
    await house.tidy()
    assert house.keys(job_id) == set()


async def test_outputs_go_only_when_the_owner_says_so_and_nobody_needs_them(house: House) -> None:
    film, needed = await house.succeeded(), await house.succeeded()
    dependent = await house.submit(needed)
    house.now += 7 * DAY_MS + 1
    await house.tidy(output_days=7)
    assert not house.is_there(film)
    assert house.keys(film) == {"claims/1.json", "claims/2.json"}
    assert house.is_there(needed)
    assert "2/1/film.mp4" in house.keys(needed)
    await house.table.do(verbs.request_cancel, dependent, house.now)
    await house.tidy(output_days=7)
    assert not house.is_there(needed)


async def test_a_store_that_does_not_answer_is_swept_later(house: House) -> None:
    job_id = await house.failed()
    house.now += 31 * DAY_MS
    house.store.broken = True
    with pytest.raises(StorageFailed):
        await house.tidy()
    house.store.broken = False
    await house.tidy()
    assert house.keys(job_id) == set()


async def test_a_running_plane_tidies_up_by_itself(tmp_path: Path) -> None:
    table = await JobTable.open(tmp_path / "rushes.db")
    job_id = str(uuid7())
    await table.do(verbs.submit, NewJob(job_id, JobType.TTS, {}, {}), 1)
    await table.do(verbs.request_cancel, job_id, 1)
    await table.close()
    async with served(tmp_path) as api, asyncio.timeout(10):
        while api.app.state.services.table.ask(queries.events_after, 0, job_id):
            await asyncio.sleep(0.01)
        assert (await api.get(job_id))["status"] == "CANCELED"


async def test_health_names_a_bucket_that_cannot_keep_claims_apart(tmp_path: Path) -> None:
    with careless_s3() as url:
        bucket = {"s3_bucket": "b", "s3_endpoint_url": url, "s3_access_key_id": "k", "s3_secret_access_key": "s"}
        async with served(tmp_path, **bucket) as api, asyncio.timeout(10):
            while (health := (await api.client.get("/health")).json())["store_conditional_puts"] is None:
                await asyncio.sleep(0.01)
    assert health["store_conditional_puts"] == {"if_none_match": False, "if_match": False}
    assert health["status"] == "degraded"
    assert "If-None-Match and If-Match" in health["store_message"]
