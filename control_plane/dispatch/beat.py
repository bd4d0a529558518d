"""Lets what comes within one stretch of time go on together."""

from __future__ import annotations

import asyncio


class Beat:
    """One beat every so many `seconds`, but only while somebody waits for it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Until the next beat, at most `seconds` away. Who waits for the same one goes on in one turn of the loop."""
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            loop.call_later(self._seconds, self._strike, self._next)
        await asyncio.shield(self._next)

    def _strike(self, beat: asyncio.Future[None]) -> None:
        self._next = None
        beat.set_result(None)
