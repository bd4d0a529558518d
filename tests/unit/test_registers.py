"""Races for one key on a store that ignores conditions: in virtual time with every delay it may have, and for real."""

from __future__ import annotations

import asyncio
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from shared.errors import StorageFailed
from shared.storage.base import ObjectStore, StoredObject
from shared.storage.local import LocalStore
from shared.storage.registers import TimedRegisters, open_registers
from shared.storage.s3 import S3Store
from shared.wire import Tombstone, claim_key
from tests.standins.careless_s3 import careless_s3
from tests.standins.virtual_time import VirtualTimeLoop, run

KEY = "jobs/j/claims/1.json"
SETTLE = 12.0
SEEDS = 600
CALL, LATE = SETTLE / 4, SETTLE / 2
"""What a call may take, and how much later a put may take effect whose sender has given up."""


def body(name: str) -> bytes:
    return json.dumps({"name": name}).encode()


def name(found: StoredObject | None) -> str | None:
    return json.loads(found.body)["name"] if found else None


def _race_for(stores: list[ObjectStore], settle: list[float | None]) -> list[int]:
    """Who won, of as many threads as there are stores, each with a loop and a delay of its own."""
    delays = random.Random(len(stores))

    async def contend(number: int, delay: float) -> bool:
        await asyncio.sleep(delay)
        tombstone = Tombstone(token="t", at=datetime(2026, 1, 1, tzinfo=UTC)).model_dump_json().encode()
        registers = open_registers(stores[number], settle[number])
        return await registers.put_if_absent(claim_key("j", 1), tombstone) is not None

    with ThreadPoolExecutor(len(stores)) as pool:
        running = [pool.submit(asyncio.run, contend(number, delays.uniform(0, 0.1))) for number in range(len(stores))]
        return [number for number, racer in enumerate(running) if racer.result()]


class LateStore:
    """One process's memory, without any condition; a put takes effect when the network likes, heard of or not."""

    name = "late"

    def __init__(self, chance: random.Random, trouble: float) -> None:
        self.objects: dict[str, bytes] = {}
        self._chance = chance
        self._trouble = trouble

    def with_timeout(self, seconds: float) -> LateStore:
        assert seconds == CALL
        return self

    def get(self, key: str) -> StoredObject | None:
        found = self.objects.get(key)
        self._hear(0.0)
        return StoredObject(found, str(hash(found))) if found else None

    def put_if_absent(self, key: str, body: bytes) -> str:
        lost = self._chance.random() < self._trouble / 2
        effect = self._between(0, CALL + LATE) if lost else self._between(0, CALL)
        if not lost or self._chance.random() < 0.8:
            _loop().call_later(effect, self.objects.__setitem__, key, body)
        self._hear(CALL if lost else effect, lost=lost)
        return "unseen"

    def put_if_match(self, key: str, body: bytes, etag: str) -> str:
        del etag
        return self.put_if_absent(key, body)

    def _hear(self, at_least: float, *, lost: bool = False) -> None:
        lost = lost or self._chance.random() < self._trouble / 10
        _loop().heard = (self._between(at_least, CALL), StorageFailed() if lost else None)

    def _between(self, least: float, most: float) -> float:
        """Mostly soon; in trouble anything that may be."""
        return self._chance.uniform(least, most if self._chance.random() < self._trouble else min(least + 0.3, most))


def _loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


async def _no_wait(seconds: float) -> None:
    del seconds


