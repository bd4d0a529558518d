"""How long a job will take and what it will cost, before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Literal

from control_plane.ledger.budget import COLD_START_SECONDS, IDLE_SECONDS
from control_plane.ledger.money import cost
from shared.job_types import JobType

DEFAULT_SECONDS: dict[JobType, tuple[int, int]] = {
    JobType.RENDER: (60, 900),
    JobType.IMG2VID: (20, 900),
    JobType.TTS: (2, 60),
    JobType.LIPSYNC: (20, 900),
    JobType.TRAIN_TWIN: (900, 7200),
    JobType.EXPORT: (5, 900),
}
"""A quick and a slow run of each type, until the owner's own jobs tell better."""

ENOUGH = 5


@dataclass(frozen=True)
class Estimate:
    """Seconds on a worker and micro-dollars, low and high. `basis` says whether they are the owner's own figures."""

    low_seconds: float
    high_seconds: float
    low: int
    high: int
    basis: Literal["history", "default"]
    samples: int


def estimate(job_type: JobType, nanos: int, history: Sequence[float]) -> Estimate:
    """From the seconds of the owner's finished jobs of the type: 10th to 90th percentile once there are five.

    Low pays for the run on a warm worker, high for a cold start before and the idle time after it.
    """
    low, high = DEFAULT_SECONDS[job_type]
    seconds: tuple[float, float] = (low, high)
    if len(history) >= ENOUGH:
        tenths = quantiles(history, n=10, method="inclusive")
        seconds = (tenths[0], tenths[-1])
    return Estimate(
        low_seconds=round(seconds[0], 1),
        high_seconds=round(seconds[1], 1),
        low=cost(seconds[0], nanos),
        high=cost(seconds[1] + COLD_START_SECONDS + IDLE_SECONDS, nanos),
        basis="history" if len(history) >= ENOUGH else "default",
        samples=len(history),
    )
