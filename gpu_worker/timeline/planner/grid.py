"""The film's grids. Every moment is rounded by itself, so that roundings never add up."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from gpu_worker.media.loudness import RATE

# Of a frame: what sums of decimal fractions may be off.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Grid:
    """`fps` frames and RATE samples a second."""

    fps: int

    def frame(self, seconds: float) -> int:
        """The frame that begins nearest to this moment."""
        return floor(seconds * self.fps + 0.5 + _ROUNDING)

    def frame_at(self, seconds: float) -> int:
        """The frame on show at this moment."""
        return floor(seconds * self.fps + _ROUNDING)

    def sample(self, frame: int) -> int:
        """The sample with which a frame begins."""
        return round(frame * RATE / self.fps)
