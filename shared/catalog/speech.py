"""What a speech model can speak: its languages and voices, and what is refused before money is spent. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shared.catalog.model import Model, Speech
from shared.catalog.refused import Refused
from shared.job_types import TtsParams

EVERY_LANGUAGE = "*"


@dataclass(frozen=True)
class Voice:
    """Who speaks: the model's names for the voice and the language, and the language's tag in the catalog."""

    name: str
    language: str
    tag: str


def voice_for(params: TtsParams, model: Model) -> Voice:
    """The voice that params ask of a speech model. Raises Refused, naming what there is, for one it does not have.

    `de-AT` falls back to `de`. A preset without a voice in the language takes the language's usual one.
    """
    speech = speech_of(model)
    tag = _tag(params.language, speech)
    if tag is None:
        known = ", ".join(speech.languages)
        raise Refused("language", f"no voice of {model.title} speaks “{params.language}”. It speaks {known}.")
    return Voice(_name(params, model, speech, tag), speech.languages[tag] or tag, tag)


def check_speech(params: TtsParams, model: Model) -> None:
    """Raise Refused for what the model can never do, wherever it runs."""
    clones = speech_of(model).clones
    if params.reference_audio_url is not None and not clones:
        raise Refused(
            "reference_audio_url", f"{model.title} cannot clone a voice: leave it out, or name another model."
        )
    if params.reference_audio_url is None and clones:
        raise Refused("reference_audio_url", f"{model.title} speaks with the voice of a recording: give it one.")
    if params.reference_text is not None and params.reference_audio_url is None:
        raise Refused("reference_text", "it goes with reference_audio_url.")
    voice_for(params, model)


def speech_of(model: Model) -> Speech:
    """What the catalog says of a speech model; Refused for any other."""
    if model.speech is None:
        raise Refused("model", f"{model.title} is not a speech model.")
    return model.speech


def _tag(language: str, speech: Speech) -> str | None:
    wanted = language.lower()
    while wanted and wanted not in speech.languages:
        wanted = wanted.rpartition("-")[0]
    return wanted or None


def _name(params: TtsParams, model: Model, speech: Speech, tag: str) -> str:
    voices = tuple(dict.fromkeys((*speech.voices.get(tag, ()), *speech.voices.get(EVERY_LANGUAGE, ()))))
    if params.voice is not None:
        if params.voice not in voices:
            known = ", ".join(voices) or "none by name"
            raise Refused(
                "voice", f"{model.title} has no voice {params.voice} for “{params.language}”. It has {known}."
            )
        return params.voice
    preset = speech.presets.get(params.voice_preset)
    if preset in voices:
        return preset
    return voices[0] if voices else ""
