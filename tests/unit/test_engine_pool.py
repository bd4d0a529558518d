"""The pool's rules, with a device whose memory is counted by hand."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field
from typing import Any

import pytest

from gpu_worker.engines.pool import CREEP_BYTES, RESERVE_BYTES, EnginePool, MemoryExhausted, Recipe

GB = 10**9


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


class Engine:
    """Weighs what it says, for as long as it lives."""

    def __init__(self, device: Device, name: str, gigabytes: int, part: object = None) -> None:
        self.name, self.gigabytes, self.part = name, gigabytes, part
        device.alive.add(self)


@dataclass
class Device:
    """Memory that belongs to the engines alive on it, and what has leaked."""

    gigabytes: int = 24
    leaked: int = 0
    alive: weakref.WeakSet[Engine] = field(default_factory=weakref.WeakSet)

    def total(self) -> int:
        return self.gigabytes * GB + RESERVE_BYTES

    def used(self) -> int:
        return self.leaked + sum(engine.gigabytes * GB for engine in self.alive)

    def peak(self) -> int:
        return self.used()

    def restart(self) -> None:
        pass

    def release(self) -> None:
        gc.collect()


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def pool(device: Device) -> EnginePool:
    return EnginePool(device)


def recipe(device: Device, name: str, gigabytes: int = 10, cheap_gigabytes: int = 2) -> Recipe[Engine]:
    return Recipe(name, lambda cheap: Engine(device, name, cheap_gigabytes if cheap else gigabytes), gigabytes * GB)


def use(pool: EnginePool, what: Recipe[Engine]) -> None:
    with pool.hold(what):
        pass


def test_an_engine_is_loaded_once(device: Device, pool: EnginePool) -> None:
    with pool.hold(recipe(device, "a")) as first:
        pass
    with pool.hold(recipe(device, "a")) as again:
        assert again is first


def test_the_least_recently_used_makes_room(device: Device, pool: EnginePool) -> None:
    for name in ("a", "b", "a", "c"):
        use(pool, recipe(device, name))
    assert pool.resident() == ["a", "c"]
    assert device.used() == 20 * GB


def test_an_engine_in_use_stays(device: Device, pool: EnginePool) -> None:
    use(pool, recipe(device, "b"))
    with pool.hold(recipe(device, "a")) as held:
        use(pool, recipe(device, "c"))
        assert pool.resident() == ["a", "c"]
        use(pool, recipe(device, "large", 24))
        assert "a" in pool.resident()
        assert held.name == "a"


def test_out_of_memory_is_tried_once_more_alone_and_cheaply(device: Device, pool: EnginePool) -> None:
    use(pool, recipe(device, "idle"))
    tries: list[tuple[int, list[Any]]] = []

    def work(engine: Engine) -> str:
        tries.append((engine.gigabytes, pool.resident()))
        if len(tries) == 1:
            raise OutOfMemoryError("CUDA out of memory")
        return "done"

    assert pool.run(recipe(device, "a"), work) == "done"
    assert tries == [(10, ["idle", "a"]), (2, ["a"])]
    assert pool.is_cheap("a")
    assert device.used() == 2 * GB


@pytest.mark.parametrize("where", ["in the work", "in loading"])
def test_out_of_memory_twice_is_an_error_that_asks_for_a_fresh_worker(
    device: Device, pool: EnginePool, where: str
) -> None:
    def fail(_: object) -> Engine:
        raise OutOfMemoryError("CUDA out of memory")

    what = recipe(device, "a") if where == "in the work" else Recipe("a", fail, 0)
    with pytest.raises(MemoryExhausted) as exhausted:
        pool.run(what, fail)
    assert exhausted.value.refresh_worker
    assert (exhausted.value.code_now, exhausted.value.retryable_now) == ("OUT_OF_MEMORY", True)
    assert pool.resident() == []
    del exhausted
    gc.collect()
    assert device.used() == 0


def test_another_failure_is_not_tried_again(device: Device, pool: EnginePool) -> None:
    def fail(_: Engine) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        pool.run(recipe(device, "a"), fail)
    assert not pool.is_cheap("a")
    use(pool, recipe(device, "large", 24))
    assert pool.resident() == ["large"]


def test_a_part_is_shared_for_as_long_as_somebody_keeps_it(device: Device, pool: EnginePool) -> None:
    def with_part(name: str) -> Recipe[Engine]:
        def load(_: bool) -> Engine:
            part = pool.shared("text", lambda: Engine(device, "text", 9))
            return Engine(device, name, 5, part)

        return Recipe(name, load, 5 * GB)

    for name in ("t2v", "i2v"):
        use(pool, with_part(name))
    assert device.used() == 19 * GB
    with pool.hold(with_part("i2v")):
        pool.evict_idle()
        assert device.used() == 14 * GB
        assert list(pool.known_parts({"text_encoder": "text", "vae": "vae"})) == ["text_encoder"]
    pool.evict_idle()
    assert device.used() == 0
    assert pool.known_parts({"text_encoder": "text"}) == {}


def test_memory_that_creeps_is_seen(device: Device, pool: EnginePool) -> None:
    use(pool, recipe(device, "a"))
    assert not pool.has_crept()
    use(pool, recipe(device, "b"))
    assert not pool.has_crept()
    device.leaked = CREEP_BYTES + 1
    assert pool.has_crept()
