"""The keys whose first writer decides (claims, tombstones, results), on stores of either kind.

On a store that enforces conditional puts they are its own affair. Where it ignores `If-None-Match` or `If-Match`, a key
is only a register that anybody may overwrite, and the race is settled by time instead, with Fischer's protocol: read
the key, and where it is as it has to be, write a value nobody else writes; wait longer than any writer can be between
its reading and its writing; the race is won if the value is still there. (L. Lamport, "A Fast Mutual Exclusion
Algorithm", ACM TOCS 5:1, 1987, where he describes what M. Fischer had told him; proven in M. Abadi, L. Lamport, "An
Old-Fashioned Recipe for Real Time", ACM TOPLAS 16:5, 1994.)
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol

from shared.errors import StorageFailed
from shared.storage.base import ObjectStore, StoredObject

_READ_BACK_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)


class Registers(Protocol):
    """Reads and conditional puts of small JSON objects. Every call raises StorageFailed when the store does."""

    async def get(self, key: str) -> StoredObject | None:
        """What is there now; it may still be overwritten where a race goes on."""
        ...

    async def settled(self, key: str) -> StoredObject | None:
        """What is there for good, or None. Whatever cannot be undone is done by this alone."""
        ...

    async def put_if_absent(self, key: str, body: bytes) -> str | None:
        """Create the object and return its ETag; None when another was first, or might have been."""
        ...

    async def put_if_match(self, key: str, body: bytes, etag: str) -> str | None:
        """Replace the object whose ETag is `etag` and return the new one; None when another did, or might have."""
        ...


def open_registers(store: ObjectStore, settle_seconds: float | None) -> Registers:
    """For a store that enforces conditional puts when `settle_seconds` is None, else for one that does not.

    All who write to one store must be given the same `settle_seconds`.
    """
    return AtomicRegisters(store) if settle_seconds is None else TimedRegisters(store, settle_seconds)


class AtomicRegisters:
    """On a store that enforces conditional puts: what it answers is decided."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def get(self, key: str) -> StoredObject | None:
        """See Registers."""
        return await asyncio.to_thread(self._store.get, key)

    async def settled(self, key: str) -> StoredObject | None:
        """See Registers."""
        return await self.get(key)

    async def put_if_absent(self, key: str, body: bytes) -> str | None:
        """See Registers."""
        return await asyncio.to_thread(self._store.put_if_absent, key, body)

    async def put_if_match(self, key: str, body: bytes, etag: str) -> str | None:
        """See Registers."""
        return await asyncio.to_thread(self._store.put_if_match, key, body, etag)


class TimedRegisters:
    """On a store that ignores conditions. Of any number of writers at most one wins; a win takes `settle_seconds`.

    One call of the store may take a quarter of that, and a writer wins only if it knows its value to have been there
    within half of it from its reading. So a put whose sender has given up has the other half for taking effect late;
    one that took longer could overwrite a winner. Bodies must be JSON objects: each put adds a field `writer` of its
    own, so that no two are alike and none is taken for an earlier try. Keep one for each attempt: it remembers what
    has settled. `clock` gives seconds.
    """

    def __init__(
        self,
        store: ObjectStore,
        settle_seconds: float,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store.with_timeout(settle_seconds / 4)
        self._settle_seconds = settle_seconds
        self._sleep = sleep
        self._clock = clock
        self._stood: dict[str, bytes] = {}

    async def get(self, key: str) -> StoredObject | None:
        """See Registers."""
        return await asyncio.to_thread(self._store.get, key)

    async def settled(self, key: str) -> StoredObject | None:
        """See Registers. Waits until what is there has been seen to stand for the settle time."""
        found = await self.get(key)
        while found is not None and self._stood.get(key) != found.body:
            await self._sleep(self._settle_seconds)
            again = await self.get(key)
            if again is not None and again.body == found.body:
                self._stood[key] = found.body
            found = again
        return found

    async def put_if_absent(self, key: str, body: bytes) -> str | None:
        """See Registers."""
        began = self._clock()
        if await self.get(key) is not None:
            return None
        mine = _marked(body)
        return await self._win(key, mine, began, lambda: self._store.put_if_absent(key, mine))

    async def put_if_match(self, key: str, body: bytes, etag: str) -> str | None:
        """See Registers."""
        began = self._clock()
        found = await self.get(key)
        if found is None or found.etag != etag:
            return None
        mine = _marked(body)
        return await self._win(key, mine, began, lambda: self._store.put_if_match(key, mine, etag))

    async def _win(self, key: str, mine: bytes, began: float, put: Callable[[], str | None]) -> str | None:
        """Put, and see whether it stands. The condition goes with it: the store may enforce one of the two."""
        latest = began + self._settle_seconds / 2
        unheard = None
        try:
            await asyncio.to_thread(self._put_in_time, put, latest)
        except StorageFailed as failed:
            unheard = failed
        found = await self.get(key)
        if found is None:
            raise unheard or StorageFailed
        if found.body != mine or self._clock() > latest:
            return None
        await self._sleep(self._settle_seconds)
        stands = await self._read_back(key)
        return stands.etag if stands is not None and stands.body == mine else None

    def _put_in_time(self, put: Callable[[], str | None], latest: float) -> None:
        """Asked in the thread that puts: it may have had to wait for its turn."""
        if self._clock() + self._settle_seconds / 4 > latest:
            raise StorageFailed("The store took too long to answer.")
        put()

    async def _read_back(self, key: str) -> StoredObject | None:
        """A later look decides as well: a win is not thrown away because the store fails for a moment."""
        for pause in _READ_BACK_PAUSES_SECONDS:
            try:
                return await self.get(key)
            except StorageFailed:
                await self._sleep(pause)
        return await self.get(key)


def _marked(body: bytes) -> bytes:
    return json.dumps(json.loads(body) | {"writer": uuid.uuid4().hex}).encode()
