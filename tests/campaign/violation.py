"""What a campaign finds."""

from __future__ import annotations

from dataclasses import dataclass

STOPS_BY_ITS_LEASE = "a worker that shares its id stops by its lease"
EVERY_FAULT_POINT = "every fault point is reached"
TIMING = {STOPS_BY_ITS_LEASE, EVERY_FAULT_POINT}
"""What a machine that is busy with other things may miss though nothing is wrong."""


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, by one job where it can be named."""

    promise: str
    job_id: str
    what: str
