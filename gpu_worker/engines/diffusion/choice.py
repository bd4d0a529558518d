"""Which model a job takes, and whether this worker can run it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gpu_worker.engines.device import choose, has_torch
from gpu_worker.models.fetch import fetch
from gpu_worker.models.store import Weights, open_models
from gpu_worker.settings import WorkerSettings
from shared.catalog import Catalog, catalog, default_for, find
from shared.catalog.model import Model
from shared.catalog.rules import Clip, VideoParams, check, plan_for
from shared.errors import EngineUnavailable, NotFound
from shared.job_types import JobType, RenderParams, TrainTwinParams


@dataclass(frozen=True)
class Ready:
    """A model that can run here: where, and the weights of every model its clip needs, by their ids."""

    model: Model
    device: str
    models: Catalog
    weights: dict[str, Weights] = field(default_factory=dict)


def chosen(job_type: JobType, named: str | None, settings: WorkerSettings) -> Model:
    """The model that params name, else this worker's setting, else the catalog's default.

    Raises EngineUnavailable for a name that this worker's catalog does not have.
    """
    by_setting = {
        JobType.RENDER: settings.model_render,
        JobType.IMG2VID: settings.model_img2vid,
        JobType.TTS: settings.model_tts,
        JobType.LIPSYNC: settings.model_lipsync,
        JobType.TRAIN_TWIN: settings.model_train_twin,
    }.get(job_type)
    wanted, models = named or by_setting, catalog(settings.model_catalog_dir)
    try:
        model = find(wanted, models) if wanted else default_for(job_type, models)
    except NotFound as unknown:
        raise EngineUnavailable(unknown.message) from None
    if model is None:
        raise EngineUnavailable(f"No model does {job_type}.")
    return model


def check_here(
    job_type: JobType, params: VideoParams | TrainTwinParams, model: Model, settings: WorkerSettings
) -> None:
    """Raise Refused for what the model can never do, EngineUnavailable for what is plainly missing here.

    Cheap enough for the process that must not load torch: whether the GPU answers is seen when the job runs.
    """
    models = catalog(settings.model_catalog_dir)
    check(job_type, params, model, models)
    if model.engine != "diffusers":
        return
    if not has_torch():
        raise EngineUnavailable(f"{model.id} needs torch and diffusers, and this worker was installed without them.")
    if not settings.model_download:
        store = open_models(settings)
        for needed in _all_models(model, params, models):
            store.require(needed)


def ready(
    params: VideoParams | TrainTwinParams, model: Model, settings: WorkerSettings, model_dir: Path | None
) -> Ready:
    """Find the device and every weight a job needs, fetching what is missing where the owner allowed that.

    Raises EngineUnavailable, saying what is missing, and BadWeights for what is damaged.
    """
    device, store = choose(settings.model_device), open_models(settings, model_dir)
    models = catalog(settings.model_catalog_dir)
    needed = _all_models(model, params, models)
    if settings.model_download:
        for one in needed:
            if store.find(one) is None:
                fetch(one, store, lambda _file, _done, _total: None)
    return Ready(model, device, models, {one.id: store.get(one) for one in needed})


def _all_models(model: Model, params: VideoParams | TrainTwinParams, models: Catalog) -> list[Model]:
    """The models of the clip's shots, and the one that draws the first picture where none is given."""
    if isinstance(params, TrainTwinParams):
        return [model]
    clip: Clip = plan_for(params, model, models)
    first = first_picture_of(model, models) if isinstance(params, RenderParams) else None
    return list({one.id: one for one in (*([first] if first else []), *(shot.model for shot in clip.shots))}.values())


def first_picture_of(model: Model, models: Catalog) -> Model | None:
    """The model that draws what this one sets in motion, for one that takes a picture and no text."""
    video = model.video
    if video is None or video.takes_text or video.first_picture is None:
        return None
    return models[video.first_picture]
