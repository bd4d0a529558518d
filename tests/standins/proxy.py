"""A TCP proxy that does to some requests what networks do: loses their answer, cuts it off, or answers itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """`cuts` has, by how a request begins, after how many bytes of its answer the connection breaks, once each.

    What begins with a key of `answers` never gets to the server.
    """

    target: str
    url: str = ""
    cuts: dict[bytes, list[int]] = field(default_factory=dict)
    answers: dict[bytes, bytes] = field(default_factory=dict)
    seen: list[bytes] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, which can make many requests."""
        address = urlsplit(self.target)
        server_reader, server_writer = await asyncio.open_connection(address.hostname, address.port)
        limit: list[int | None] = [None]
        back = asyncio.create_task(_back(server_reader, writer, limit))
        with contextlib.suppress(OSError):
            while request := await reader.read(1 << 16):
                self.seen.append(request.split(b"\r\n", 1)[0])
                if not self.seen[-1].endswith(b" HTTP/1.1"):
                    server_writer.write(request)  # the rest of a request that came in two pieces
                    continue
                if answer := next((made for begins, made in self.answers.items() if request.startswith(begins)), None):
                    writer.write(answer)
                    continue
                left = next((cuts for begins, cuts in self.cuts.items() if request.startswith(begins) and cuts), None)
                limit[0] = left.pop(0) if left else None
                server_writer.write(request)
                await server_writer.drain()
        back.cancel()
        await asyncio.gather(back, return_exceptions=True)
        for end in (writer, server_writer):
            end.close()


async def _back(server: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: list[int | None]) -> None:
    with contextlib.suppress(OSError):
        while answer := await server.read(1 << 16):
            if limit[0] is not None:
                writer.write(answer[: limit[0]])
                limit[0] -= len(answer)
                if limit[0] <= 0:
                    break
            else:
                writer.write(answer)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxy(target: str = "") -> AsyncIterator[Proxy]:
    """On a free port, in front of `target`, which may be set later."""
    made = Proxy(target)
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
