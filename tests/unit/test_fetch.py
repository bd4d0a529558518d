from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import connector, web
from aiohttp.test_utils import TestServer

from shared.addresses import check_address
from shared.errors import MediaRefused, StorageFailed
from shared.fetch import FetchLimits, fetch

LIMITS = FetchLimits(max_bytes=1_000_000, total_seconds=30, idle_seconds=10)

BAD = [
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.192",
    "168.63.129.16",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "5f00::1",
    "3fff::1",
    "2001:db8::1",
]
GOOD = ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
OWN = ["127.0.0.1", "10.1.2.3", "192.168.1.1", "100.64.0.1", "::1", "fd12::1"]
NEVER = [
    "169.254.169.254",
    "192.0.0.192",
    "100.100.100.200",
    "fd00:ec2::254",
    "fe80::1",
    "224.0.0.1",
    "::ffff:169.254.1.1",
]


@pytest.mark.parametrize("address", BAD)
def test_address_refused(address: str) -> None:
    with pytest.raises(MediaRefused, match="private network"):
        check_address(address)


@pytest.mark.parametrize("address", GOOD)
def test_address_allowed(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", OWN)
def test_the_owners_network_is_reachable_when_allowed(address: str) -> None:
    check_address(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_link_local_stay_refused_when_private_is_allowed(address: str) -> None:
    with pytest.raises(MediaRefused, match="private network"):
        check_address(address, allow_private=True)


class Site:
    """A server of hostile answers; it records what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.silence = asyncio.Event()
        self.app = web.Application()
        self.app.add_routes(
            [
                web.get("/file", self.file),
                web.get("/status/{status}", self.status),
                web.get("/declared", self.declared),
                web.get("/gzip", self.gzip),
                web.get("/endless", self.endless),
                web.get("/stalls", self.stalls),
                web.get("/breaks", self.breaks),
                web.get("/loop", self.loop),
                web.get("/hops/{left}", self.hops),
                web.get("/to", self.to),
                web.get("/{rest:.*}", self.echo),
            ]
        )
        self.app.on_response_prepare.append(self._record)

    async def _record(self, request: web.Request, _: web.StreamResponse) -> None:
        self.asked.append(request.path)
        self.headers.append(dict(request.headers))

    async def file(self, _: web.Request) -> web.Response:
        return web.Response(body=b"a picture")

    async def status(self, request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    async def declared(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10000000000"})
        await response.prepare(request)
        await self.silence.wait()
        return response

    async def gzip(self, _: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"bomb"), headers={"Content-Encoding": "gzip"})

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async def stalls(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * 65536)
        await self.silence.wait()
        return response

    async def breaks(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.abort()
        return response

    async def loop(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/loop"})

    async def hops(self, request: web.Request) -> web.Response:
        left = int(request.match_info["left"]) - 1
        headers = {"Location": f"/hops/{left}" if left else "/file", "Set-Cookie": "spy=1"}
        return web.Response(status=307, headers=headers)

    async def to(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["url"]})

    async def echo(self, request: web.Request) -> web.Response:
        return web.Response(text=request.raw_path)


@pytest.fixture
async def site() -> AsyncIterator[tuple[Site, str]]:
    site = Site()
    async with TestServer(site.app, host="127.0.0.1") as server:
        yield site, str(server.make_url("/"))
        site.silence.set()


async def _refused(url: str, path: Path, limits: FetchLimits = LIMITS, *, allow_private: bool = True) -> MediaRefused:
    with pytest.raises(MediaRefused) as refused:
        await fetch(url, path, limits=limits, allow_private=allow_private)
    assert not path.exists()
    return refused.value


async def test_fetches_a_file_through_redirects_without_cookies(site: tuple[Site, str], tmp_path: Path) -> None:
    server, base = site
    # By name: a cookie jar keeps nothing of a bare address anyway.
    named = base.replace("127.0.0.1", "localhost")
    assert await fetch(f"{named}hops/5", tmp_path / "file", limits=LIMITS, allow_private=True) == 9
    assert (tmp_path / "file").read_bytes() == b"a picture"
    assert server.asked == ["/hops/5", "/hops/4", "/hops/3", "/hops/2", "/hops/1", "/file"]
    assert all(headers["Accept-Encoding"] == "identity" and "Cookie" not in headers for headers in server.headers)


async def test_nothing_is_decompressed(site: tuple[Site, str], tmp_path: Path) -> None:
    await fetch(f"{site[1]}gzip", tmp_path / "file", limits=LIMITS, allow_private=True)
    assert gzip.decompress((tmp_path / "file").read_bytes()) == b"bomb"


@pytest.mark.parametrize(
    ("page", "words", "retryable"),
    [
        ("status/404", "The address answered 404.", False),
        ("status/204", "The address answered 204.", False),
        ("status/503", "The address answered 503.", True),
        ("status/429", "The address answered 429.", True),
        ("declared", "The file is larger than 1 MB.", False),
        ("endless", "The file is larger than 1 MB.", False),
        ("breaks", "The download broke off.", True),
        ("loop", "The address redirects too many times.", False),
        ("hops/6", "The address redirects too many times.", False),
        ("to?url=http://169.254.169.254/latest", "The address points into a private network.", False),
        ("to?url=http://[fe80::1]/", "The address points into a private network.", False),
        ("to?url=file:///etc/passwd", "The address must begin with https:// and a host.", False),
        ("to?url=http://host:99999/", "The address is not a valid one.", False),
    ],
)
async def test_refused_in_words(
    site: tuple[Site, str], tmp_path: Path, page: str, words: str, *, retryable: bool
) -> None:
    refused = await _refused(site[1] + page, tmp_path / "file")
    assert (refused.message, refused.retryable_now) == (words, retryable)


async def test_a_redirect_loop_is_cut_after_five_hops(site: tuple[Site, str], tmp_path: Path) -> None:
    await _refused(f"{site[1]}loop", tmp_path / "file")
    assert len(site[0].asked) == 6


@pytest.mark.parametrize(
    "limits", [FetchLimits(1000000, 30, 0.2), FetchLimits(1000000, 0.2, 30)], ids=["idle", "total"]
)
async def test_a_stalling_server_is_given_up(site: tuple[Site, str], tmp_path: Path, limits: FetchLimits) -> None:
    refused = await _refused(f"{site[1]}stalls", tmp_path / "file", limits)
    assert refused.message == "The address does not answer, or too slowly."
    assert refused.retryable_now


async def test_a_disk_that_cannot_be_written_is_no_fault_of_the_address(site: tuple[Site, str], tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="could not be written") as failed:
        await fetch(f"{site[1]}file", tmp_path / "missing" / "file", limits=LIMITS, allow_private=True)
    assert str(tmp_path) not in failed.value.message


async def test_nobody_listens(tmp_path: Path, unused_tcp_port: int) -> None:
    refused = await _refused(f"http://127.0.0.1:{unused_tcp_port}/", tmp_path / "file")
    assert (refused.message, refused.retryable_now) == ("The address does not answer.", True)


async def test_a_cancelled_fetch_leaves_no_file(site: tuple[Site, str], tmp_path: Path) -> None:
    path = tmp_path / "file"
    task = asyncio.create_task(fetch(f"{site[1]}stalls", path, limits=LIMITS, allow_private=True))
    async with asyncio.timeout(10):
        while not path.exists():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not path.exists()


async def test_a_signed_url_is_sent_as_it_was_written(site: tuple[Site, str], tmp_path: Path) -> None:
    path = tmp_path / "file"
    signed = "a%2Fb%7E?X-Amz-Credential=k%2F1&s=%2B%3D"
    await fetch(site[1] + signed, path, limits=LIMITS, allow_private=True)
    assert path.read_text() == f"/{signed}"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/", "must begin with https://"),
        ("ftp://example.com/", "must begin with https://"),
        ("https:///path", "must begin with https://"),
        ("https://example.com:8443/", "port that is not allowed"),
        ("https://127.0.0.1/", "private network"),
        ("https://[::1]/", "private network"),
        ("https://[::ffff:7f00:1]/", "private network"),
        ("https://localhost/", "private network"),
        ("https://2130706433/", "not a valid one"),
        ("https://127.1/", "not a valid one"),
        ("https://0x7f.0.0.1/", "private network|cannot be found"),
        ("https://127.0.0.1./", "not a valid one|private network"),
        ("https://[fe80::1%25lo]/", "private network|not a valid one"),
    ],
)
async def test_public_addresses_only(tmp_path: Path, url: str, words: str) -> None:
    refused = await _refused(url, tmp_path / "file", allow_private=False)
    assert refused.retryable_now is ("cannot be found" in refused.message)
    assert any(word in refused.message for word in words.split("|"))


class HostileName:
    """Answers one list of addresses after another, and records what was then connected to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.connected: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)
        monkeypatch.setattr(connector.aiohappyeyeballs, "start_connection", self._start_connection)

    def _getaddrinfo(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self._answers.pop(0)]

    async def _start_connection(self, addr_infos: list[Any], **_: Any) -> socket.socket:
        self.connected += [info[4][0] for info in addr_infos]
        addr_infos.clear()
        raise ConnectionRefusedError


async def test_a_name_is_looked_up_once_and_only_its_checked_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = HostileName(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    refused = await _refused("https://rebind.example/", tmp_path / "file", allow_private=False)
    assert refused.message == "The address does not answer."
    assert (name.asked, name.connected) == (["rebind.example"], ["93.184.216.34"])


async def test_one_private_answer_refuses_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = HostileName(monkeypatch, ["93.184.216.34", "10.0.0.1"])
    refused = await _refused("https://mixed.example/", tmp_path / "file", allow_private=False)
    assert refused.message == "The address points into a private network."
    assert name.connected == []
