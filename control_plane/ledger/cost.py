"""From seconds on a GPU to money.

RunPod bills by the second, rounded up, from a worker's start to its stop; per job it tells only the execution time
(docs: serverless pricing). So this is an estimate, and it is called one wherever it is shown.
"""

from __future__ import annotations

import math


def attempt_seconds(measured_ms: int, started_at: int | None, ended_at: int) -> float:
    """Seconds one attempt was executed: what the endpoint measured, else from its claim to its end (milliseconds)."""
    if measured_ms:
        return measured_ms / 1000
    return 0.0 if started_at is None else max(ended_at - started_at, 0) / 1000


def cost_usd(seconds: float, usd_per_second: float) -> float:
    """US dollars for `seconds` begun."""
    return round(math.ceil(seconds) * usd_per_second, 6)
