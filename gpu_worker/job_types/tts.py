"""TTS: text to speech."""

from __future__ import annotations

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines import espeak
from shared.errors import EngineUnavailable
from shared.job_types import TtsParams


def check(params: TtsParams) -> None:
    """Raise EngineUnavailable when a model or a cloned voice is asked for that this worker lacks."""
    if params.model not in (None, espeak.NAME):
        raise EngineUnavailable(f"The model {params.model} is not on this worker.")
    if params.reference_audio_url is not None:
        raise EngineUnavailable("This worker cannot clone a voice: leave reference_audio_url out.")


def run(params: TtsParams, context: JobContext) -> Produced:
    """Speak the text."""
    return espeak.speak(params, context)
