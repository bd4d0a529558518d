"""A small HTTP/1.1 load: keep-alive connections, one request after the other on each. Prints one JSON line.

    python -m benchmarks.load http://127.0.0.1:8000/jobs 32 5 '{"type": …}'     # a body makes it a POST

A process of its own, so that it uses another core than the server. Counted: answers with a 2xx or 304 status.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last is whole."""

    def __init__(self, request: bytes, latencies: list[float], until: float) -> None:
        self.request, self.latencies, self.until = request, latencies, until
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self.buffer = b""
        if head[9:10] == b"2" or head[9:12] == b"304":
            self.latencies.append(time.perf_counter() - self.sent_at)
        else:
            self.failed += 1
        if time.perf_counter() < self.until:
            self.send()
        else:
            self.transport.close()
            self.done.set_result(None)


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length:")
    return int(lower[at + 15 : at + 30].split(b"\r\n")[0]) if at >= 0 else 0


async def load(url: str, clients: int, seconds: float, body: bytes | None) -> dict[str, float]:
    """Requests a second, median and p99 latency in milliseconds, answers that were no success."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    request = f"{head}\r\n".encode() + (body or b"")
    latencies: list[float] = []
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    connections = [
        (
            await loop.create_connection(
                lambda: Connection(request, latencies, started + seconds), parts.hostname, parts.port
            )
        )[1]
        for _ in range(clients)
    ]
    await asyncio.gather(*(connection.done for connection in connections))
    took = time.perf_counter() - started
    latencies.sort()
    return {
        "per_second": len(latencies) / took,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "failed": sum(connection.failed for connection in connections),
    }


if __name__ == "__main__":
    given = sys.argv[4].encode() if len(sys.argv) > 4 else None
    print(json.dumps(asyncio.run(load(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), given))))
