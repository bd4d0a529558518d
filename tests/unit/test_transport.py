"""The transport under the endpoint's client: a connection for each request under way, kept, never over the limit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from control_plane.endpoints.transport import SingleConnections


class Server:
    """Answers each request with the number of its connection; `/slow` when told to, `/last` and hangs up."""

    def __init__(self) -> None:
        self.connections = 0
        self.waiting = 0
        self.go_on = asyncio.Event()
        self.ended: list[asyncio.Task[None]] = []

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ended.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        body = b"%d" % self.connections
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                if b"/slow" in request:
                    self.waiting += 1
                    await self.go_on.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                if b"/last" in request:
                    break
        writer.close()


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    timeout = httpx.Timeout(10, pool=0.05)
    async with httpx.AsyncClient(base_url=url, transport=SingleConnections(3), timeout=timeout) as made:
        yield made
    server.go_on.set()
    listening.close()
    await asyncio.gather(*server.ended)


async def until_waiting(server: Server, requests: int) -> None:
    async with asyncio.timeout(10):
        while server.waiting < requests:
            await asyncio.sleep(0)


async def test_one_after_the_other_share_a_connection(client: httpx.AsyncClient) -> None:
    assert [(await client.get("/")).text for _ in range(5)] == ["1"] * 5


async def test_those_at_once_have_one_each_up_to_the_limit(client: httpx.AsyncClient, server: Server) -> None:
    under_way = [asyncio.create_task(client.get("/slow")) for _ in range(3)]
    await until_waiting(server, 3)
    with pytest.raises(httpx.PoolTimeout):
        await client.get("/")
    server.go_on.set()
    assert {(await request).text for request in under_way} == {"1", "2", "3"}
    assert (await client.get("/")).text in {"1", "2", "3"}


async def test_a_hundred_through_three_connections(client: httpx.AsyncClient, server: Server) -> None:
    answers = await asyncio.gather(*(client.get("/", timeout=10) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert server.connections == 3


async def test_a_connection_the_server_has_closed_is_not_used_again(client: httpx.AsyncClient, server: Server) -> None:
    await client.get("/last")
    assert (await client.get("/")).status_code == 200
    assert server.connections == 2


async def test_whoever_leaves_early_leaves_their_place(client: httpx.AsyncClient, server: Server) -> None:
    under_way = [asyncio.create_task(client.get("/slow")) for _ in range(3)]
    await until_waiting(server, 3)
    for request in under_way:
        request.cancel()
    await asyncio.wait(under_way)
    async with client.stream("GET", "/"):
        pass  # the body is not read
    assert (await client.get("/")).status_code == 200


async def test_no_connection_is_an_error_that_leaves_its_place() -> None:
    async with httpx.AsyncClient(transport=SingleConnections(1)) as client:
        for _ in range(3):
            with pytest.raises(httpx.ConnectError):
                await client.get("http://127.0.0.1:9/")
