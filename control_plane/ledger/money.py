"""Money is counted in whole micro-dollars and prices in nano-dollars a second, so that no sum ever drifts."""

from __future__ import annotations

import math


def to_micros(usd: float) -> int:
    """US dollars as micro-dollars, rounded to the nearest."""
    return round(usd * 1_000_000)


def to_usd(micros: int) -> float:
    """Micro-dollars as US dollars."""
    return micros / 1_000_000


def dollars(micros: int) -> str:
    """As a person reads it: `$12.30`, or `$0.0012` where cents would hide everything."""
    usd = to_usd(micros)
    return f"${usd:.4f}" if 0 < abs(usd) < 0.01 else f"${usd:,.2f}"


def cost(seconds: float, nanos: int) -> int:
    """Micro-dollars for `seconds` at `nanos` a second. Seconds begun are paid whole, as RunPod bills them."""
    return -(-math.ceil(seconds) * nanos // 1000)


def seconds_for(micros: int, nanos: int) -> int:
    """How many whole seconds `micros` pay for; `nanos` is above 0."""
    return max(micros, 0) * 1000 // nanos
