"""TTS: text to speech."""

from __future__ import annotations

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines.diffusion.choice import chosen
from gpu_worker.engines.speech import speaking
from gpu_worker.settings import WorkerSettings
from shared.job_types import JobType, TtsParams


def check(params: TtsParams) -> None:
    """Raise EngineUnavailable when a model is asked for that this worker lacks, Refused for what it cannot speak."""
    settings = WorkerSettings()
    speaking.check_here(params, chosen(JobType.TTS, params.model, settings), settings)


def run(params: TtsParams, context: JobContext) -> Produced:
    """Speak the text."""
    settings = WorkerSettings()
    model = chosen(JobType.TTS, params.model, settings)
    return speaking.speak(params, context, speaking.ready(model, settings, context.model_dir))
