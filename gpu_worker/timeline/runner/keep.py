"""Finished parts that outlive a lost worker: a film that was two thirds done goes on from there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from gpu_worker.context import Checkpoints

WORTH_KEEPING_SECONDS = 60.0
"""Films that are made sooner than this are made again; sending their parts away would take longer."""


class Keeper:
    """Keeps parts under names that say what they were made of. `clock` in seconds."""

    def __init__(self, folder: Path, kept: Checkpoints, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._kept = kept
        self._clock = clock
        self._began = clock()

    def has(self, names: list[str], digest: str) -> bool:
        """Take over parts that an earlier run of the job finished, if it did."""
        found = [self._kept.folder / f"{digest}-{name}" for name in names]
        if not all(path.exists() for path in found):
            return False
        for path, name in zip(found, names, strict=True):
            shutil.move(path, self._folder / name)
        return True

    def keep(self, names: list[str], digest: str) -> None:
        """Send finished parts where another worker finds them, once the job has run for a while."""
        if self._clock() - self._began < WORTH_KEEPING_SECONDS:
            return
        for name in names:
            self._kept.keep(self._folder / name, f"{digest}-{name}")
