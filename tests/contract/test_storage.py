"""What every store promises, asked of each in the same words."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import pytest

from shared.errors import MediaRefused, NotFound, StorageFailed
from shared.storage.base import ObjectStore, SignedUpload
from shared.storage.local import LocalStore
from shared.storage.s3 import S3Store
from tests.standins.seaweed import S3Server

T = TypeVar("T")
ODD_KEYS = ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".tmp/x", "a b", "a\\b", "a\x00b", "ä", "a?b", "a" * 513]


def _race(racers: int, run: Callable[[int], T]) -> list[T]:
    barrier = threading.Barrier(racers)

    def one(number: int) -> T:
        barrier.wait()
        return run(number)

    with ThreadPoolExecutor(racers) as pool:
        return list(pool.map(one, range(racers)))


def _increment(store: ObjectStore, key: str, times: int) -> None:
    for _ in range(times):
        while True:
            now = store.get(key)
            assert now
            if store.put_if_match(key, str(int(now.body) + 1).encode(), now.etag):
                break


def test_of_sixteen_creators_one_wins(store: ObjectStore) -> None:
    for round_ in range(2):
        key = f"jobs/{round_}/claims/1.json"
        etags = _race(16, lambda number, key=key: store.put_if_absent(key, f"worker {number}".encode()))
        winners = [number for number, etag in enumerate(etags) if etag]
        assert len(winners) == 1
        found = store.get(key)
        assert found
        assert (found.body, found.etag) == (f"worker {winners[0]}".encode(), etags[winners[0]])


def test_creating_twice_with_the_same_bytes_wins_once(store: ObjectStore) -> None:
    assert store.put_if_absent("a.json", b"{}")
    assert store.put_if_absent("a.json", b"{}") is None


def test_no_update_is_lost(store: ObjectStore) -> None:
    store.put_if_absent("count.json", b"0")
    _race(6, lambda _: _increment(store, "count.json", 5))
    found = store.get("count.json")
    assert found
    assert found.body == b"30"


def test_replacing_needs_the_right_etag(store: ObjectStore) -> None:
    first = store.put_if_absent("a.json", b"1")
    assert first
    second = store.put_if_match("a.json", b"2", first)
    assert second not in (None, first)
    assert store.put_if_match("a.json", b"3", first) is None
    found = store.get("a.json")
    assert found
    assert (found.body, found.etag) == (b"2", second)
    store.delete("a.json")
    assert store.put_if_match("a.json", b"4", str(second)) is None
    assert store.get("a.json") is None


def test_what_is_known_of_an_object(store: ObjectStore) -> None:
    etag = store.put_if_absent("jobs/1/result.json", b'{"a": 1}')
    info = store.head("jobs/1/result.json")
    found = store.get("jobs/1/result.json")
    assert info
    assert found
    assert (info.key, info.bytes, info.content_type) == ("jobs/1/result.json", 8, "application/json")
    assert info.etag == found.etag == etag
    assert abs(info.modified_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert list(store.list("jobs/1/")) == [info]


def test_what_is_not_there(store: ObjectStore, tmp_path: Path) -> None:
    store.put_if_absent("a/b.json", b"{}")
    for key in ("none.json", "a", "a/b.json/c"):
        assert store.get(key) is None
        assert store.head(key) is None
        store.delete(key)
    with pytest.raises(NotFound):
        store.download("none.json", tmp_path / "file", 10)
    assert not (tmp_path / "file").exists()
    assert list(store.list("none/")) == []


def test_a_small_object_has_a_limit(store: ObjectStore) -> None:
    store.put_if_absent("a.json", b"x" * 100)
    found = store.get("a.json", max_bytes=100)
    assert found
    assert len(found.body) == 100
    with pytest.raises(StorageFailed, match="larger than expected"):
        store.get("a.json", max_bytes=99)


def test_listing_is_by_prefix_and_in_order(store: ObjectStore) -> None:
    keys = ["a/1.json", "a/2/x.json", "a/2/y.json", "a/30.json", "ab.json", "b/1.json"]
    for key in reversed(keys):
        store.put_if_absent(key, b"{}")
    assert [item.key for item in store.list("")] == keys
    assert [item.key for item in store.list("a/")] == keys[:4]
    assert [item.key for item in store.list("a")] == keys[:5]
    assert [item.key for item in store.list("a/2/")] == keys[1:3]
    assert [item.key for item in store.list("a/3")] == ["a/30.json"]
    assert [item.key for item in store.list("a/2/x.json")] == ["a/2/x.json"]


def test_delete_removes_one_object(store: ObjectStore) -> None:
    store.put_if_absent("a/1.json", b"{}")
    store.put_if_absent("a/2.json", b"{}")
    store.delete("a/1.json")
    assert [item.key for item in store.list("a/")] == ["a/2.json"]
    assert store.put_if_absent("a/1.json", b"again")


@pytest.mark.parametrize("megabytes", [0, 1, 70])
def test_a_file_comes_back_as_it_was(store: ObjectStore, tmp_path: Path, megabytes: int) -> None:
    block = bytes(range(256)) * 4096
    with (tmp_path / "film.mp4").open("wb") as file:
        file.writelines(block for _ in range(megabytes))
    store.upload(tmp_path / "film.mp4", "jobs/1/film.mp4", "video/mp4")
    info = store.head("jobs/1/film.mp4")
    assert info
    assert (info.bytes, info.content_type) == (megabytes << 20, "video/mp4")
    assert store.download("jobs/1/film.mp4", tmp_path / "back.mp4", megabytes << 20) == megabytes << 20
    assert (tmp_path / "back.mp4").read_bytes() == block * megabytes


def test_upload_replaces_and_download_is_limited(store: ObjectStore, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for text in ("first", "second"):
        source.write_text(text)
        store.upload(source, "a.png", "image/png")
    with pytest.raises(MediaRefused, match="larger than 5 bytes"):
        store.download("a.png", target, 5)
    assert not target.exists()
    assert store.download("a.png", target, 6) == 6
    assert target.read_text() == "second"


def test_a_target_that_cannot_be_written_fails_in_words(store: ObjectStore, tmp_path: Path) -> None:
    store.put_if_absent("a.json", b"{}")
    with pytest.raises(StorageFailed) as failed:
        store.download("a.json", tmp_path / "missing" / "file", 10)
    assert str(tmp_path) not in failed.value.message


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_refused(store: ObjectStore, tmp_path: Path, key: str) -> None:
    (tmp_path / "file").write_text("x")
    calls: list[Callable[[], object]] = [
        lambda: store.put_if_absent(key, b""),
        lambda: store.put_if_match(key, b"", '"x"'),
        lambda: store.get(key),
        lambda: store.head(key),
        lambda: store.upload(tmp_path / "file", key, "image/png"),
        lambda: store.download(key, tmp_path / "target", 10),
        lambda: store.delete(key),
        lambda: store.signed_get(key, 60),
        lambda: store.signed_put(key, "image/png", 1, 60),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="a storage key is made of"):
            call()


async def test_a_signed_address_reads_one_object(store: ObjectStore, browser: httpx.AsyncClient) -> None:
    store.put_if_absent("a.json", b'{"a": 1}')
    store.put_if_absent("b.json", b"other")
    url = store.signed_get("a.json", 60)
    answer = await browser.get(url)
    assert (answer.status_code, answer.content) == (200, b'{"a": 1}')
    assert answer.headers["content-type"] == "application/json"
    assert store.signed_get("a.json", 60) == url
    longer = re.sub(r"([Ee]xpires=)(\d)", r"\g<1>9\2", url)
    assert longer != url
    for altered in (longer, url.replace("a.json", "b.json"), url.split("?")[0]):
        assert (await browser.get(altered)).status_code == 403
    assert (await browser.put(url, content=b"mine")).status_code in (403, 405)


async def test_a_signed_address_offers_a_name(store: ObjectStore, browser: httpx.AsyncClient) -> None:
    store.put_if_absent("a.json", b"{}")
    answer = await browser.get(store.signed_get("a.json", 60, filename='Ünser "Film".mp4'))
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%9Cnser%20%22Film%22.mp4"


async def test_a_signed_address_expires(store: ObjectStore, browser: httpx.AsyncClient) -> None:
    store.put_if_absent("a.json", b"{}")
    url = store.signed_get("a.json", 1)
    upload = store.signed_put("b.png", "image/png", 1, 1)
    async with asyncio.timeout(15):
        while (await browser.get(url)).status_code == 200:
            await asyncio.sleep(0.1)
    assert (await browser.get(url)).status_code == 403
    assert (await _put(browser, upload, b"x")).status_code == 403
    assert store.head("b.png") is None


async def _put(browser: httpx.AsyncClient, upload: SignedUpload, body: bytes, **headers: str) -> httpx.Response:
    sent = upload.headers | {name.replace("_", "-"): value for name, value in headers.items()}
    return await browser.request(upload.method, upload.url, content=body, headers=sent)


async def test_a_signed_upload_creates_once_and_exactly(store: ObjectStore, browser: httpx.AsyncClient) -> None:
    upload = store.signed_put("uploads/1/me.png", "image/png", 5, 60)
    assert (await _put(browser, upload, b"123456")).status_code == 403
    assert (await _put(browser, upload, b"1234")).status_code == 403
    assert (await _put(browser, upload, b"12345", Content_Type="text/html")).status_code == 403
    assert (await browser.get(upload.url)).status_code in (403, 405)
    assert store.head("uploads/1/me.png") is None
    assert (await _put(browser, upload, b"12345")).status_code == 200
    assert (await _put(browser, upload, b"54321")).status_code == 412
    found, info = store.get("uploads/1/me.png"), store.head("uploads/1/me.png")
    assert found
    assert info
    assert (found.body, info.content_type) == (b"12345", "image/png")


def _claim_many(root: Path, name: str, start: Barrier) -> set[int]:
    store = LocalStore(root)
    start.wait()
    won = {number for number in range(20) if store.put_if_absent(f"claims/{number}.json", name.encode())}
    _increment(store, "count.json", 25)
    return won


def test_processes_share_a_folder(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "objects")
    store.put_if_absent("count.json", b"0")
    names = ["plane", "worker-1", "worker-2", "worker-3"]
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(len(names)) as pool:
        start = manager.Barrier(len(names))
        calls = [(tmp_path / "objects", name, start) for name in names]
        won = dict(zip(names, pool.starmap(_claim_many, calls), strict=True))
    assert sorted(number for numbers in won.values() for number in numbers) == list(range(20))
    for name, numbers in won.items():
        for number in numbers:
            found = store.get(f"claims/{number}.json")
            assert found
            assert found.body == name.encode()
    count = store.get("count.json")
    assert count
    assert count.body == b"100"


class Gate(socketserver.ThreadingTCPServer):
    """A gate before the S3 server that swallows the next answers: the server has acted, and nobody hears of it."""

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.upstream = (urlsplit(upstream).hostname, urlsplit(upstream).port)
        self.swallow = 0
        self.ends: list[socket.socket] = []

    def hang_up(self) -> None:
        self.shutdown()
        _shut_down(self.ends)


class _Passage(socketserver.BaseRequestHandler):
    server: Gate

    def handle(self) -> None:
        with socket.create_connection(self.server.upstream) as upstream:
            self.server.ends += [self.request, upstream]
            asking = threading.Thread(target=_pump, args=(self.request, upstream))
            asking.start()
            _pump(upstream, self.request, self._let_through)
            asking.join()

    def _let_through(self, answer: bytes) -> bool:
        # "100 Continue" comes before the body is sent: it is not yet the answer.
        if answer.startswith(b"HTTP/1.1 100"):
            return True
        self.server.swallow -= 1
        return self.server.swallow < 0


def _pump(source: socket.socket, target: socket.socket, let_through: Callable[[bytes], bool] = bool) -> None:
    with suppress(OSError):
        while (data := source.recv(65536)) and let_through(data):
            target.sendall(data)
    _shut_down([source, target])


def _shut_down(ends: list[socket.socket]) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def gated(s3_server: S3Server) -> Iterator[tuple[Gate, S3Store]]:
    with Gate(s3_server.endpoint_url) as gate:
        serving = threading.Thread(target=gate.serve_forever, args=(0.01,))
        serving.start()
        store = S3Store(s3_server.bucket, gate.url, None, s3_server.access_key_id, s3_server.secret_access_key)
        store.delete("gated.json")
        yield gate, store
        gate.hang_up()
        serving.join()


@pytest.mark.s3
def test_a_creation_whose_answer_was_lost_is_a_win(gated: tuple[Gate, S3Store]) -> None:
    gate, store = gated
    gate.swallow = 1
    etag = store.put_if_absent("gated.json", b"mine")
    assert gate.swallow <= 0
    found = store.get("gated.json")
    assert found
    assert (found.body, found.etag) == (b"mine", etag)


@pytest.mark.s3
def test_a_creation_that_failed_without_an_answer_can_be_asked_for_again(gated: tuple[Gate, S3Store]) -> None:
    gate, store = gated
    gate.swallow = 4
    with pytest.raises(StorageFailed, match="The bucket did not answer"):
        store.put_if_absent("gated.json", b"mine")
    assert store.put_if_absent("gated.json", b"mine")
    assert store.put_if_absent("gated.json", b"mine") is None


@pytest.mark.s3
@pytest.mark.parametrize("theirs", [b"them", b"somebody else"])
def test_a_refusal_whose_answer_was_lost_is_a_loss(gated: tuple[Gate, S3Store], theirs: bytes) -> None:
    gate, store = gated
    store.put_if_absent("gated.json", theirs)
    gate.swallow = 1
    assert store.put_if_absent("gated.json", b"mine") is None
    assert gate.swallow <= 0


@pytest.mark.s3
def test_a_replacement_whose_answer_was_lost_is_a_win(gated: tuple[Gate, S3Store]) -> None:
    gate, store = gated
    first = store.put_if_absent("gated.json", b"1")
    assert first
    gate.swallow = 1
    second = store.put_if_match("gated.json", b"2", first)
    found = store.get("gated.json")
    assert found
    assert (found.body, found.etag) == (b"2", second)


@pytest.mark.s3
def test_a_bucket_that_never_answers_fails_in_words(gated: tuple[Gate, S3Store]) -> None:
    gate, store = gated
    gate.swallow = 100
    with pytest.raises(StorageFailed, match="The bucket did not answer") as failed:
        store.put_if_absent("gated.json", b"mine")
    assert failed.value.retryable_now


@pytest.mark.s3
def test_wrong_keys_and_a_missing_bucket_fail_in_words(s3_server: S3Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    wrong = S3Store(s3_server.bucket, s3_server.endpoint_url, None, s3_server.access_key_id, "wrong")
    calls: list[Callable[[], object]] = [
        lambda: wrong.put_if_absent("a.json", b""),
        lambda: wrong.get("a.json"),
        lambda: wrong.upload(tmp_path / "file", "a.json", "application/json"),
        lambda: list(wrong.list("")),
    ]
    for call in calls:
        with pytest.raises(StorageFailed, match="The bucket refused the access key") as failed:
            call()
        assert not failed.value.retryable_now
    missing = S3Store("missing", s3_server.endpoint_url, None, s3_server.access_key_id, s3_server.secret_access_key)
    with pytest.raises(StorageFailed, match="There is no such bucket"):
        missing.get("a.json")
