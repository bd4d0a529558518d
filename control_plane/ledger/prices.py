"""What a second costs: on the GPU a worker had, on the one an endpoint may have, or as the owner says.

RunPod's serverless prices change; `GPU_USD_PER_SECOND` is there for the owner who knows better, and then it is the
price of everything. Without it, an endpoint's GPU is not known before a worker has told its name, so the dearest of
the table is assumed: too much is reserved rather than too little, and it is said so.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

GPU_USD_PER_SECOND: dict[str, float] = {
    "RTX A4000": 0.00016,
    "RTX A4500": 0.00016,
    "RTX 4000 Ada": 0.00016,
    "L4": 0.00019,
    "RTX A5000": 0.00019,
    "RTX 3090": 0.00019,
    "RTX 4090": 0.00031,
    "RTX A6000": 0.00034,
    "A40": 0.00034,
    "L40": 0.00053,
    "L40S": 0.00053,
    "RTX 6000 Ada": 0.00053,
    "A100": 0.00076,
    "RTX PRO 6000": 0.00111,
    "H100": 0.00116,
    "H200": 0.00155,
    "B200": 0.00240,
}
"""Flex workers, one GPU. (Source: runpod/docs, snippets/serverless-gpu-pricing-table.mdx, 2026-06-08.)"""

DEAREST = max(GPU_USD_PER_SECOND, key=GPU_USD_PER_SECOND.__getitem__)


@dataclass(frozen=True)
class Price:
    """`nanos` are nano-dollars a second; `source` says where they come from; `assumed` when nobody has told the GPU."""

    nanos: int
    source: str
    assumed: bool = False

    @property
    def usd_per_second(self) -> float:
        """US dollars a second."""
        return self.nanos / 1_000_000_000


class Prices:
    """`override` is the owner's own price in US dollars a second; endpoints named in `free` cost nothing without it."""

    def __init__(self, override: float | None = None, free: AbstractSet[str] = frozenset()) -> None:
        self._override = None if override is None else Price(_nanos(override), "GPU_USD_PER_SECOND")
        self._free = free

    def at(self, endpoint: str) -> Price:
        """What a second at an endpoint may cost, before its worker is known."""
        if self._override is not None:
            return self._override
        if endpoint in self._free:
            return Price(0, "this machine")
        return Price(_nanos(GPU_USD_PER_SECOND[DEAREST]), f"assumed: the dearest GPU, {DEAREST}", assumed=True)

    def of_gpu(self, endpoint: str, gpu: str) -> int | None:
        """Nano-dollars a second on the GPU a worker named; None where that is unknown or does not matter."""
        row = find_gpu(gpu) if self.at(endpoint).assumed else None
        return None if row is None else _nanos(GPU_USD_PER_SECOND[row])


def find_gpu(name: str) -> str | None:
    """The row of the table a device name means: every word of the row is in it, and no longer row fits.

    "NVIDIA A100-SXM4-80GB" is an A100, "NVIDIA RTX 6000 Ada Generation" no RTX PRO 6000.
    """
    words = set(re.split(r"[\s_-]+", name.upper()))
    fitting = [row for row in GPU_USD_PER_SECOND if words.issuperset(row.upper().split())]
    return max(fitting, key=lambda row: len(row.split()), default=None)


def _nanos(usd: float) -> int:
    return round(usd * 1_000_000_000)
