"""Asks the store once, at start-up, whether it enforces conditional puts: everything about claims rests on them."""

from __future__ import annotations

import asyncio
import logging

from shared.errors import StorageFailed
from shared.storage.base import ObjectStore
from shared.storage.probe import ConditionalPuts, probe_conditional_puts

log = logging.getLogger(__name__)

AGAIN_SECONDS = 30.0


class StoreCheck:
    """`puts` is None until the store has answered; `trouble` says in a sentence what is wrong, if anything is."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.puts: ConditionalPuts | None = None
        self.trouble: str | None = None

    async def run(self) -> None:
        """Until the store has answered."""
        while self.puts is None:
            await self.look()
            if self.trouble:
                log.warning("%s", self.trouble)
            if self.puts is None:
                await asyncio.sleep(AGAIN_SECONDS)

    async def look(self) -> None:
        """Ask once."""
        try:
            self.puts = await asyncio.to_thread(probe_conditional_puts, self._store)
        except StorageFailed as failed:
            self.trouble = failed.message
        else:
            self.trouble = explain(self.puts)


def explain(puts: ConditionalPuts) -> str | None:
    """What it means for the owner, or None when all is well."""
    if puts.enforced:
        return None
    broken = [name for name, held in (("If-None-Match", puts.if_none_match), ("If-Match", puts.if_match)) if not held]
    return (
        f"The bucket does not enforce {' and '.join(broken)}: after a lost answer a job could run, and cost, twice. "
        "Use a bucket that does, such as Cloudflare R2, AWS S3 or SeaweedFS."
    )
