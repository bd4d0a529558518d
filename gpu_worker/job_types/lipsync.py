"""LIPSYNC: a face made to speak a recording."""

from __future__ import annotations

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines.device import choose, has_torch
from gpu_worker.engines.diffusion.choice import chosen
from gpu_worker.models.fetch import fetch
from gpu_worker.models.store import open_models
from gpu_worker.settings import WorkerSettings
from shared.catalog import catalog, rules
from shared.catalog.model import Model
from shared.errors import EngineUnavailable
from shared.job_types import JobType, LipsyncParams


def check(params: LipsyncParams) -> None:
    """Raise EngineUnavailable when the model or what it needs is not on this worker, Refused when it is for
    something else.
    """
    settings = WorkerSettings()
    model = _model(params, settings)
    if not has_torch():
        raise EngineUnavailable(f"{model.title} needs torch, and this worker was installed without it.")
    if not settings.model_download:
        open_models(settings).require(model)


def run(params: LipsyncParams, context: JobContext) -> Produced:
    """Find the face, paint its mouth, put the recording under it."""
    settings = WorkerSettings()
    model, device = _model(params, settings), choose(settings.model_device)
    store = open_models(settings, context.model_dir)
    if settings.model_download and store.find(model) is None:
        fetch(model, store, lambda _file, _done, _total: None)
    # Here alone, since it imports torch, which the worker's own process must not load.
    from gpu_worker.engines.lipsync.film import Ready, make

    return make(params, context, Ready(model, device, store.get(model)))


def _model(params: LipsyncParams, settings: WorkerSettings) -> Model:
    model = chosen(JobType.LIPSYNC, params.model, settings)
    rules.check(JobType.LIPSYNC, params, model, catalog(settings.model_catalog_dir))
    return model
