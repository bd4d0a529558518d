"""TTS: from params to files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_worker.context import JobContext, Produced, ProducedFile
from gpu_worker.engines.device import choose
from gpu_worker.engines.pool import EnginePool, Recipe, pool_of
from gpu_worker.engines.speech.environment import python_of
from gpu_worker.engines.speech.joining import Joined
from gpu_worker.engines.speech.levelling import FORMS, levelled
from gpu_worker.engines.speech.reference import prepared
from gpu_worker.engines.speech.sentences import Sentence, cleaned, sentences
from gpu_worker.engines.speech.sidecar import Launch, SideCar
from gpu_worker.engines.speech.timings import write_timings
from gpu_worker.media.probe import probe
from gpu_worker.models.fetch import fetch
from gpu_worker.models.store import Weights, open_models
from gpu_worker.settings import WorkerSettings, job_environment
from shared.catalog.model import Model
from shared.catalog.speech import Voice, check_speech, speech_of, voice_for
from shared.errors import EngineUnavailable, InvalidParams
from shared.job_types import TtsParams

_MODULES = {
    engine: f"gpu_worker.engines.speech.sidecars.{engine.replace('-', '_')}"
    for engine in ("espeak", "kokoro", "qwen3-tts")
}
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
_GB = 10**9


@dataclass(frozen=True)
class Speaker:
    """A model that can speak here."""

    model: Model
    weights: Weights | None
    launch: Launch
    pool: EnginePool

    @property
    def recipe(self) -> Recipe[SideCar]:
        """How the pool keeps it. Evicting it ends its process, which gives its memory back."""
        key = ("speech", self.model.id, str(self.launch.python), str(self.weights and self.weights.folder))
        needed = round(self.model.memory.peak_gb * _GB) if self.model.memory else 0
        return Recipe(key, lambda _cheap: SideCar(self.launch), needed, SideCar.stop)


def check_here(params: TtsParams, model: Model, settings: WorkerSettings) -> None:
    """Raise Refused for what the model can never do, EngineUnavailable for what is missing here."""
    check_speech(params, model)
    cleaned(params.text)
    python_of(model.engine, settings)
    if model.source is not None and not settings.model_download:
        open_models(settings).require(model)


def ready(model: Model, settings: WorkerSettings, model_dir: Path | None) -> Speaker:
    """The model with its environment and its weights, fetched where the owner allowed that. Raises EngineUnavailable
    and BadWeights.
    """
    store, weights = open_models(settings, model_dir), None
    if model.source is not None:
        if settings.model_download and store.find(model) is None:
            fetch(model, store, lambda _file, _done, _total: None)
        weights = store.get(model)
    set_up = {"weights": str(weights.folder) if weights else None, "device": settings.model_device}
    launch = Launch(python_of(model.engine, settings), _MODULES[model.engine], set_up, job_environment() | _OFFLINE)
    return Speaker(model, weights, launch, pool_of(_device(model, settings)))


def speak(params: TtsParams, context: JobContext, speaker: Speaker) -> Produced:
    """`speech.wav` (or another format, mono, 48 kHz), `speech.json` and `speech.vtt` with its timings.

    Raises InvalidParams for what this voice cannot speak, EngineFailed and its kinds.
    """
    voice = voice_for(params, speaker.model)
    pieces = sentences(cleaned(params.text), params.language, speech_of(speaker.model).longest)
    reference = (
        prepared(context.input(params.reference_audio_url), context.workdir) if params.reference_audio_url else None
    )
    work = _Work(params, context, speaker, voice, pieces, reference)
    joined, facts = speaker.pool.run(speaker.recipe, work.speak)
    try:
        return work.finish(joined, facts)
    finally:
        for path in (joined.path, reference):
            if path is not None:
                path.unlink(missing_ok=True)


def _device(model: Model, settings: WorkerSettings) -> str:
    """Whose memory the engine takes. Its process has a torch of its own; ours is asked only for what needs a GPU."""
    if model.memory is None:
        return "cpu"
    try:
        return choose(settings.model_device)
    except EngineUnavailable:
        return "cpu"


@dataclass
class _Work:
    params: TtsParams
    context: JobContext
    speaker: Speaker
    voice: Voice
    pieces: list[Sentence]
    reference: Path | None

    def speak(self, engine: SideCar) -> tuple[Joined, dict[str, Any]]:
        """Every sentence through the engine."""
        started = time.monotonic()
        speed = self.params.speed
        joined = Joined(self.context.workdir / "joined.wav", pace=speed if self._paces else 1.0)
        sound, used = self.context.workdir / "sentence.wav", ""
        try:
            for number, piece in enumerate(self.pieces):
                spoken = engine.speak(self._request(piece, sound), self._progress(number))
                joined.add(piece, sound, spoken.get("words"))
                used = str(spoken.get("voice") or used)
        finally:
            joined.close()
            sound.unlink(missing_ok=True)
        return joined, {"voice": used, **engine.hello, "seconds": round(time.monotonic() - started, 3)}

    def finish(self, joined: Joined, facts: dict[str, Any]) -> Produced:
        """The files, and the facts of how they were made."""
        if not joined.sentences:
            raise InvalidParams("text: there is nothing in it that this voice can speak.")
        folder, form = self.context.workdir, FORMS[self.params.format]
        speed = 1.0 if self._paces else self.params.speed
        started = time.monotonic()
        loud = levelled(
            joined.path.name, joined.seconds, folder, form, loudness=self.params.loudness, speed=speed,
            done=lambda share: self.context.report("mastering", 90 + round(9 * share), "setting the loudness"),
        )  # fmt: skip
        words = None if joined.words is None else [word.paced(speed) for word in joined.words]
        data, cues = write_timings([sentence.paced(speed) for sentence in joined.sentences], words, folder)
        seconds = probe(folder / form.name).duration
        files = [
            ProducedFile(folder / form.name, "audio", form.content_type, duration_seconds=seconds),
            ProducedFile(data, "data", "application/json"),
            ProducedFile(cues, "subtitles", "text/vtt"),
        ]
        timings = {"speaking": facts.pop("seconds"), "mastering": round(time.monotonic() - started, 3)}
        return Produced(
            files, self._engine(facts) | {"timings": timings, "loudness_lufs": loud.loudness, "peak_dbtp": loud.peak}
        )

    @property
    def _paces(self) -> bool:
        return speech_of(self.speaker.model).paces

    def _request(self, piece: Sentence, sound: Path) -> dict[str, Any]:
        return {
            "text": piece.text,
            "voice": self.voice.name,
            "language": self.voice.language,
            "speed": self.params.speed if self._paces else 1.0,
            "reference": str(self.reference) if self.reference else None,
            "reference_text": self.params.reference_text,
            "output": str(sound),
        }

    def _progress(self, number: int) -> Callable[[float], None]:
        count = len(self.pieces)

        def heard(share: float) -> None:
            self.context.report("speaking", round(90 * (number + share) / count), f"sentence {number + 1} of {count}")

        heard(0.0)
        return heard

    def _engine(self, facts: dict[str, Any]) -> dict[str, Any]:
        model, weights = self.speaker.model, self.speaker.weights
        return {
            "name": model.id,
            "revision": weights.revision if weights else None,
            "versions": facts["versions"],
            "device": facts["device"],
            "voice": facts["voice"],
            "language": self.voice.tag,
            "licence": {"id": model.licence.id, "commercial": model.licence.commercial},
        }
