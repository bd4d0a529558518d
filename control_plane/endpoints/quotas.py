"""How often RunPod lets each operation of an endpoint be called; a call beyond it waits its turn here.

A 429 costs a round trip and a back-off of seconds, and a cancel that is turned away goes on costing money.
(Source: docs.runpod.io, rate limits of serverless operations: per endpoint, in 10 seconds and at the same time.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from aiolimiter import AsyncLimiter

WINDOW = 10.0
"""Seconds."""


class Quota:
    """At most `calls` in any ten seconds and `at_once` at a time. Who comes first goes first."""

    def __init__(self, calls: int, at_once: int) -> None:
        # A leaky bucket lets through what it holds and what leaks meanwhile: both together are `calls`.
        held = calls / 100
        self._rate = AsyncLimiter(held, held / (calls - held) * WINDOW)
        self._places = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold its place for as long as the call lasts."""
        async with self._places, self._rate:
            yield


class Quotas:
    """A turn for each call, by the operation's name."""

    def __init__(self, quotas: Mapping[str, Quota]) -> None:
        self._quotas = quotas

    def turn(self, operation: str) -> AbstractAsyncContextManager[None]:
        """At once where nothing is limited."""
        quota = self._quotas.get(operation)
        return quota.turn() if quota else nullcontext()


def runpods() -> Quotas:
    """RunPod's own, for one endpoint."""
    return Quotas({"run": Quota(1000, 200), "status": Quota(2000, 400), "cancel": Quota(100, 20)})


def none() -> Quotas:
    """For an endpoint of our own."""
    return Quotas({})
