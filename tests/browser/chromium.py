"""A headless Chromium, spoken to by its own protocol (https://chromedevtools.github.io/devtools-protocol)."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.conftest import wait_until

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run", "--remote-debugging-port=0",
    "--autoplay-policy=no-user-gesture-required", "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def evaluate(self, script: str) -> Any:
        """What this expression, or its promise, comes to; AssertionError with the exception when it fails."""
        params = {"expression": script, "awaitPromise": True, "returnByValue": True}
        await self._socket.send_json({"id": 1, "method": "Runtime.evaluate", "params": params})
        answer = (await self._socket.receive_json(timeout=60))["result"]
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"]["value"]


@contextlib.asynccontextmanager
async def opened(url: str, profile: Path) -> AsyncIterator[Page]:
    """A page of a browser that ends with this."""
    with _running(url, profile):
        port = wait_until(lambda: _port(profile), "the browser's port")
        async with aiohttp.ClientSession() as session:
            address = await _tab(session, f"http://127.0.0.1:{port}/json/list", url)
            async with session.ws_connect(address, max_msg_size=0) as socket:
                page = Page(socket)
                async with asyncio.timeout(30):
                    while await page.evaluate("document.readyState + location.href") != f"complete{url}":
                        pass
                yield page


async def _tab(session: aiohttp.ClientSession, tabs: str, url: str) -> str:
    """The address to speak to the page at, once it is there."""
    async with asyncio.timeout(30):
        while True:
            async with session.get(tabs) as answer:
                for tab in await answer.json():
                    if tab["url"] == url:
                        return str(tab["webSocketDebuggerUrl"])


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """The folder on loopback, ranges and all."""
    application = web.Application()
    application.router.add_static("/", folder)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def _running(url: str, profile: Path) -> Iterator[None]:
    command = [str(PROGRAM), *FLAGS, f"--user-data-dir={profile}", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _port(profile: Path) -> int | None:
    said = profile / "DevToolsActivePort"
    lines = said.read_text().split() if said.exists() else []
    return int(lines[0]) if lines else None
