"""Why a job waits at its endpoint, and for how long it usually does, in plain words. Pure: facts in, words out.

RunPod's `IN_QUEUE` hides five different situations (four of five "no capacity" reports were crash loops). They are told
apart here by the counts of `/health`, and each comes with what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from control_plane.clock import spoken
from control_plane.endpoints.port import EndpointHealth

COLD_START_PATIENCE_SECONDS = 60.0
STALLED_AFTER_SECONDS = 180.0
ENOUGH_WAITS = 5
ROUND_SECONDS = (0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 4 * 3600, 8 * 3600)
"""What is said of the past stays the same from job to job, and is no more exact than it is."""
PASSES_BY_ITSELF = {"waiting_for_worker", "cold_start", "throttled"}
"""Where the past tells how long it takes. The other reasons last until the owner does something."""


@dataclass(frozen=True)
class Waiting:
    """`stage` is stable and for programs; `message` is for the person, `advice` for the owner (empty: just wait)."""

    stage: str
    message: str
    advice: str = ""


@dataclass(frozen=True)
class Seen:
    """The latest `/health` answer. `message` says in words what is wrong while `connected` is False."""

    connected: bool = False
    message: str = "The endpoint has not answered yet"
    health: EndpointHealth = field(default_factory=EndpointHealth)


@dataclass(frozen=True)
class UsualWait:
    """One wait of five was over within `low_seconds`, nine of ten within `high_seconds`."""

    low_seconds: int
    high_seconds: int
    samples: int

    @property
    def words(self) -> str:
        """`usually 20 s to 2 min`."""
        low = f"{spoken(self.low_seconds)} to " if self.low_seconds else "within "
        return f"usually {low}{spoken(self.high_seconds)}"


def usual_wait(waited_ms: Sequence[int]) -> UsualWait | None:
    """From the owner's own latest waits, 20th to 90th percentile; None while there are too few to tell."""
    if len(waited_ms) < ENOUGH_WAITS:
        return None
    tenths = [milliseconds / 1000 for milliseconds in quantiles(waited_ms, n=10, method="inclusive")]
    low = max(step for step in ROUND_SECONDS if step <= tenths[1])
    high = min((step for step in ROUND_SECONDS if step >= tenths[8] and step > low), default=ROUND_SECONDS[-1])
    return UsualWait(low, high, len(waited_ms))


def explain(seen: Seen, seconds_queued: float) -> Waiting:
    """Why jobs wait; `seconds_queued` is for how long the endpoint has had a queue and nothing has left it."""
    if not seen.connected:
        return Waiting("endpoint_unreachable", _sentence(seen.message), "See GET /endpoint and the endpoint's console")
    workers = seen.health.workers
    if _count(workers, "running", "idle", "ready"):
        return _with_workers(seen.health, seconds_queued)
    return _without_workers(seen.health, seconds_queued)


def _with_workers(health: EndpointHealth, seconds_queued: float) -> Waiting:
    if not health.jobs.get("inProgress") and health.jobs.get("inQueue") and seconds_queued > STALLED_AFTER_SECONDS:
        return Waiting(
            "stalled",
            "A worker runs but takes no job",
            "It is being paid for: look at the worker's log, or cancel the job and restart the worker",
        )
    if health.jobs.get("inProgress") and not health.workers.get("idle"):
        return Waiting("waiting_for_worker", "Waiting for a worker: all of them are at work")
    return Waiting("waiting_for_worker", "Waiting for a worker")


def _without_workers(health: EndpointHealth, seconds_queued: float) -> Waiting:
    workers = health.workers
    if _count(workers, "unhealthy"):
        return Waiting(
            "crash_looping",
            "The endpoint's workers crash when they start",
            "Look at the worker's log: a missing model, a wrong image or too little memory are the usual reasons",
        )
    if _count(workers, "initializing"):
        return Waiting("cold_start", "A worker is starting: its image and models are being loaded")
    if _count(workers, "throttled"):
        return Waiting(
            "throttled",
            "No GPU of the wanted kind is free at the moment",
            "Allow more GPU kinds or data centres on the endpoint, or wait",
        )
    if seconds_queued > COLD_START_PATIENCE_SECONDS:
        return Waiting(
            "scaled_to_zero",
            "The endpoint has no workers",
            "RunPod sets idle endpoints to 0 workers after 7 days: raise max workers in its console",
        )
    return Waiting("cold_start", "A worker is being started")


def _count(workers: dict[str, int], *states: str) -> int:
    return sum(workers.get(state, 0) for state in states)


def _sentence(message: str) -> str:
    return message.rstrip(".")
