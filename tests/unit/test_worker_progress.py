"""The one sender of progress, against a real HTTP receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gpu_worker.progress import ProgressSender, SdkUpdate
from shared.wire import MOST_PREVIEW_BYTES, Progress

FIRST = Progress(job_id="j1", attempt=1, run=1, seq=0, stage="started", progress=0)


class Plane:
    """Takes callbacks and answers as it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[dict[str, Any]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def receive(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        await self.may_answer.wait()
        return web.Response(status=self.status)


@pytest.fixture
def plane() -> Plane:
    return Plane()


@pytest.fixture
async def url(plane: Plane) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/callbacks/token", plane.receive)
    async with TestServer(app) as server:
        yield str(server.make_url("/callbacks/token"))
        plane.may_answer.set()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def sender_to(url: str | None, update: SdkUpdate | None = None, sdk_interval: float = 0.01) -> ProgressSender:
    return ProgressSender(FIRST, url, update, callback_interval=0.01, sdk_interval=sdk_interval)


async def test_the_whole_never_goes_back_and_the_newest_wins(plane: Plane, url: str) -> None:
    plane.may_answer.clear()
    async with sender_to(url) as sender:
        sender.within(0, 5)("downloading", 100)
        await eventually(lambda: len(plane.got) == 1)
        report = sender.within(5, 95)
        for percent in (10, 50, 40):
            report("rendering", percent, f"{percent} %")
        plane.may_answer.set()
        await eventually(lambda: len(plane.got) == 2)
        sender.within(95, 100)("uploading", 1000)
        await sender.finish()
    assert [(seen["progress"], seen["stage"]) for seen in plane.got] == [
        (5, "downloading"),
        (50, "rendering"),
        (100, "finished"),
    ]
    assert plane.got[1]["message"] == "40 %"
    assert [seen["seq"] for seen in plane.got] == [1, 4, 6]


async def test_a_preview_goes_out_once_with_the_next_message(plane: Plane, url: str) -> None:
    async with sender_to(url) as sender:
        sender.preview(b"jpeg")
        sender.within(5, 95)("denoising", 50)
        await eventually(lambda: len(plane.got) == 1)
        sender.preview(bytes(MOST_PREVIEW_BYTES + 1))
        sender.within(5, 95)("denoising", 60)
        await eventually(lambda: len(plane.got) == 2)
    assert [seen.get("preview") for seen in plane.got] == ["anBlZw==", None]


async def test_reporting_waits_for_nobody(plane: Plane, url: str) -> None:
    plane.may_answer.clear()
    async with sender_to(url) as sender:
        report = sender.within(5, 95)
        for step in range(10_000):
            report("rendering", step // 100)
        await eventually(lambda: len(plane.got) == 1)
    assert plane.got[0]["seq"] == 10_000


async def test_a_refusing_plane_gets_its_progress_through_the_sdk(plane: Plane, url: str) -> None:
    plane.status = 503
    updates: list[dict[str, Any]] = []
    async with sender_to(url, updates.append) as sender:
        sender.within(5, 95)("rendering", 50)
        await eventually(lambda: len(updates) == 1)
        plane.status = 200
        sender.within(5, 95)("rendering", 60)
        await eventually(lambda: len(plane.got) == 2)
        await sender.finish()
    assert updates == plane.got[:1]
    assert len(updates) == 1


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/callbacks/x", "not an address"])
async def test_an_unreachable_plane_stops_nothing(address: str) -> None:
    async with sender_to(address) as sender:
        sender.within(5, 95)("rendering", 50)
        await sender.finish()


async def test_the_last_sdk_update_gets_time_to_land() -> None:
    loop, sent_at = asyncio.get_running_loop(), [0.0]

    def update(_: dict[str, Any]) -> None:
        sent_at.append(loop.time())

    async with sender_to(None, update, sdk_interval=0.3) as sender:
        sender.within(5, 95)("rendering", 50)
        await eventually(lambda: len(sent_at) == 2)
        sender.within(5, 95)("rendering", 60)
    assert len(sent_at) == 2
    assert loop.time() >= sent_at[1] + 0.3


async def test_a_canceled_job_does_not_wait() -> None:
    updates: list[dict[str, Any]] = []

    async def job() -> None:
        async with sender_to(None, updates.append, sdk_interval=1000) as sender:
            sender.within(5, 95)("rendering", 50)
            await asyncio.Event().wait()

    working = asyncio.create_task(job())
    await eventually(lambda: len(updates) == 1)
    working.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await working


async def test_through_the_sdk_the_preview_is_in_every_message_for_only_the_newest_is_seen() -> None:
    updates: list[dict[str, Any]] = []
    async with sender_to(None, updates.append) as sender:
        sender.preview(b"jpeg")
        sender.within(5, 95)("denoising", 50)
        await eventually(lambda: len(updates) == 1)
        sender.within(5, 95)("denoising", 60)
        await eventually(lambda: len(updates) == 2)
    assert [update["preview"] for update in updates] == ["anBlZw=="] * 2
