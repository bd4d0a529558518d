"""IMG2VID: a picture set in motion."""

from __future__ import annotations

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines import camera_move
from gpu_worker.engines.diffusion import choice, clip
from gpu_worker.models.files import BadWeights
from gpu_worker.settings import WorkerSettings
from shared.errors import EngineUnavailable
from shared.job_types import Img2VidParams, JobType


def check(params: Img2VidParams) -> None:
    """Raise EngineUnavailable when a model is asked for that this worker lacks, Refused for what no worker can do."""
    settings = WorkerSettings()
    model = choice.chosen(JobType.IMG2VID, params.model, settings)
    if model.id != camera_move.NAME and (params.model is not None or params.lora is not None):
        choice.check_here(JobType.IMG2VID, params, model, settings)


def run(params: Img2VidParams, context: JobContext) -> Produced:
    """Make the clip, or move a camera over the picture where no model was asked for and none can run."""
    settings = WorkerSettings()
    model = choice.chosen(JobType.IMG2VID, params.model, settings)
    if model.id == camera_move.NAME:
        return camera_move.render(params, context)
    try:
        ready = choice.ready(params, model, settings, context.model_dir)
    except BadWeights:
        raise
    except EngineUnavailable:
        if params.model is not None or params.lora is not None:
            raise
        return camera_move.render(params, context)
    return clip.make(params, context, ready)
