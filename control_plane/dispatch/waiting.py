"""Why a job waits at its endpoint, in plain words. Pure: what `/health` said, and for how long, in; words out.

RunPod's `IN_QUEUE` hides five different situations (four of five "no capacity" reports were crash loops). They are told
apart here by the counts of `/health`, and each comes with what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from control_plane.endpoints.port import EndpointHealth

COLD_START_PATIENCE_SECONDS = 60.0
STALLED_AFTER_SECONDS = 180.0


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
    ahead = health.jobs.get("inProgress", 0)
    return Waiting("waiting_for_worker", f"Waiting for a worker: {ahead} {'job runs' if ahead == 1 else 'jobs run'}")


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
