"""RENDER: text to video."""

from __future__ import annotations

from dataclasses import replace

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines import animatic
from gpu_worker.engines.diffusion import choice, clip
from gpu_worker.models.files import BadWeights
from gpu_worker.settings import WorkerSettings
from shared.errors import EngineUnavailable
from shared.job_types import JobType, RenderParams


def check(params: RenderParams) -> None:
    """Raise EngineUnavailable when a model or a LoRA is asked for that this worker lacks, Refused for what no worker
    can do with it.
    """
    settings = WorkerSettings()
    model = choice.chosen(JobType.RENDER, params.model, settings)
    if model.id == animatic.NAME:
        if params.lora is not None:
            raise EngineUnavailable("A LoRA needs a video model, and the animatic is none.")
        return
    if _is_asked_for(params):
        try:
            choice.check_here(JobType.RENDER, params, model, settings)
        except EngineUnavailable as missing:
            raise _about_lora(params, missing) from missing


def run(params: RenderParams, context: JobContext) -> Produced:
    """Make the clip, or draw the prompt's animatic where no model was asked for and none can run."""
    settings = WorkerSettings()
    model = choice.chosen(JobType.RENDER, params.model, settings)
    if model.id == animatic.NAME:
        return animatic.render(params, context)
    try:
        ready = choice.ready(params, model, settings, context.model_dir)
    except BadWeights:
        raise
    except EngineUnavailable as missing:
        if _is_asked_for(params):
            raise _about_lora(params, missing) from missing
        produced = animatic.render(params, context)
        return replace(produced, engine=produced.engine | {"fallback_for": model.id, "missing": missing.message})
    return clip.make(params, context, ready)


def _is_asked_for(params: RenderParams) -> bool:
    return params.model is not None or params.lora is not None


def _about_lora(params: RenderParams, missing: EngineUnavailable) -> EngineUnavailable:
    if params.model is not None:
        return missing
    return EngineUnavailable(f"A LoRA needs a video model. {missing.message}")
