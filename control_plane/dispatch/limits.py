"""How long things may take, in seconds, and how often a job may be tried at most: `retries` says how often it is."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.endpoints.port import Policy
from shared.job_types import JobType

DEADLINE_SECONDS: dict[JobType, float] = {
    JobType.RENDER: 3600,
    JobType.IMG2VID: 3600,
    JobType.TTS: 900,
    JobType.LIPSYNC: 3600,
    JobType.TRAIN_TWIN: 6 * 3600,
    JobType.EXPORT: 2 * 3600,
}
"""Of one run, held by the worker itself; the platform's own limit lies a little above it."""

START_WITHIN_SECONDS = 6 * 3600.0
PLATFORM_MARGIN_SECONDS = 120.0


@dataclass(frozen=True)
class Limits:
    """What the follower's decisions depend on; tests make them short. Seconds; `rest` scales pauses before a retry."""

    skew: float = 30.0
    unknown_grace: float = 30.0
    start_within: float = START_WITHIN_SECONDS
    look_every: float = 1.0
    look_every_with_callbacks: float = 10.0
    max_attempts: int = 8
    rest: float = 1.0


def policy(deadline_seconds: float, limits: Limits) -> Policy:
    """The platform's limits for an attempt.

    RunPod's default of 10 minutes would kill long work, and its `ttl` runs from submission and deletes a job in
    whatever state: it must cover the longest wait and the run.
    """
    execution = deadline_seconds + PLATFORM_MARGIN_SECONDS
    return Policy(round(execution * 1000), round((limits.start_within + execution) * 1000))
