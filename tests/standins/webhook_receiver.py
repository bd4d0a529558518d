"""Somebody who takes webhooks."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self


class WebhookReceiver:
    """`url` keeps the JSON of POSTs in `bodies`, and answers with the given codes in turn, the last one for ever."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes) or [200]
        self.bodies: list[dict[str, Any]] = []
        self._got = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def next_body(self) -> dict[str, Any]:
        """Wait for the next POST and forget it."""
        while not self.bodies:
            self._got.clear()
            await self._got.wait()
        return self.bodies.pop(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        self.bodies.append(json.loads(await reader.readexactly(length)))
        code = self._codes.pop(0) if len(self._codes) > 1 else self._codes[0]
        writer.write(f"HTTP/1.1 {code} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()
        await writer.wait_closed()
        self._got.set()
