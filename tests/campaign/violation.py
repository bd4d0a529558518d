"""What a campaign finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, by one job where it can be named."""

    promise: str
    job_id: str
    what: str
