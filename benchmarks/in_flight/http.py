"""As little HTTP/1.1 as the simulated fleet needs: a server, posts over kept connections, and a reader of events.

Lean, so that its own processor time hides as little as possible of what is measured.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
MOST = 200
_REASONS = {200: "OK", 202: "Accepted", 204: "No Content", 404: "Not Found", 412: "Precondition Failed"}


@dataclass(frozen=True)
class Answer:
    """What a handler returns."""

    status: int
    body: bytes = b""
    etag: str | None = None

    def encode(self) -> bytes:
        """As sent."""
        head = f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Other')}\r\nContent-Length: {len(self.body)}\r\n"
        if self.etag is not None:
            head += f"ETag: {self.etag}\r\nLast-Modified: Sat, 21 Nov 2026 00:00:00 GMT\r\n"
        return f"{head}\r\n".encode() + self.body


Handler = Callable[[str, str, bytes, bytes], Answer]
"""Method, path, the whole head in lower case, body."""


def message_end(buffer: bytes) -> tuple[int, int] | None:
    """Where the head ends and where the body does; None while the message is not whole."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _LENGTH.search(buffer, 0, end)
    whole = end + 4 + (int(length[1]) if length else 0)
    return (end, whole) if len(buffer) >= whole else None


class Server(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if b"\r\nExpect: 100-continue" in data:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while (found := message_end(self._buffer)) is not None:
            head, body = self._buffer[: found[0]], self._buffer[found[0] + 4 : found[1]]
            self._buffer = self._buffer[found[1] :]
            method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            self._transport.write(self._handle(method, path, head.lower(), body).encode())


class Poster:
    """Posts to the plane over kept connections, as a reverse proxy in front of it would: as many as are needed, up to
    `MOST`.

    A worker has a connection of its own to the proxy; what reaches the plane is this.
    """

    def __init__(self, host: str, port: int, key: str) -> None:
        self._address = (host, port)
        self._head = f"HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json"
        self._idle: list[_Posting] = []
        self._waiting: deque[bytes] = deque()
        self._opening: set[asyncio.Task[object]] = set()
        self.connections = 0
        self.refused = 0

    def post(self, path: str, body: bytes) -> None:
        """Now."""
        request = f"POST {path} {self._head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        if self._idle:
            self._idle.pop().send(request)
        elif self.connections >= MOST:
            self._waiting.append(request)
        else:
            self._open(request)

    def _open(self, request: bytes) -> None:
        self.connections += 1
        loop = asyncio.get_running_loop()
        opening = loop.create_task(loop.create_connection(lambda: _Posting(self, request), *self._address))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    def answered(self, posting: _Posting, *, well: bool) -> None:
        """The connection is free."""
        self.refused += not well
        if self._waiting:
            posting.send(self._waiting.popleft())
        else:
            self._idle.append(posting)

    def closed(self, posting: _Posting) -> None:
        """The plane closes connections that idle for some seconds."""
        self.connections -= 1
        if posting in self._idle:
            self._idle.remove(posting)
        else:
            self.refused += 1


class _Posting(asyncio.Protocol):
    def __init__(self, poster: Poster, first: bytes) -> None:
        self._poster = poster
        self._first = first
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.send(self._first)

    def send(self, request: bytes) -> None:
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if (found := message_end(self._buffer)) is None:
            return
        well = self._buffer[9:10] == b"2"
        self._buffer = self._buffer[found[1] :]
        self._poster.answered(self, well=well)

    def connection_lost(self, _: Exception | None) -> None:
        self._poster.closed(self)


class EventReader(asyncio.Protocol):
    """A client of `GET /events`: calls `heard` with the JSON of each event."""

    def __init__(self, host: str, key: str, heard: Callable[[bytes], None]) -> None:
        self._request = f"GET /events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        self._heard = heard
        self._raw = b""
        self._text = b""
        self._in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._raw += data
        if not self._in_body:
            head, found, self._raw = self._raw.partition(b"\r\n\r\n")
            if not found:
                self._raw = head
                return
            self._in_body = True
        self._unchunk()
        *events, self._text = self._text.split(b"\n\n")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    self._heard(line[6:])

    def _unchunk(self) -> None:
        start = 0
        while (at := self._raw.find(b"\r\n", start)) >= 0:
            end = at + 2 + int(self._raw[start:at], 16)
            if len(self._raw) < end + 2:
                break
            self._text += self._raw[at + 2 : end]
            start = end + 2
        self._raw = self._raw[start:]
