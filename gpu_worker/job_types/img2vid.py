"""IMG2VID: a picture set in motion."""

from __future__ import annotations

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines import camera_move
from shared.errors import EngineUnavailable
from shared.job_types import Img2VidParams


def check(params: Img2VidParams) -> None:
    """Raise EngineUnavailable when a model is asked for that this worker lacks."""
    if params.model not in (None, camera_move.NAME):
        raise EngineUnavailable(f"The model {params.model} is not on this worker.")


def run(params: Img2VidParams, context: JobContext) -> Produced:
    """Move a camera over the picture."""
    return camera_move.render(params, context)
