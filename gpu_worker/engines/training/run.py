"""One run of the trainer: what is fixed for its length, what was loaded, and what it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gpu_worker.context import JobContext
from gpu_worker.engines.diffusion.choice import Ready
from gpu_worker.engines.diffusion.loading import Loaded
from gpu_worker.engines.diffusion.prompts import PromptCache
from gpu_worker.engines.training.pictures import Pictures
from shared.job_types import TrainTwinParams

MOST_BETWEEN_LOOKS = 250


@dataclass
class Training:
    """`loaded` has the pipeline: its text encoder goes once the caption is encoded."""

    params: TrainTwinParams
    context: JobContext
    ready: Ready
    pictures: Pictures
    steps: int
    rank: int
    loaded: Loaded
    prompts: PromptCache = field(default_factory=PromptCache)
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def caption(self) -> str:
        """The one that all pictures have."""
        return f"a photo of {self.params.trigger} {self.params.subject}"

    @property
    def every(self) -> int:
        """Steps between two looks: a checkpoint, a loss, a sample."""
        return min(MOST_BETWEEN_LOOKS, max(5, self.steps // 8))

    @property
    def guidance(self) -> float:
        """Of samples. Above 1 in any case: the empty caption is encoded for guidance alone."""
        return max(self.loaded.video.guidance or 0, 1.5)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add what the block takes to the result's timings, in seconds."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.timings[step] = round(self.timings.get(step, 0) + time.monotonic() - started, 3)
