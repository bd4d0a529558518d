"""Finished parts that outlive a lost worker: a film that was two thirds done goes on from there.

A part is known by all that it is made of: what ffmpeg was told, the captions, and every byte of the files it reads,
since what lies at an address may be another film by the time the job runs again.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpu_worker.context import Checkpoints
from gpu_worker.media.ffmpeg import ffmpeg_version

WORTH_KEEPING_SECONDS = 60.0
"""Films that are made sooner than this are made again; sending their parts away would take longer."""


@dataclass(frozen=True)
class Recipe:
    """What a part is made by and of: ffmpeg's arguments, the captions, and the files that the arguments read."""

    arguments: Sequence[str]
    captions: str
    files: Sequence[Path]


class Keeper:
    """Keeps parts under names that say what they were made of. `clock` in seconds."""

    def __init__(self, folder: Path, kept: Checkpoints, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._kept = kept
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._hashes: dict[Path, str] = {}

    def has(self, names: list[str], recipe: Recipe) -> bool:
        """Take over parts that an earlier run of the job finished, if it did."""
        # Files are read for their hashes only where something may come of it.
        if not self._kept.folder.is_dir() or not any(self._kept.folder.iterdir()):
            return False
        digest = self.digest(recipe)
        found = [self._kept.folder / f"{digest}-{name}" for name in names]
        if not all(path.exists() for path in found):
            return False
        for path, name in zip(found, names, strict=True):
            shutil.move(path, self._folder / name)
        return True

    def keep(self, names: list[str], recipe: Recipe) -> None:
        """Send finished parts where another worker finds them, once the job has run for a while."""
        if self._clock() - self._began < WORTH_KEEPING_SECONDS:
            return
        digest = self.digest(recipe)
        for name in names:
            self._kept.keep(self._folder / name, f"{digest}-{name}")

    def digest(self, recipe: Recipe) -> str:
        """The same for the same work, whatever folder the files lie in."""
        told = [re.sub(r"^file:.*/", "", argument) for argument in recipe.arguments]
        read = [self._hash(path) for path in recipe.files]
        return hashlib.sha256("\0".join([ffmpeg_version(), *told, recipe.captions, *read]).encode()).hexdigest()[:16]

    def _hash(self, path: Path) -> str:
        with self._lock:
            if path not in self._hashes:
                with path.open("rb") as file:
                    self._hashes[path] = hashlib.file_digest(file, "sha256").hexdigest()
            return self._hashes[path]
