from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.errors import Conflict, InvalidRequest, StorageFailed
from shared.storage.local import LocalStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


async def _chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def _temporary(root: Path) -> list[Path]:
    return list((root / ".tmp").iterdir())


def test_listing_is_in_the_order_of_whole_keys(store: LocalStore) -> None:
    keys = ["a-b.json", "a.json", "a/x.json", "a/y/z.json", "a0.json"]
    for key in keys:
        store.put_if_absent(key, b"{}")
    assert [item.key for item in store.list("")] == keys == sorted(keys)


def test_only_the_owner_can_read_the_folder(store: LocalStore, root: Path) -> None:
    store.put_if_absent("a/b.json", b"{}")
    assert all(path.stat().st_mode & 0o077 == 0 for path in (root, root / "a", root / "a/b.json"))


def test_a_prefix_cannot_leave_the_folder(store: LocalStore) -> None:
    for prefix in ("../", "a/../../", "/etc/", "a//"):
        with pytest.raises(ValueError, match="a storage key is made of"):
            store.list(prefix)


def test_links_are_not_followed(store: LocalStore, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.json").write_text("secret")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "file.json").symlink_to(tmp_path / "outside" / "secret.json")
    for key in ("folder/secret.json", "file.json"):
        calls: list[Callable[[], object]] = [
            lambda key=key: store.get(key),
            lambda key=key: store.head(key),
            lambda key=key: store.path(key),
            lambda key=key: store.put_if_absent(key, b"mine"),
            lambda key=key: store.delete(key),
            lambda key=key: store.download(key, tmp_path / "target", 100),
        ]
        for call in calls:
            with pytest.raises(StorageFailed, match="not followed"):
                call()
    assert list(store.list("")) == []
    with pytest.raises(StorageFailed, match="not followed"):
        store.list("folder/")


def test_a_browser_is_never_given_something_to_run(store: LocalStore) -> None:
    for key, content_type in {
        "a.html": "application/octet-stream",
        "a.svg": "application/octet-stream",
        "a.js": "application/octet-stream",
        "a": "application/octet-stream",
        "a.MP4": "video/mp4",
    }.items():
        store.put_if_absent(key, b"<script>", content_type="text/html")
        info = store.head(key)
        assert info
        assert info.content_type == content_type


def test_a_large_object_gets_a_new_etag_when_it_is_replaced(store: LocalStore, tmp_path: Path) -> None:
    etags = set()
    for letter in (b"a", b"b"):
        (tmp_path / "file").write_bytes(letter * 2_000_000)
        store.upload(tmp_path / "file", "large.mp4", "video/mp4")
        info = store.head("large.mp4")
        assert info
        assert list(store.list("")) == [info]
        etags.add(info.etag)
    assert len(etags) == 2
    body = b"x" * 2_000_000
    etag = store.put_if_absent("other.mp4", body)
    found = store.get("other.mp4", max_bytes=len(body))
    assert found
    assert found.etag == etag


async def test_a_change_waits_for_the_change_before_it(store: LocalStore, root: Path) -> None:
    etag = store.put_if_absent("a.json", b"1")
    assert etag
    with (root / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        replacing = asyncio.create_task(asyncio.to_thread(store.put_if_match, "a.json", b"mine", etag))
        async with asyncio.timeout(10):
            while not any(path.stat().st_size for path in _temporary(root)):
                await asyncio.sleep(0)
        (root / "theirs").write_bytes(b"theirs")
        (root / "theirs").replace(root / "a.json")
    assert await replacing is None
    found = store.get("a.json")
    assert found
    assert found.body == b"theirs"


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EIO, "cannot be used")],
)
def test_a_failing_disk_in_words(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, "secret details", str(root))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageFailed, match=words) as failed:
        store.put_if_absent("a.json", b"{}")
    assert str(root) not in failed.value.message
    assert store.get("a.json") is None
    assert _temporary(root) == []


def test_keys_that_a_folder_cannot_hold_fail_in_words(store: LocalStore) -> None:
    store.put_if_absent("a/b.json", b"{}")
    with pytest.raises(StorageFailed, match="a name in the key is too long"):
        store.put_if_absent("x" * 300, b"{}")
    with pytest.raises(StorageFailed, match="a part of another object's key"):
        store.put_if_absent("a", b"{}")
    with pytest.raises(StorageFailed, match="the name of another object"):
        store.put_if_absent("a/b.json/c", b"{}")


def test_what_a_killed_process_left_is_removed_after_a_day(store: LocalStore, root: Path) -> None:
    old, fresh = root / ".tmp" / "old", root / ".tmp" / "fresh"
    for path in (old, fresh):
        path.write_text("half")
    os.utime(old, (time.time() - 90_000,) * 2)
    assert list(store.list("")) == []
    LocalStore(root)
    assert _temporary(root) == [fresh]


def test_without_a_signer_there_are_no_addresses(store: LocalStore) -> None:
    with pytest.raises(StorageFailed, match="no secret to sign"):
        store.signed_get("a.json", 60)
    with pytest.raises(StorageFailed, match="no secret to sign"):
        store.signed_put("a.json", "application/json", 1, 60)


async def test_receiving_creates_an_object(store: LocalStore, root: Path) -> None:
    etag = await store.receive("uploads/a.png", _chunks(b"123", b"", b"45"), 5)
    found = store.get("uploads/a.png")
    assert found
    assert (found.body, found.etag) == (b"12345", etag)
    assert _temporary(root) == []


@pytest.mark.parametrize("parts", [(b"1234",), (b"123", b"456"), ()])
async def test_another_length_is_refused(store: LocalStore, root: Path, parts: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidRequest, match="exactly 5 bytes"):
        await store.receive("a.png", _chunks(*parts), 5)
    assert store.head("a.png") is None
    assert _temporary(root) == []


async def test_an_endless_upload_is_cut_off(store: LocalStore) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"123456"
        pytest.fail("more was read than was announced")

    with pytest.raises(InvalidRequest):
        await store.receive("a.png", endless(), 5)


async def test_of_two_uploads_at_once_the_first_to_end_wins(store: LocalStore) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"slow"
        begun.set()
        await go_on.wait()

    slower = asyncio.create_task(store.receive("a.png", slow(), 4))
    await begun.wait()
    assert store.head("a.png") is None
    assert list(store.list("")) == []
    await store.receive("a.png", _chunks(b"fast"), 4)
    go_on.set()
    with pytest.raises(Conflict):
        await slower
    with pytest.raises(Conflict):
        await store.receive("a.png", _chunks(b"late"), 4)
    found = store.get("a.png")
    assert found
    assert found.body == b"fast"


async def test_a_client_that_vanishes_leaves_nothing(store: LocalStore, root: Path) -> None:
    begun = asyncio.Event()

    async def vanishing() -> AsyncIterator[bytes]:
        yield b"half"
        begun.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(store.receive("a.png", vanishing(), 100))
    await begun.wait()
    assert len(_temporary(root)) == 1
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert store.head("a.png") is None
    assert _temporary(root) == []
