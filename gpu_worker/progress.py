"""Say how far the job is, without ever holding it up: one sender, numbered messages, only the newest is sent.

Messages go to the plane's callback URL, or through the SDK's `progress_update` where there is no URL or it fails.
They are hints: a lost one costs nothing. The SDK sends each from a thread of its own, in no order, and one that
arrives after the result could reopen the job (runpod-python #250), so its last one gets two seconds to land.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError, ClientSession, ClientTimeout

from gpu_worker.context import Report
from shared.wire import MOST_PREVIEW_BYTES, Progress

_CALLBACK_TIMEOUT = ClientTimeout(total=3)

SdkUpdate = Callable[[dict[str, Any]], None]


class ProgressSender:
    """Use as `async with`, from the event loop alone. Leaving it stops the sender and lets the SDK's last message land,
    unless the job was canceled: then no result follows that could be overtaken. Intervals are in seconds.
    """

    def __init__(
        self,
        first: Progress,
        callback_url: str | None,
        sdk_update: SdkUpdate | None = None,
        *,
        callback_interval: float = 1.0,
        sdk_interval: float = 2.0,
    ) -> None:
        self._latest = first
        self._callback_url = callback_url
        self._sdk_update = sdk_update
        self._callback_interval = callback_interval
        self._sdk_interval = sdk_interval
        self._sdk_used_at: float | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._session = ClientSession(timeout=_CALLBACK_TIMEOUT)
        self._sending = asyncio.create_task(self._send_news())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sending.cancel()
        try:
            await asyncio.gather(self._sending, return_exceptions=True)
        finally:  # also when the job is canceled once more at this moment
            await self._session.close()
        if self._sdk_used_at is not None and kind is not asyncio.CancelledError:
            await asyncio.sleep(self._sdk_used_at + self._sdk_interval - asyncio.get_running_loop().time())

    def within(self, low: int, high: int) -> Report:
        """A report whose 0-100 is the stretch from `low` to `high` of the whole job. The whole never goes back."""

        def report(stage: str, progress: int, message: str = "") -> None:
            overall = low + (high - low) * min(max(progress, 0), 100) // 100
            self._note(stage, max(overall, self._latest.progress), message)

        return report

    def preview(self, jpeg: bytes) -> None:
        """Send a small picture with the next message; one that is too large for a hint is left out."""
        if len(jpeg) <= MOST_PREVIEW_BYTES:
            self._latest = self._latest.model_copy(update={"preview": base64.b64encode(jpeg).decode()})

    async def finish(self) -> None:
        """Tell the plane to look at the result now."""
        self._sending.cancel()
        self._note("finished", self._latest.progress)
        await self._post(self._latest)

    def _note(self, stage: str, progress: int, message: str = "") -> None:
        news = {"seq": self._latest.seq + 1, "stage": stage, "progress": progress, "message": message}
        self._latest = self._latest.model_copy(update=news)
        self._news.set()

    async def _send_news(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            message = self._latest
            taken = await self._post(message)
            if taken:
                self._leave_out_preview(message)
            if taken or self._sdk_update is None:
                await asyncio.sleep(self._callback_interval)
            else:
                # With its preview each time: of these messages the plane sees the one that is newest when it looks.
                self._sdk_update(message.model_dump(mode="json", exclude_none=True))
                self._sdk_used_at = asyncio.get_running_loop().time()
                await asyncio.sleep(self._sdk_interval)

    def _leave_out_preview(self, message: Progress) -> None:
        """It has arrived and is the largest part of a message: once is enough."""
        if self._latest.preview is message.preview:
            self._latest = self._latest.model_copy(update={"preview": None})

    async def _post(self, message: Progress) -> bool:
        if self._callback_url is None:
            return False
        try:
            async with self._session.post(
                self._callback_url, json=message.model_dump(mode="json", exclude_none=True), allow_redirects=False
            ) as answer:
                return 200 <= answer.status < 300
        except (ClientError, TimeoutError, ValueError):
            return False
