"""From seconds on a GPU to money.

RunPod bills by the second, rounded up, from a worker's start to its stop; per job it tells only the execution time
(docs: serverless pricing). So this is an estimate, and it is called one wherever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from control_plane.jobs.records import AttemptRecord, SubmissionRecord


def gpu_seconds(attempts: Sequence[AttemptRecord], submissions: Sequence[SubmissionRecord], now: int) -> float:
    """Seconds of every submission of a job: what the endpoint measured, else from claim to end."""
    measured = {s.attempt: 0.0 for s in submissions}
    for submission in submissions:
        measured[submission.attempt] += (submission.execution_ms or 0) / 1000
    return sum(measured.get(a.number) or _from_claim_to_end(a, now) for a in attempts)


def _from_claim_to_end(attempt: AttemptRecord, now: int) -> float:
    if attempt.started_at is None:
        return 0.0
    return max((attempt.ended_at or now) - attempt.started_at, 0) / 1000


def cost_usd(seconds: float, usd_per_second: float) -> float:
    """US dollars for `seconds` begun."""
    return round(math.ceil(seconds) * usd_per_second, 6)
