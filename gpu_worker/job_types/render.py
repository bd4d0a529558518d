"""RENDER: text to video."""

from __future__ import annotations

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines import animatic
from shared.errors import EngineUnavailable
from shared.job_types import RenderParams


def check(params: RenderParams) -> None:
    """Raise EngineUnavailable when a model or a LoRA is asked for that this worker lacks."""
    if params.model not in (None, animatic.NAME):
        raise EngineUnavailable(f"The model {params.model} is not on this worker.")
    if params.lora is not None:
        raise EngineUnavailable("A LoRA needs a video model, and this worker has only the animatic.")


def run(params: RenderParams, context: JobContext) -> Produced:
    """Draw the prompt's animatic."""
    return animatic.render(params, context)
