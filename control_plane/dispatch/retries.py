"""How often a job is tried, and how long it rests in between: by why it failed, and by what it costs to try.

The worker's `retryable` says whether another attempt could go well at all; the table says how many are worth it. An
attempt counts against the rule of its own error code alone, and all of them together against `MAX_ATTEMPTS`. Each one
is put to the budget again by the dispatcher, so no number here can spend more than the caps allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from control_plane.clock import spoken
from shared.job_types import JobType
from shared.wire import Failure

JITTER = 0.25
"""Pauses grow by up to this share, or the jobs that one outage ended would all come back in one moment."""


@dataclass(frozen=True)
class Rule:
    """How many attempts may end this way. The first pause is `first` seconds, each next `growth` times it, to `top`."""

    attempts: int
    first: float = 5.0
    growth: float = 3.0
    top: float = 600.0


NEVER = Rule(attempts=1)
UNFORESEEN = Rule(attempts=2, first=30.0)
"""A code that has no row, as a newer worker may send one."""

RULES: dict[str, Rule] = {
    # The machine went away or never took the job: another one is all it needs.
    "WORKER_LOST": Rule(attempts=4, first=1.0, top=60.0),
    "LEASE_LOST": Rule(attempts=4, first=1.0, top=60.0),
    "WORKER_FAILED": Rule(attempts=3, first=10.0),
    "START_TOO_LATE": Rule(attempts=3),
    "NOT_STARTED": Rule(attempts=3),
    "SUBMIT_LOST": Rule(attempts=3),
    # What it needs may be there in a while. The worker has waited a minute of its own by then.
    "STORAGE_FAILED": Rule(attempts=4, first=15.0, growth=4.0),
    "OUTPUT_MISSING": Rule(attempts=3, first=2.0),
    "MEDIA_REFUSED": Rule(attempts=3, first=15.0, growth=4.0),
    "DISK_FULL": Rule(attempts=3, first=15.0),
    "FETCH_FAILED": Rule(attempts=3, first=15.0, growth=4.0),
    # It ran and failed. Once more on another machine; after that the same money would buy the same failure.
    "ENGINE_FAILED": Rule(attempts=2),
    "OUT_OF_MEMORY": Rule(attempts=2),
    # Nothing would be different.
    **dict.fromkeys(("INVALID_REQUEST", "INVALID_PARAMS", "NOT_FOUND", "CONFLICT", "UNAUTHORIZED"), NEVER),
    **dict.fromkeys(("ENGINE_UNAVAILABLE", "BAD_WEIGHTS", "PROTOCOL_MISMATCH", "DEADLINE_EXCEEDED", "INTERNAL"), NEVER),
    **dict.fromkeys(("CANCELED", "CANCELED_REMOTELY", "COST_CAP_EXCEEDED"), NEVER),
}

BY_TYPE: dict[tuple[JobType, str], Rule] = {
    # Training goes on from its last checkpoint, so a lost machine costs minutes.
    (JobType.TRAIN_TWIN, "WORKER_LOST"): Rule(attempts=8, first=1.0, top=60.0),
    (JobType.TRAIN_TWIN, "LEASE_LOST"): Rule(attempts=8, first=1.0, top=60.0),
    # Seconds of CPU.
    (JobType.TTS, "ENGINE_FAILED"): Rule(attempts=3, first=2.0),
    (JobType.EXPORT, "ENGINE_FAILED"): Rule(attempts=3, first=2.0),
}


@dataclass(frozen=True)
class NextTry:
    """In how many seconds, and what the person is told until then."""

    seconds: float
    message: str


def rule_of(job_type: JobType, code: str) -> Rule:
    """The rule for jobs of a type that ended with a code."""
    return BY_TYPE.get((job_type, code)) or RULES.get(code, UNFORESEEN)


def next_try(
    job_id: str, job_type: JobType, failure: Failure, earlier: Sequence[str | None], most: int
) -> NextTry | None:
    """When a job whose attempt has just failed is tried again; None when it is not.

    `earlier` are the outcomes of its attempts before this one, `most` is how many it may have in all.
    """
    rule, alike, tried = rule_of(job_type, failure.code), 1 + earlier.count(failure.code), 1 + len(earlier)
    allowed = min(most, tried + rule.attempts - alike)
    if not failure.retryable or tried >= allowed:
        return None
    pause = min(rule.first * rule.growth ** (alike - 1), rule.top) * (1 + JITTER * _share(f"{job_id} {tried}"))
    return NextTry(pause, f"{failure.message.rstrip('.')}. Tried {tried} of {allowed}; again in {spoken(pause)}")


def _share(name: str) -> float:
    """Between 0 and 1, and the same for the same name: nothing about a job is left to chance."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) / 2**32
