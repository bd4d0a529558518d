"""Time as the plane sees it: injected, so that tests decide when it passes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]
"""Milliseconds since the epoch."""


def system_clock() -> int:
    """Milliseconds since the epoch by this machine."""
    return time.time_ns() // 1_000_000


def to_datetime(milliseconds: int) -> datetime:
    """The same instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_rfc3339(milliseconds: int) -> str:
    """The same instant as clients see it: RFC 3339, UTC, milliseconds."""
    return to_datetime(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_datetime(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime."""
    return round(moment.timestamp() * 1000)


def spoken(seconds: float) -> str:
    """A duration for a person, rounded up, in its two largest units: `40 s`, `1 min 15 s`, `2 h`."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if count]
    return " ".join(parts[:2]) or "0 s"
