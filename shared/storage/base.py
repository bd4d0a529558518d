"""What both stores promise. Blocking calls: async callers use a thread.

Conditional puts are the ground everything stands on: of any number of writers racing for one key, exactly one wins.
Some servers that speak S3 ignore the conditions: `probe` finds that out, and `registers` does without.
Keys are checked by `shared.references.check_key`. A store that cannot answer raises StorageFailed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Protocol

from shared.errors import MediaRefused

_CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".json": "application/json",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
}


def content_type_of(key: str) -> str:
    """The media type that a key's extension stands for. What a browser could run is never among them."""
    return _CONTENT_TYPES.get(PurePosixPath(key).suffix.lower(), "application/octet-stream")


def too_large(max_bytes: int) -> MediaRefused:
    """The refusal of a file above a limit, in the unit a person would use."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if max_bytes >= size:
            return MediaRefused(f"The file is larger than {round(max_bytes / size, 1):g} {unit}.")
    return MediaRefused(f"The file is larger than {max_bytes} bytes.")


@dataclass(frozen=True)
class StoredObject:
    """A small object read whole, with the ETag that `put_if_match` takes."""

    body: bytes
    etag: str


@dataclass(frozen=True)
class ObjectInfo:
    """What is known of an object without reading it."""

    key: str
    bytes: int
    etag: str
    content_type: str
    modified_at: datetime


@dataclass(frozen=True)
class SignedUpload:
    """Where and how a client may PUT one object of exactly the signed size and type."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "PUT"


class ObjectStore(Protocol):
    """`name` tells stores apart for ever: it is kept beside each key in the job table."""

    @property
    def name(self) -> str:
        """`local`, or `s3://<bucket>@<endpoint host>`."""
        ...

    def with_timeout(self, seconds: float) -> ObjectStore:
        """The same store, tried once a call and given up after `seconds`; a store on this machine just answers."""
        ...

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/json") -> str | None:
        """Create the object and return its ETag; None, and nothing changed, when the key is taken."""
        ...

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = "application/json") -> str | None:
        """Replace the object whose ETag is `etag` and return the new one; None when it has changed or is gone."""
        ...

    def get(self, key: str, max_bytes: int = 1_000_000) -> StoredObject | None:
        """Read a small object whole; None when there is none. StorageFailed when it is larger than `max_bytes`."""
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of the object; None when there is none."""
        ...

    def upload(self, path: Path, key: str, content_type: str) -> None:
        """Store a file of any size under `key`, whole or not at all. Replaces what is there."""
        ...

    def download(self, key: str, path: Path, max_bytes: int) -> int:
        """Copy the object into the file `path` and return its size.

        Raises NotFound when there is none and MediaRefused when it is larger than `max_bytes`.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object below a prefix, in key order."""
        ...

    def signed_get(self, key: str, expires_in: int, filename: str | None = None) -> str:
        """A URL that reads the object for about `expires_in` seconds, offered for download as `filename` if given."""
        ...

    def signed_put(self, key: str, content_type: str, length: int, expires_in: int) -> SignedUpload:
        """A URL that creates the object once, with this type and exactly `length` bytes."""
        ...
