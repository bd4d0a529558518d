"""Lets what comes within one stretch of time go on together."""

from __future__ import annotations

import asyncio


class Beat:
    """One beat every so many `seconds`, but only while somebody waits for it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Until the next beat, at most `seconds` away. Who waits for the same one goes on in one turn of the loop."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(self._seconds, self._strike)
        waiter = loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def _strike(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
