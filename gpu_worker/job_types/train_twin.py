"""TRAIN_TWIN: a LoRA trained on pictures of one subject."""

from __future__ import annotations

import importlib.util

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines.diffusion import choice
from gpu_worker.engines.training import faces, twin
from gpu_worker.settings import WorkerSettings
from shared.errors import EngineUnavailable
from shared.job_types import JobType, TrainTwinParams


def check(params: TrainTwinParams) -> None:
    """Raise EngineUnavailable when the trainer or the model's weights are not here, Refused for a model that cannot
    be trained.
    """
    settings = WorkerSettings()
    choice.check_here(JobType.TRAIN_TWIN, params, choice.chosen(JobType.TRAIN_TWIN, params.model, settings), settings)
    if importlib.util.find_spec("peft") is None:
        raise EngineUnavailable("The LoRA trainer needs peft, and this worker was installed without it.")


def run(params: TrainTwinParams, context: JobContext) -> Produced:
    """Train it; from a checkpoint where an earlier worker of this job left one."""
    settings = WorkerSettings()
    model = choice.chosen(JobType.TRAIN_TWIN, params.model, settings)
    ready = choice.ready(params, model, settings, context.model_dir)
    return twin.train(params, context, ready, faces.counter(settings, ready.device, context.model_dir))
