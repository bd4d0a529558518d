"""Webhooks of the built-in endpoint: one POST when a job ends, and two more tries unless the answer is 200.

(Source: docs.runpod.io, send requests. Like the platform's, the body repeats `input` and the address itself.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

TRIES = 3
WAIT_SECONDS = 10.0

_log = logging.getLogger(__name__)


class WebhookSender:
    """Sends in the background; `aclose` drops what is still unsent. `sleep` waits between tries."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._client = httpx.AsyncClient(timeout=10, trust_env=False)
        self._sending: set[asyncio.Task[None]] = set()

    def send(self, url: str, body: dict[str, Any]) -> asyncio.Task[None]:
        """Start sending; the task ends when it was taken or given up."""
        task = asyncio.get_running_loop().create_task(self._send(url, body))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task

    async def aclose(self) -> None:
        """Stop sending and close the connections."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._client.aclose()

    async def _send(self, url: str, body: dict[str, Any]) -> None:
        for attempt in range(TRIES):
            if attempt:
                await self._sleep(WAIT_SECONDS)
            if await self._delivered(url, body):
                return
        _log.warning("The webhook of job %s was not taken in %d tries.", body["id"], TRIES)

    async def _delivered(self, url: str, body: dict[str, Any]) -> bool:
        try:
            response = await self._client.post(url, json=body)
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return response.status_code == httpx.codes.OK
