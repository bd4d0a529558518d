"""The clients of every peer: keep-alive connections, one submission after the other on each, as cheap as can be.

They share the machine with what they measure: a client that costs as much as a server would hide the difference.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

BODY = b'{"type":"TTS","params":{"text":"hello"}}'
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Answers:
    """Latencies in seconds of the submissions that were accepted, and how many were not."""

    go_on: Callable[[int], bool]
    begun: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile_ms(self, share: float) -> float:
        return sorted(self.latencies)[int(len(self.latencies) * share)] * 1000


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, host: str, answers: Answers) -> None:
        lines = ["POST /jobs HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
        self._request = "\r\n".join([*lines, f"Content-Length: {len(BODY)}", "", ""]).encode() + BODY
        self._answers = answers
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        if not self._answers.go_on(self._answers.begun):
            self._transport.close()
            self.done.set_result(None)
            return
        self._answers.begun += 1
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        length = _LENGTH.search(self._received, 0, end) if end >= 0 else None
        if length is None or len(self._received) < end + 4 + int(length[1]):
            return
        if self._received.startswith(b"HTTP/1.1 202 "):
            self._answers.latencies.append(time.perf_counter() - self._sent_at)
        else:
            self._answers.refused += 1
        self._received = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server hung up"))


def submit(url: str, clients: int, go_on: Callable[[int], bool]) -> Answers:
    """Post jobs from so many clients for as long as `go_on` says, which is given the number of those begun."""
    return uvloop.run(_submit(url, clients, Answers(go_on)))


async def _submit(url: str, clients: int, answers: Answers) -> Answers:
    to, loop, started = urlsplit(url), asyncio.get_running_loop(), time.perf_counter()
    opened = [
        await loop.create_connection(lambda: Client(to.netloc, answers), to.hostname, to.port) for _ in range(clients)
    ]
    await asyncio.gather(*(client.done for _, client in opened))
    answers.seconds = time.perf_counter() - started
    return answers


def submit_for(url: str, clients: int, seconds: float) -> Answers:
    """For so long."""
    until = time.perf_counter() + seconds
    return submit(url, clients, lambda _: time.perf_counter() < until)


def submit_all(url: str, clients: int, jobs: int) -> Answers:
    """So many."""
    return submit(url, clients, lambda begun: begun < jobs)
