"""What is said while a twin is trained: the step, its loss, its pace and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

from gpu_worker.context import Report
from gpu_worker.engines.diffusion.steps import in_words

FIRST, LAST = 8, 97
"""Of the run's 100 parts, those between which the steps lie."""


class Pace:
    """Follows `steps` steps of which `done` were done by an earlier worker. Whatever `report` raises stops the run
    between two steps. `clock` in seconds.
    """

    def __init__(self, report: Report, *, steps: int, done: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._report, self._clock = report, clock
        self._steps, self._done = steps, done
        self.seconds, self._timed, self._started = 0.0, -1, 0.0

    @property
    def seconds_a_step(self) -> float | None:
        """The mean, without the first step, in which memory is found, and without what lies between steps."""
        return self.seconds / self._timed if self._timed > 0 else None

    @property
    def progress(self) -> int:
        """How far the run is, 0 to 100."""
        return FIRST + (LAST - FIRST) * self._done // self._steps

    def begin(self) -> None:
        """Before each step."""
        self._started = self._clock()

    def end(self, loss: float) -> None:
        """After it."""
        took = self._clock() - self._started
        self._done += 1
        self._timed += 1
        self.seconds += took if self._timed else 0
        self._report("training", self.progress, f"step {self._done}/{self._steps}, loss {loss:.3f}{self._left()}")

    def aside(self, stage: str, message: str) -> None:
        """Something that is no step."""
        self._report(stage, self.progress, message)

    def _left(self) -> str:
        pace = self.seconds_a_step
        if pace is None:
            return ""
        left = pace * (self._steps - self._done)
        return f", {pace:.3g} s a step" + (f", about {in_words(left)} left" if left else "")
