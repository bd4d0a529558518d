"""How many faces there are in a picture, by the detector that LIPSYNC's model brings along, where that is here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from gpu_worker.models.store import open_models
from gpu_worker.settings import WorkerSettings
from shared.catalog import catalog, default_for
from shared.errors import EngineUnavailable
from shared.job_types import JobType

CountFaces = Callable[[Image.Image], int]
SIDE = 640
"""Of the pictures it looks at; a face that is too small in them is too small to be learned."""


def counter(settings: WorkerSettings, device: str, model_dir: Path | None) -> CountFaces | None:
    """Counts the faces in a picture; None where the detector is not on this worker, or not fit for use."""
    model = default_for(JobType.LIPSYNC, catalog(settings.model_catalog_dir))
    try:
        if model is None:
            return None
        weights = open_models(settings, model_dir).get(model)
        # Here alone, since it imports torch.
        from gpu_worker.engines.lipsync.painter import recipe

        painter = recipe(model, weights, device).load(True)
    except EngineUnavailable:
        return None
    from gpu_worker.engines.lipsync.tracks import distinct

    def count(picture: Image.Image) -> int:
        small = picture.copy()
        small.thumbnail((SIDE, SIDE))
        return len(distinct(painter.find([np.asarray(small)])[0]))

    return count
