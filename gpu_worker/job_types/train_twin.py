"""TRAIN_TWIN: a LoRA trained on pictures of one subject."""

from __future__ import annotations

from shared.errors import EngineUnavailable
from shared.job_types import TrainTwinParams


def check(params: TrainTwinParams) -> None:  # noqa: ARG001 - the signature of every job type
    """Raise EngineUnavailable: no trainer is part of this worker."""
    raise EngineUnavailable("TRAIN_TWIN needs the LoRA trainer and a GPU, which this worker doesn't have yet.")
