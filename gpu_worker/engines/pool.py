"""Engines that stay loaded between jobs, within one budget of device memory. One process, one pool.

An engine in use is never evicted; of the others the least recently used goes first. Parts that several engines have
in common are loaded once: whoever comes second gets the same object, and it lives for as long as one of them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from gpu_worker.engines.device import Memory, is_out_of_memory, memory_of
from shared.errors import OutOfMemory

RESERVE_BYTES = 10**9
"""Of the device, left to the driver and to what the allocator cannot use."""
CREEP_BYTES = 2 * 10**9
T = TypeVar("T")
R = TypeVar("R")
_log = logging.getLogger(__name__)


class MemoryExhausted(OutOfMemory):
    """The device ran out of memory, even with everything else put away and in the cheaper way."""

    refresh_worker = True


@dataclass
class _Resident:
    engine: Any
    users: int = 0
    cheap: bool = False
    loaded_in: float = 0.0


@dataclass(frozen=True)
class Recipe(Generic[T]):
    """How to load an engine. `bytes_needed` is its peak, weights included.

    `load` is told whether to be cheap: slower, in less memory. `unload` undoes what keeps it alive beyond its refs.
    """

    key: Hashable
    load: Callable[[bool], T]
    bytes_needed: int = 0
    unload: Callable[[T], None] = lambda _engine: None


@dataclass
class EnginePool:
    """The engines of this process. Safe for use from several threads; `memory` is measured, not guessed."""

    memory: Memory
    clock: Callable[[], float] = time.monotonic
    _resident: OrderedDict[Hashable, tuple[Recipe[Any], _Resident]] = field(default_factory=OrderedDict)
    _parts: WeakValueDictionary[Hashable, Any] = field(default_factory=WeakValueDictionary)
    _settled: dict[frozenset[Hashable], int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @contextlib.contextmanager
    def hold(self, recipe: Recipe[T]) -> Iterator[T]:
        """The engine, loaded if it has to be and locked against eviction for the length of the block."""
        with self._lock:
            resident = self._take(recipe, cheap=False)
            resident.users += 1
        try:
            yield resident.engine
        finally:
            with self._lock:
                resident.users -= 1

    def run(self, recipe: Recipe[T], work: Callable[[T], R]) -> R:
        """Do `work` with the engine. Out of memory: everything idle goes, the engine is loaded the cheap way, and
        the work is done once more; then MemoryExhausted.
        """
        try:
            return self._attempt(recipe, work)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            _log.warning("Out of memory with %s: once more in the cheaper way.", recipe.key)
        # Outside the except block: the error's traceback would keep the tensors of the failed call alive.
        try:
            self._make_cheap(recipe)
            return self._attempt(recipe, work)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        self.evict_idle()
        raise MemoryExhausted("The GPU of this worker is too small for this job, even with off-loading.")

    def shared(self, key: Hashable, load: Callable[[], T]) -> T:
        """A part that engines have in common, such as a text encoder. It must be an object that can be weakly
        referred to.
        """
        with self._lock:
            part = self._parts.get(key)
            if part is None:
                part = self._parts[key] = load()
            found: T = part
            return found

    def known_parts(self, keys: Mapping[str, Hashable]) -> dict[str, Any]:
        """Those of the named parts that some engine has loaded already."""
        with self._lock:
            return {name: part for name, key in keys.items() if (part := self._parts.get(key)) is not None}

    def offer(self, key: Hashable, part: Any) -> None:  # noqa: ANN401 - any engine's part
        """Let later engines have this part too, for as long as somebody keeps it."""
        with self._lock:
            self._parts.setdefault(key, part)

    def is_cheap(self, key: Hashable) -> bool:
        """Whether the engine runs the cheaper way since it ran out of memory."""
        with self._lock:
            return key in self._resident and self._resident[key][1].cheap

    def loaded_in(self, key: Hashable) -> float:
        """Seconds that loading the engine took."""
        with self._lock:
            return self._resident[key][1].loaded_in if key in self._resident else 0.0

    def resident(self) -> list[Hashable]:
        """The loaded engines, the least recently used first."""
        with self._lock:
            return list(self._resident)

    def evict_idle(self) -> None:
        """Unload every engine that nobody uses."""
        with self._lock:
            for key in [key for key, (_, resident) in self._resident.items() if not resident.users]:
                self._evict(key)
            self.memory.release()

    def has_crept(self) -> bool:
        """Whether, with the same engines loaded as at some earlier time, much more memory is taken now.

        Asked after each job, with nothing in use: the first answer for a set of engines is what others are held
        against. A leak that no eviction mends is a reason to begin anew in a fresh process.
        """
        with self._lock:
            self.memory.release()
            used = self.memory.used()
            least = self._settled.setdefault(frozenset(self._resident), used)
            return used - least > CREEP_BYTES

    def _attempt(self, recipe: Recipe[T], work: Callable[[T], R]) -> R:
        with self.hold(recipe) as engine:
            return work(engine)

    def _take(self, recipe: Recipe[Any], *, cheap: bool) -> _Resident:
        found = self._resident.get(recipe.key)
        if found is None:
            self._make_room(recipe.bytes_needed)
            started = self.clock()
            resident = _Resident(recipe.load(cheap), cheap=cheap)
            resident.loaded_in = self.clock() - started
            self._resident[recipe.key] = (recipe, resident)
        else:
            resident = found[1]
        self._resident.move_to_end(recipe.key)
        return resident

    def _make_cheap(self, recipe: Recipe[Any]) -> None:
        with self._lock:
            if recipe.key in self._resident and not self._resident[recipe.key][1].users:
                self._evict(recipe.key)
            self.evict_idle()
            self._take(recipe, cheap=True)

    def _make_room(self, needed: int) -> None:
        room = self.memory.total() - RESERVE_BYTES
        while self.memory.used() + needed > room:
            idle = next((key for key, (_, resident) in self._resident.items() if not resident.users), None)
            if idle is None:
                return
            self._evict(idle)
            self.memory.release()

    def _evict(self, key: Hashable) -> None:
        recipe, resident = self._resident.pop(key)
        recipe.unload(resident.engine)
        _log.info("Unloaded %s.", key)


@cache
def pool_of(device: str) -> EnginePool:
    """This process's pool for a device."""
    return EnginePool(memory_of(device))
