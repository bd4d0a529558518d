"""The life of a job and of its attempts: every state, and who moves it where."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """What clients see. Terminal states never change.

    QUEUED    → RUNNING    the follower, when a claim or IN_PROGRESS is seen
              → SUCCEEDED, FAILED, CANCELED   the follower, obeying `result.json`; cancel before any attempt
    RUNNING   → QUEUED     the follower, when an attempt was lost and another may be opened
              → SUCCEEDED, FAILED, CANCELED   the follower, obeying `result.json`
    """

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def is_terminal(self) -> bool:
        """True once nothing can change the job any more."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED)


class AttemptState(StrEnum):
    """One try of a job at an endpoint.

    PREPARED  → SUBMITTED  the dispatcher, when the endpoint answered with an id
              → UNKNOWN    the dispatcher, when the answer was lost; start-up, for each PREPARED it finds
              → (deleted)  the dispatcher, when the endpoint definitely refused: nothing was accepted
    SUBMITTED → STARTED    the follower, when the claim is seen
    UNKNOWN   → SUBMITTED  the dispatcher, by submitting the same attempt again
              → STARTED    the follower, when the claim is seen
    any       → ENDED      the follower: by `result.json`, a won tombstone, or an expired claim
    """

    PREPARED = "PREPARED"
    SUBMITTED = "SUBMITTED"
    UNKNOWN = "UNKNOWN"
    STARTED = "STARTED"
    ENDED = "ENDED"
