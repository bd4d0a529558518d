"""Many calls to one address at once, for a third of the processor time that httpx takes by itself.

httpx's pool looks at each of its connections before and after every request and asks the kernel about those that idle,
which at 32 connections is most of what a call costs (measured; httpcore 1.0.9, `connection_pool.py`). A pool of one
connection is spared that, so here are many of those, each with one request at a time. Connecting, TLS, timeouts, every
exception and the look at a connection before it is used again stay httpx's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

CONNECTIONS = 100
"""At most; as in httpx. Further requests wait for as long as the client's `pool` timeout says."""


class SingleConnections(httpx.AsyncBaseTransport):
    """One HTTP/1.1 connection for each request that is under way, kept alive for the next; the latest used first."""

    def __init__(self, connections: int = CONNECTIONS) -> None:
        # No environment: a certificate file somebody happens to have set is not ours to trust.
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._free = asyncio.Semaphore(connections)
        self._idle: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx's own, with its exceptions: PoolTimeout where no connection has become free in time."""
        connection = await self._take(request)

        def give_back() -> None:
            self._idle.append(connection)
            self._free.release()

        try:
            answer = await connection.handle_async_request(request)
        except BaseException:
            give_back()
            raise
        answer.stream = _Body(cast("httpx.AsyncByteStream", answer.stream), give_back)
        return answer

    async def _take(self, request: httpx.Request) -> httpx.AsyncHTTPTransport:
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._free.acquire()
        except TimeoutError as late:
            raise httpx.PoolTimeout("No connection has become free in time.", request=request) from late
        return self._idle.pop() if self._idle else self._connection()

    def _connection(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=self._tls, limits=httpx.Limits(max_connections=1))

    async def aclose(self) -> None:
        """Close the connections; the requests that are under way are their callers' affair."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.aclose()


class _Body(httpx.AsyncByteStream):
    """An answer's bytes. Whoever closes it, having read it to the end or not, gives the connection back, once."""

    def __init__(self, stream: httpx.AsyncByteStream, give_back: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back: Callable[[], None] | None = give_back

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        give_back, self._give_back = self._give_back, None
        try:
            await self._stream.aclose()
        finally:
            if give_back is not None:
                give_back()
