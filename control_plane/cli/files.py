"""Files to the server's store and from it: signed addresses, so that they never pass through the API itself."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from control_plane.cli.client import Client, Job, checked, is_near
from control_plane.cli.words import ApiError, UsageError

PIECE = 1 << 20
TRIES = 5
TYPES = {
    ".mkv": "video/x-matroska", ".m4v": "video/mp4", ".webp": "image/webp", ".weba": "audio/webm",
    ".flac": "audio/flac", ".srt": "application/x-subrip", ".vtt": "text/vtt", ".ass": "text/x-ssa",
    ".cube": "application/x-cube",
}  # fmt: skip
"""Python's own table lacks these, or says something that browsers do not."""
Moved = Callable[[int], object]


class Uploads:
    """Uploads each file once; `address` is what params then say."""

    def __init__(self, client: Client, moved: Callable[[Path], Moved]) -> None:
        self._client = client
        self._moved = moved
        self._done: dict[Path, str] = {}

    def address(self, file: Path) -> str:
        """Its `storage://` address. Raises ApiError, UsageError for a file that cannot be read."""
        known = file.resolve()
        if known not in self._done:
            self._done[known] = self._upload(file)
        return self._done[known]

    def _upload(self, file: Path) -> str:
        content_type = TYPES.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0] or "unknown"
        try:
            wish = {"filename": file.name[-200:], "content_type": content_type, "bytes": file.stat().st_size}
            slot = self._client.post("/uploads", wish)
            moved = self._moved(file)
            headers = {**slot["headers"], "Content-Length": str(wish["bytes"])}
            _put(slot["upload_url"], headers, file, moved)
            return str(slot["url"])
        except (ApiError, UsageError) as refused:
            raise type(refused)(f"{file}: {refused}") from refused
        except OSError as wrong:
            raise UsageError(f"{file}: {wrong.strerror}") from wrong


def _put(url: str, headers: dict[str, str], file: Path, moved: Moved) -> None:
    """A store that was sent part of a file has nothing; one that has all of it says so when it is sent again."""
    for left in reversed(range(TRIES)):
        try:
            with httpx.Client(timeout=60, trust_env=not is_near(url)) as bare:
                answer = bare.put(url, headers=headers, content=_pieces(file, moved))
        except httpx.TransportError as trouble:
            if not left:
                raise ApiError("the store does not answer") from trouble
            continue
        if left == TRIES - 1 or answer.status_code not in (409, 412):
            checked(answer)
        return


def _pieces(file: Path, moved: Moved) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(PIECE):
            yield piece
            moved(len(piece))


def download(client: Client, job_id: str, folder: Path, moved: Callable[[str, int], Moved]) -> Iterator[Path]:
    """Every output of a job as a file in `folder`; what is there already and the same is left alone."""
    job: Job = client.get(f"/jobs/{job_id}")
    if job["status"] != "SUCCEEDED":
        raise ApiError(f"Job {job_id} has no outputs: it is {job['status']}")
    folder.mkdir(parents=True, exist_ok=True)
    for number, output in enumerate(job["outputs"]):
        target = folder / (PurePosixPath(output["key"]).name or f"output-{number}")
        if not target.exists():
            _fetch(client, job_id, number, target, moved(target.name, output["bytes"]))
        elif _digest(target) != output["sha256"]:
            raise UsageError(f"{target} is there already and is another file")
        yield target


def _fetch(client: Client, job_id: str, number: int, target: Path, moved: Moved) -> None:
    """A connection that breaks is taken up where it broke, by a fresh link."""
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    for left in reversed(range(TRIES)):
        output: dict[str, Any] = client.get(f"/jobs/{job_id}")["outputs"][number]
        try:
            _append(output["url"], draft, moved)
            break
        except httpx.TransportError as trouble:
            if not left:
                raise ApiError(f"{target.name} did not come whole: {trouble}") from trouble
    if _digest(draft) != output["sha256"]:
        draft.unlink()
        raise ApiError(f"{target.name} is not what the worker made: its SHA-256 differs")
    draft.replace(target)


def _append(url: str, draft: Path, moved: Moved) -> None:
    there = draft.stat().st_size if draft.exists() else 0
    wanted = {"Range": f"bytes={there}-"} if there else {}
    with httpx.stream("GET", url, headers=wanted, timeout=60, trust_env=not is_near(url)) as answer:
        if answer.is_error:
            answer.read()
        checked(answer)
        # A store that answers 200 to a Range begins from the beginning.
        with draft.open("ab" if answer.status_code == httpx.codes.PARTIAL_CONTENT else "wb") as file:
            for piece in answer.iter_bytes(PIECE):
                file.write(piece)
                moved(len(piece))


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
