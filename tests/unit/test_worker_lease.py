"""The worker's side of the bucket rules, on a real store, with a clock in the test's hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gpu_worker.lease import AlreadyDecided, ClaimLost, Lease, LeaseLost, Terms, take
from shared.errors import StorageFailed
from shared.storage.local import LocalStore
from shared.wire import Claim, Result, Tombstone, WorkerInput, claim_key, result_key

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
CLAIM, RESULT = claim_key("j1", 1), result_key("j1", 1)
JOB = WorkerInput(
    job_id="j1",
    attempt=1,
    token="t",
    job_type="TTS",
    params={},
    output_prefix="jobs/j1/1/",
    start_before=NOW,
    deadline_seconds=60,
)
CANCELED = Result(job_id="j1", attempt=1, run=1, canceled=True)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


def terms(
    clock: Clock, runpod_id: str = "rp-1", worker: str = "w1", seconds: float = 180, patience: float = 0
) -> Terms:
    return Terms(runpod_id, worker, seconds, patience, clock)


def stored_claim(store: LocalStore) -> Claim:
    stored = store.get(CLAIM)
    assert stored is not None
    return Claim.model_validate_json(stored.body)


async def test_the_first_worker_claims(store: LocalStore, clock: Clock) -> None:
    lease = await take(store, JOB, terms(clock))
    await lease.check()
    claim = stored_claim(store)
    assert (claim.runpod_job_id, claim.worker_id, claim.run, claim.token) == ("rp-1", "w1", 1, "t")
    assert claim.expires_at == NOW + timedelta(seconds=180)


async def test_another_submission_learns_who_holds_it(store: LocalStore, clock: Clock) -> None:
    await take(store, JOB, terms(clock))
    with pytest.raises(ClaimLost) as lost:
        await take(store, JOB, terms(clock, "rp-2"))
    assert lost.value.holder == "rp-1"


async def test_a_closed_attempt_has_no_holder(store: LocalStore, clock: Clock) -> None:
    store.put_if_absent(CLAIM, Tombstone(token="t", at=NOW).model_dump_json().encode())
    with pytest.raises(ClaimLost) as lost:
        await take(store, JOB, terms(clock))
    assert lost.value.holder is None


async def test_a_platform_rerun_takes_over_and_displaces(store: LocalStore, clock: Clock) -> None:
    first = await take(store, JOB, terms(clock))
    second = await take(store, JOB, terms(clock, worker="w2"))
    assert second.run == 2
    with pytest.raises(LeaseLost):
        await first.check()
    with pytest.raises(LeaseLost):
        await first.decide(CANCELED)
    assert store.get(RESULT) is None
    await second.check()


async def test_a_rerun_obeys_an_outcome(store: LocalStore, clock: Clock) -> None:
    first = await take(store, JOB, terms(clock))
    await first.decide(CANCELED)
    with pytest.raises(AlreadyDecided) as decided:
        await take(store, JOB, terms(clock, worker="w2"))
    assert decided.value.result == CANCELED


class DecidedMeanwhile(LocalStore):
    """The earlier worker puts its outcome just before its claim is replaced."""

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = "application/json") -> str | None:
        self.put_if_absent(RESULT, CANCELED.model_dump_json().encode())
        return super().put_if_match(key, body, etag, content_type)


async def test_a_rerun_obeys_an_outcome_put_while_it_took_over(tmp_path: Path, clock: Clock) -> None:
    store = DecidedMeanwhile(tmp_path / "objects")
    await take(store, JOB, terms(clock))
    with pytest.raises(AlreadyDecided):
        await take(store, JOB, terms(clock, worker="w2"))


async def test_a_rerun_leaves_an_expired_claim_alone(store: LocalStore, clock: Clock) -> None:
    await take(store, JOB, terms(clock))
    clock.now += timedelta(seconds=180)
    with pytest.raises(LeaseLost):
        await take(store, JOB, terms(clock))
    assert stored_claim(store).run == 1


async def test_an_expired_lease_decides_nothing(store: LocalStore, clock: Clock) -> None:
    lease = await take(store, JOB, terms(clock))
    clock.now += timedelta(seconds=170)
    with pytest.raises(LeaseLost):
        await lease.decide(CANCELED)
    assert store.get(RESULT) is None


async def test_the_second_outcome_obeys_the_first(store: LocalStore, clock: Clock) -> None:
    lease = await take(store, JOB, terms(clock))
    store.put_if_absent(RESULT, CANCELED.model_dump_json().encode())
    success = CANCELED.model_copy(update={"canceled": False})
    assert await lease.decide(success) == CANCELED


class LossyStore(LocalStore):
    """Every conditional put does its work, and every other answer is lost."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._lose = False

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/json") -> str | None:
        return self._answer(super().put_if_absent(key, body, content_type))

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = "application/json") -> str | None:
        return self._answer(super().put_if_match(key, body, etag, content_type))

    def _answer(self, etag: str | None) -> str | None:
        self._lose = not self._lose
        if self._lose:
            raise StorageFailed
        return etag


