"""What goes wrong, when: one seeded stream of choices, and a count of everything that was injected."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from shared.errors import StorageFailed

P = ParamSpec("P")
T = TypeVar("T")

STORE_DOWN = "store-down"
DISK_FULL = "disk-full"
UNREACHABLE = "endpoint-unreachable"
"""Files in the campaign's folder: while one is there, the plane's process (and the workers) meet that trouble."""

ODDS = {
    "run: answer lost after acceptance": 0.06,
    "run: request dropped": 0.04,
    "run: malformed answer after acceptance": 0.02,
    "run: answer without an id": 0.02,
    "run: 502 after acceptance": 0.03,
    "run: 503": 0.02,
    "run: 429": 0.04,
    "run: 400": 0.02,
    "run: 401": 0.002,
    "run: slow answer": 0.05,
    "status: answer lost": 0.03,
    "status: malformed answer": 0.02,
    "status: 503": 0.02,
    "status: 429": 0.02,
    "status: slow answer": 0.02,
    "cancel: answer lost": 0.1,
    "cancel: request dropped": 0.1,
    "cancel: 503": 0.1,
    "callback or webhook lost": 0.15,
    "callback or webhook repeated": 0.1,
    "callback or webhook late": 0.15,
    "progress late, out of order": 0.3,
    "worker dies": 0.12,
    "worker's stop notice lost": 0.25,
    "worker's job-done lost": 0.05,
    "job reopened by late progress": 0.03,
    "platform forgets a running job": 0.03,
    "platform calls a running job TIMED_OUT": 0.03,
    "platform runs a live job again, same id": 0.02,
    "engine fails, a retry may help": 0.06,
    "engine fails for good": 0.03,
    "person cancels": 0.15,
    "person submits twice": 0.1,
}
"""Of each call, execution or job it can happen to."""


class Trouble:
    """Strikes by the odds until it is `calm`. The seed fixes the choices; how they interleave is up to the machine."""

    def __init__(self, seed: int, folder: Path, odds: dict[str, float] | None = None) -> None:
        self.folder = folder
        self.calm = False
        self.callbacks_down = False
        self.injected: Counter[str] = Counter()
        self._odds = ODDS | (odds or {})
        self._random = random.Random(seed)
        self.between = self._random.uniform
        self.choice = self._random.choice
        self.shuffle = self._random.shuffle

    def strikes(self, name: str) -> bool:
        """Whether this goes wrong now; counted when it does."""
        struck = self._random.random() < self._odds[name] and not self.calm
        self.injected[name] += struck
        return struck


class StoreTrouble:
    """Calls of a store that fail while it is down: half of them before they took effect, half of them after."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._down = folder / STORE_DOWN
        self._random = random.Random(seed)

    def call(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`act`, or StorageFailed."""
        down = self._down.exists()
        if down and self._random.random() < 0.5:
            raise StorageFailed
        result = act(*args, **kwargs)
        if down:
            raise StorageFailed("The store did it, and its answer was lost")
        return result
