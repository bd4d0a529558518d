"""Somebody who takes webhooks."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    """One POST as it came; header names in lower case."""

    headers: dict[str, str]
    body: bytes


class WebhookReceiver:
    """`url` keeps POSTs in `requests`, and the JSON in them in `bodies`.

    It answers with the given codes in turn, the last one for ever; 0 is no answer at all.
    """

    def __init__(self, *codes: int, location: str = "", tls: ssl.SSLContext | None = None) -> None:
        self._codes = list(codes) or [200]
        self._location = location
        self._tls = tls
        self.bodies: list[dict[str, Any]] = []
        self.requests: list[Received] = []
        self._got = asyncio.Event()
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        self._server.close()
        await self._server.wait_closed()

    async def next_body(self) -> dict[str, Any]:
        """Wait for the next POST and forget its JSON."""
        while not self.bodies:
            self._got.clear()
            await self._got.wait()
        return self.bodies.pop(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().splitlines()[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append(Received(headers, body))
        self.bodies.append(json.loads(body))
        self._got.set()
        code = self._codes.pop(0) if len(self._codes) > 1 else self._codes[0]
        if code:
            moved = f"location: {self._location}\r\n" if self._location else ""
            head = f"HTTP/1.1 {code} X\r\n{moved}content-length: 0\r\nconnection: close\r\n\r\n"
            writer.write(head.encode())
        else:
            await self._over.wait()
        writer.close()
        await writer.wait_closed()
