"""How far a film is, put together from ffmpegs that run side by side; and the way to stop them all."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gpu_worker.context import Report


class Stopped(Exception):
    """Another part of the film has failed, so this one need not be finished."""


class Meter:
    """Weighted parts of one whole. Any thread may report; the whole never goes back."""

    def __init__(self, report: Report, weights: dict[str, float]) -> None:
        self._report = report
        self._weights = weights
        self._shares = dict.fromkeys(weights, 0.0)
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def part(self, name: str, stage: str, message: str = "") -> Callable[[float], None]:
        """A callback for the share, 0 to 1, of the part `name` that is done. It raises Stopped after `stop`."""

        def done(share: float) -> None:
            if self._stopped.is_set():
                raise Stopped
            with self._lock:
                self._shares[name] = max(self._shares[name], share)
                whole = sum(self._weights[part] * self._shares[part] for part in self._weights)
                self._report(stage, int(99 * whole / sum(self._weights.values())), message)

        return done

    def stop(self) -> None:
        """End every ffmpeg that reports here, at its next report."""
        self._stopped.set()