async def test_a_lost_answer_is_not_a_lost_claim(tmp_path: Path, clock: Clock) -> None:
    store = LossyStore(tmp_path / "objects")
    assert (await take(store, JOB, terms(clock, patience=5))).run == 1
    assert (await take(store, JOB, terms(clock, worker="w2", patience=5))).run == 2


def utc_now() -> datetime:
    return datetime.now(UTC)


async def claim_until(store: LocalStore, seconds: float) -> Lease:
    return await take(store, JOB, Terms("rp-1", "w1", seconds, patience=5, clock=utc_now))


async def test_keeping_renews_until_an_outcome_is_there(store: LocalStore) -> None:
    keeping = asyncio.create_task((await claim_until(store, 0.6)).keep())
    first = stored_claim(store).expires_at
    async with asyncio.timeout(10):
        while stored_claim(store).expires_at < first + timedelta(seconds=0.6):
            await asyncio.sleep(0.01)
        store.put_if_absent(RESULT, CANCELED.model_dump_json().encode())
        with pytest.raises(AlreadyDecided):
            await keeping


async def test_keeping_survives_lost_answers(tmp_path: Path) -> None:
    store = LossyStore(tmp_path / "objects")
    keeping = asyncio.create_task((await claim_until(store, 1.5)).keep())
    first = stored_claim(store).expires_at
    async with asyncio.timeout(10):
        while stored_claim(store).expires_at < first + timedelta(seconds=1.5):
            await asyncio.sleep(0.01)
    assert not keeping.done()
    keeping.cancel()


async def test_keeping_ends_when_displaced(store: LocalStore, clock: Clock) -> None:
    keeping = asyncio.create_task((await claim_until(store, 0.3)).keep())
    stored = store.get(CLAIM)
    assert stored is not None
    other = stored_claim(store).model_copy(update={"run": 2})
    assert store.put_if_match(CLAIM, other.model_dump_json().encode(), stored.etag)
    async with asyncio.timeout(10):
        with pytest.raises(LeaseLost):
            await keeping


class FragileStore(LocalStore):
    down = False

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = "application/json") -> str | None:
        if self.down:
            raise StorageFailed
        return super().put_if_match(key, body, etag, content_type)


async def test_keeping_gives_up_before_the_claim_runs_out(tmp_path: Path) -> None:
    store = FragileStore(tmp_path / "objects")
    lease = await claim_until(store, 0.6)
    store.down = True
    with pytest.raises(LeaseLost):
        await lease.keep()
    assert utc_now() < stored_claim(store).expires_at


class SlowStore(LocalStore):
    """Takes a claim at once and answers after `wait`."""

    def __init__(self, root: Path, wait: Callable[[], None]) -> None:
        super().__init__(root)
        self._wait = wait

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/json") -> str | None:
        etag = super().put_if_absent(key, body, content_type)
        self._wait()
        return etag


async def test_a_claim_that_ran_out_before_its_answer_came_is_lost(tmp_path: Path, clock: Clock) -> None:
    def three_minutes() -> None:
        clock.now += timedelta(seconds=180)

    with pytest.raises(LeaseLost):
        await take(SlowStore(tmp_path / "objects", three_minutes), JOB, terms(clock))


async def test_a_claim_whose_answer_came_late_is_renewed_in_time(tmp_path: Path) -> None:
    lease = await claim_until(SlowStore(tmp_path / "objects", lambda: time.sleep(1.4)), 2.0)
    keeping, first = asyncio.create_task(lease.keep()), stored_claim(LocalStore(tmp_path / "objects"))
    async with asyncio.timeout(10):
        while stored_claim(LocalStore(tmp_path / "objects")) == first:
            assert not keeping.done()
            await asyncio.sleep(0.01)
    assert stored_claim(LocalStore(tmp_path / "objects")).claimed_at == first.claimed_at
    keeping.cancel()
