"""The store for one machine: a folder. The plane and its workers use it at the same time.

An object is written to a temporary file, synced, and then given its name in one step: by a hard link, which fails when
the name is taken, or by a rename. So it is there whole or not at all, and of racing creators exactly one wins. Whatever
takes a name away or replaces it does so under one lock file.

The content type is the one the key's extension stands for. Kept beside the object it could not be written in the same
step, and what a client declares would decide what a browser does with the file.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from shared.errors import Conflict, InvalidRequest, NotFound, StorageFailed
from shared.references import check_key
from shared.storage.base import ObjectInfo, SignedUpload, StoredObject, content_type_of, too_large
from shared.storage.signing import UrlSigner

_HASHED_BYTES = 1_000_000
_ABANDONED_AFTER_SECONDS = 24 * 3600
_NO_SUCH_OBJECT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "its folder may not be used",
    errno.EPERM: "its folder may not be used",
    errno.EROFS: "its folder is read-only",
    errno.ENAMETOOLONG: "a name in the key is too long",
    errno.EEXIST: "a part of the key is the name of another object",
    errno.ENOTDIR: "a part of the key is the name of another object",
    errno.EISDIR: "the key is a part of another object's key",
}


@contextmanager
def _failures_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(
            f"The store failed: {_WORDS.get(error.errno or 0, 'its folder cannot be used')}."
        ) from error


def _etag(file: IO[bytes]) -> str:
    """A hash of what is small enough to be compared and replaced; of a large file, which is not, its identity."""
    status = os.fstat(file.fileno())
    if status.st_size > _HASHED_BYTES:
        return f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"'
    file.seek(0)
    return f'"{hashlib.sha256(file.read()).hexdigest()}"'


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _create(file: IO[bytes], target: Path) -> bool:
    """Give a temporary file its name, durably; False when the name is taken."""
    _sync(file)
    _make_folder(target.parent)
    try:
        target.hardlink_to(file.name)
    except FileExistsError:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        return False
    _sync_folder(target.parent)
    return True


def _replace(file: IO[bytes], target: Path) -> None:
    Path(file.name).replace(target)
    _sync_folder(target.parent)


class LocalStore:
    """Objects as files below `root`, each under its own key. Without a signer it gives out no URLs."""

    name = "local"

    def __init__(self, root: Path, signer: UrlSigner | None = None) -> None:
        with _failures_in_words():
            _make_folder(root.absolute())
            self._root = root.resolve()
            # No key begins with a dot, so neither of these can be an object.
            self._temporary = self._root / ".tmp"
            self._lock_file = self._root / ".lock"
            self._temporary.mkdir(mode=0o700, exist_ok=True)
            self._sweep()
        self._signer = signer

    def path(self, key: str) -> Path:
        """Where the object of `key` lies or would lie. ValueError for an odd key; links are not followed."""
        path = self._root / check_key(key)
        with _failures_in_words():
            followed = path.resolve()
        if followed != path:
            raise StorageFailed("The store failed: its folder holds a link, which is not followed.", retryable=False)
        return path

    def with_timeout(self, seconds: float) -> LocalStore:  # noqa: ARG002 - a disk does not keep one waiting
        """See ObjectStore."""
        return self

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/json") -> str | None:  # noqa: ARG002 - by the key
        """See ObjectStore."""
        target = self.path(key)
        with _failures_in_words(), self._temporary_file() as file:
            file.write(body)
            return _etag(file) if _create(file, target) else None

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = "application/json") -> str | None:  # noqa: ARG002 - by the key
        """See ObjectStore."""
        target = self.path(key)
        with _failures_in_words(), self._temporary_file() as file:
            file.write(body)
            _sync(file)
            with self._lock():
                found = self._open(key)
                if found is None:
                    return None
                with found:
                    if _etag(found) != etag:
                        return None
                _replace(file, target)
            return _etag(file)

    def get(self, key: str, max_bytes: int = 1_000_000) -> StoredObject | None:
        """See ObjectStore."""
        with _failures_in_words():
            file = self._open(key)
            if file is None:
                return None
            with file:
                if os.fstat(file.fileno()).st_size > max_bytes:
                    raise StorageFailed("The store failed: the object is larger than expected.", retryable=False)
                return StoredObject(file.read(), _etag(file))

    def head(self, key: str) -> ObjectInfo | None:
        """See ObjectStore."""
        with _failures_in_words():
            file = self._open(key)
            if file is None:
                return None
            with file:
                status = os.fstat(file.fileno())
                modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                return ObjectInfo(key, status.st_size, _etag(file), content_type_of(key), modified_at)

    def upload(self, path: Path, key: str, content_type: str) -> None:  # noqa: ARG002 - by the key
        """See ObjectStore."""
        target = self.path(key)
        with path.open("rb") as source, _failures_in_words(), self._temporary_file() as file:
            shutil.copyfileobj(source, file, 1 << 20)
            _sync(file)
            _make_folder(target.parent)
            with self._lock():
                _replace(file, target)

    def download(self, key: str, path: Path, max_bytes: int) -> int:
        """See ObjectStore."""
        with _failures_in_words():
            source = self._open(key)
            if source is None:
                raise NotFound("There is no such file in the store.")
            with source:
                size = os.fstat(source.fileno()).st_size
                if size > max_bytes:
                    raise too_large(max_bytes)
                try:
                    with path.open("wb") as file:
                        shutil.copyfileobj(source, file, 1 << 20)
                except OSError:
                    path.unlink(missing_ok=True)
                    raise
                return size

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        path = self.path(key)
        with _failures_in_words(), suppress(*_NO_SUCH_OBJECT), self._lock():
            path.unlink()
            _sync_folder(path.parent)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See ObjectStore."""
        folder = prefix[: prefix.rfind("/") + 1]
        if folder:
            self.path(folder.removesuffix("/"))
        return self._walk(folder, prefix)

    def signed_get(self, key: str, expires_in: int, filename: str | None = None) -> str:
        """See ObjectStore."""
        return self._need_signer().sign_get(check_key(key), expires_in, filename)

    def signed_put(self, key: str, content_type: str, length: int, expires_in: int) -> SignedUpload:
        """See ObjectStore."""
        return self._need_signer().sign_put(check_key(key), content_type, length, expires_in)

    async def receive(self, key: str, chunks: AsyncIterator[bytes], length: int) -> str:
        """Create the object from exactly `length` bytes as they arrive, and return its ETag.

        Raises Conflict when the key is taken and InvalidRequest when the length is another; then nothing is kept.
        """
        target = self.path(key)
        if target.exists():
            raise Conflict("That file has been uploaded already.")
        with _failures_in_words(), self._temporary_file() as file:
            received = 0
            async for chunk in chunks:
                received += len(chunk)
                if received > length:
                    break
                await asyncio.to_thread(file.write, chunk)
            if received != length:
                raise InvalidRequest(f"The upload must be exactly {length} bytes long.")
            if not await asyncio.to_thread(_create, file, target):
                raise Conflict("That file has been uploaded already.")
            return _etag(file)

    def _need_signer(self) -> UrlSigner:
        if self._signer is None:
            raise StorageFailed("This process has no secret to sign addresses with.", retryable=False)
        return self._signer

    def _open(self, key: str) -> IO[bytes] | None:
        try:
            return self.path(key).open("rb")
        except _NO_SUCH_OBJECT:
            return None

    @contextmanager
    def _temporary_file(self) -> Iterator[IO[bytes]]:
        """A file that nobody sees; at the end its temporary name is gone, whatever happened."""
        with tempfile.NamedTemporaryFile(dir=self._temporary, delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with self._lock_file.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _sweep(self) -> None:
        """Remove what a killed process left half written."""
        for path in self._temporary.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
                    path.unlink()

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        for key in self._children(folder):
            if not key.startswith(prefix):
                continue
            if key.endswith("/"):
                yield from self._walk(key, prefix)
            elif info := self.head(key):
                yield info

    def _children(self, folder: str) -> tuple[str, ...]:
        """The keys right below `folder`, folders ending in `/`: so sorted they are in the order of whole keys."""
        keys = []
        with _failures_in_words(), suppress(*_NO_SUCH_OBJECT), os.scandir(self._root / folder) as entries:
            for entry in entries:
                with suppress(ValueError):
                    key = check_key(folder + entry.name)
                    if not entry.is_symlink():
                        keys.append(f"{key}/" if entry.is_dir() else key)
        return tuple(sorted(keys))
