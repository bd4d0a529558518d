"""What dispatch counts beside its work, for `GET /metrics`: since the process began, as Prometheus expects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Meters:
    """`refusals`: what `POST /run` came to by error code, when it was not an id.

    `callback_seconds`: from taking them in to having them in the table, for all `callbacks` together.
    """

    refusals: Counter[str] = field(default_factory=Counter)
    callbacks: int = 0
    callback_seconds: float = 0.0
