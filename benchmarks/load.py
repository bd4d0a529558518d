"""A small HTTP/1.1 load: keep-alive connections, one request after the other on each. Prints one JSON line.

    python -m benchmarks.load http://127.0.0.1:8000/jobs 32 5 '{"type": …}'          # a body makes it a POST
    python -m benchmarks.load http://127.0.0.1:8000/jobs/… 32 5 '' 'If-None-Match: …'  # and any headers after it

A process of its own, so that it uses another core than the server. Counted: answers with a 2xx or 304 status.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last is whole."""

    def __init__(self, request: bytes, latencies: list[float], until: float) -> None:
        self.request, self.latencies, self.until = request, latencies, until
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.send()

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self.buffer, 0, end)
        if len(self.buffer) < end + 4 + (int(length[1]) if length else 0):
            return
        now = time.perf_counter()
        if self.buffer[9:10] == b"2" or self.buffer[9:12] == b"304":
            self.latencies.append(now - self.sent_at)
        else:
            self.failed += 1
        self.buffer = b""
        if now < self.until:
            self.send()
        else:
            self.transport.close()
            self.done.set_result(None)


def request_to(url: str, body: str = "", *headers: str) -> bytes:
    """The bytes of one request."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", f"Host: {parts.netloc}", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    return "\r\n".join([*lines, "", body]).encode()


async def load(url: str, clients: int, seconds: float, request: bytes) -> dict[str, float]:
    """Requests a second, median and p99 latency in milliseconds, answers that were no success."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    latencies: list[float] = []
    started = time.perf_counter()
    loop = asyncio.get_running_loop()

    def connection() -> Connection:
        return Connection(request, latencies, started + seconds)

    connections = [(await loop.create_connection(connection, host, port))[1] for _ in range(clients)]
    await asyncio.gather(*(connection.done for connection in connections))
    took = time.perf_counter() - started
    latencies.sort()
    return {
        "answered": len(latencies),
        "per_second": len(latencies) / took,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "failed": sum(connection.failed for connection in connections),
    }


if __name__ == "__main__":
    target, how_many, how_long, *rest = sys.argv[1:]
    print(json.dumps(uvloop.run(load(target, int(how_many), float(how_long), request_to(target, *rest)))))
