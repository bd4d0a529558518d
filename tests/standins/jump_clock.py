"""A clock for tests of limits that take minutes."""

from __future__ import annotations

import time


class JumpClock:
    """Seconds that pass as always, and can be made to jump."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def jump(self, seconds: float) -> None:
        self._ahead += seconds
