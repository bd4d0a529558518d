"""Asks the store once, at start-up, whether it enforces conditional puts: everything about claims rests on them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.errors import RushesError, StorageFailed
from shared.storage.base import ObjectStore
from shared.storage.probe import ConditionalPuts, probe_conditional_puts
from shared.storage.registers import Registers, open_registers

log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0
SETTLE_SECONDS = 12.0
"""See `shared.storage.registers`; a quarter of it is a long time for one small put."""


class StoreCheck:
    """`puts` is None until the store has answered; `trouble` says in a sentence what is wrong, if anything is."""

    def __init__(self, store: ObjectStore, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._store = store
        self._settle_seconds = settle_seconds
        self._answered = asyncio.Event()
        self.puts: ConditionalPuts | None = None
        self.trouble: str | None = None

    async def run(self, tell: Callable[[str | None], Awaitable[object]]) -> None:
        """Until the store has answered. `tell` is given what those who wait for it are to know, at last None."""
        while not self._answered.is_set():
            await self.look()
            if self.trouble:
                log.warning("%s", self.trouble)
            try:
                await tell(None if self._answered.is_set() else self.trouble)
            except RushesError as failed:
                log.warning("%s", failed.message)
            if not self._answered.is_set():
                await asyncio.sleep(AGAIN_SECONDS)

    async def look(self) -> None:
        """Ask once."""
        try:
            self.puts = await asyncio.to_thread(probe_conditional_puts, self._store)
        except StorageFailed as failed:
            self.trouble = failed.message
        else:
            self.trouble = explain(self.puts, self._settle_seconds)
            self._answered.set()

    async def answered(self) -> None:
        """Until it is known how claims can be made: nothing may be sent before."""
        await self._answered.wait()

    def settle_seconds(self, store_name: str) -> float | None:
        """For `open_registers`, in the store asked or in an older one, which is a folder here.

        Raises StorageFailed until the store has answered.
        """
        if self.puts is None:
            raise StorageFailed(self.trouble or "The store has not answered yet.")
        return None if self.puts.enforced or store_name != self._store.name else self._settle_seconds

    def registers(self, store: ObjectStore) -> Registers:
        """For one attempt. Raises as `settle_seconds` does."""
        return open_registers(store, self.settle_seconds(store.name))


def explain(puts: ConditionalPuts, settle_seconds: float = SETTLE_SECONDS) -> str | None:
    """What it means for the owner, or None when all is well."""
    if puts.enforced:
        return None
    broken = [name for name, held in (("If-None-Match", puts.if_none_match), ("If-Match", puts.if_match)) if not held]
    return (
        f"The bucket does not enforce {' and '.join(broken)}, so the safer, slower path is taken: a worker waits "
        f"{settle_seconds:g} seconds for its claim and {settle_seconds:g} for its result, and a job whose submission "
        "was not answered is not sent again until it cannot start any more. "
        "Use a bucket that does, such as Cloudflare R2, AWS S3 or SeaweedFS."
    )