@dataclass
class Race:
    """Contenders that may be killed on the way, and onlookers that act upon what they see for good."""

    seed: int
    trouble: float = 0.5
    waits: bool = True
    replacing: bool = False
    winners: list[str] = field(default_factory=list)
    seen: set[str | None] = field(default_factory=set)
    stands: str | None = None

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._store = LateStore(self._chance, self.trouble)
        if self.replacing:
            self._store.objects[KEY] = body("earlier")
        run(self._run(), lambda: self._chance.uniform(0, 2 * CALL if self._chance.random() < self.trouble / 5 else 0.1))

    async def _run(self) -> None:
        earlier = self._store.get(KEY)
        contenders = [self._contend(f"contender {n}", earlier) for n in range(self._chance.randint(2, 6))]
        await asyncio.gather(*contenders, *(self._look() for _ in range(3)))
        await asyncio.sleep(SETTLE)
        self.stands = name(self._store.get(KEY))

    def _registers(self) -> TimedRegisters:
        sleep = {} if self.waits else {"sleep": _no_wait}
        return TimedRegisters(self._store, SETTLE, clock=_loop().time, **sleep)  # type: ignore[arg-type] # all it uses

    async def _contend(self, who: str, earlier: StoredObject | None) -> None:
        await asyncio.sleep(self._chance.uniform(0, SETTLE))
        lives = self._chance.uniform(0, 2 * SETTLE) if self._chance.random() < self.trouble / 4 else 1000
        with suppress(TimeoutError):
            async with asyncio.timeout(lives):
                await self._insist(self._registers(), who, earlier)

    async def _insist(self, registers: TimedRegisters, who: str, earlier: StoredObject | None) -> None:
        for _ in range(4):
            with suppress(StorageFailed):
                if earlier:
                    won = await registers.put_if_match(KEY, body(who), earlier.etag)
                else:
                    won = await registers.put_if_absent(KEY, body(who))
                self.winners += [who] if won else []
                return
            await asyncio.sleep(0.5)

    async def _look(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, 3 * SETTLE))
        with suppress(StorageFailed):
            self.seen.add(name(await self._registers().settled(KEY)))


@pytest.mark.parametrize("replacing", [False, True])
def test_of_any_number_at_most_one_wins_whatever_the_store_does(replacing: bool) -> None:
    races = [Race(seed, seed % 10 / 10, replacing=replacing) for seed in range(SEEDS)]
    for race in races:
        assert len(race.winners) <= 1, race
        assert not race.winners or race.stands == race.winners[0], race
        assert race.seen <= {None, "earlier", race.stands}, race
    assert sum(len(race.winners) for race in races) > SEEDS / 2


@pytest.mark.parametrize("replacing", [False, True])
def test_somebody_wins_where_nothing_is_lost_or_late(replacing: bool) -> None:
    for seed in range(100):
        race = Race(seed, trouble=0, replacing=replacing)
        assert [race.stands] == race.winners


@pytest.mark.parametrize("replacing", [False, True])
def test_without_the_wait_several_win_and_these_races_show_it(replacing: bool) -> None:
    races = [Race(seed, waits=False, replacing=replacing) for seed in range(100)]
    assert any(len(race.winners) > 1 for race in races)
    assert any(race.seen - {None, "earlier", race.stands} for race in races)


def test_of_real_threads_on_a_real_server_one_wins_with_the_very_same_message() -> None:
    delays = random.Random(1)
    with careless_s3(before_put=lambda: time.sleep(delays.uniform(0, 0.1))) as url:
        store = S3Store("bucket", url, "auto", "key", "secret")
        won = _race_for([store] * 8, [4.0] * 8)
        assert len(won) == 1
        stands = store.get(claim_key("j", 1))
        assert stands
        assert Tombstone.model_validate_json(stands.body).token == "t"
        assert len(_race_for([store] * 3, [None] * 3)) == 3, "with conditions alone everybody believes to have won"


def test_who_still_trusts_the_conditions_of_a_store_that_enforces_them_loses_to_nobody(tmp_path: Path) -> None:
    winners = [_race_for([LocalStore(tmp_path / str(round_))] * 4, [1.0, None, 1.0, None]) for round_ in range(3)]
    assert all(len(won) == 1 for won in winners), winners


def test_a_hurried_bucket_is_asked_once_and_given_up() -> None:
    held, asked = Event(), []
    with careless_s3(before_put=lambda: asked.append(held.wait(20))) as url:
        hurried = S3Store("bucket", url, "auto", "key", "secret").with_timeout(1)
        with pytest.raises(StorageFailed, match="did not answer"):
            hurried.put_if_absent(KEY, b"{}")
        held.set()
    assert len(asked) == 1
