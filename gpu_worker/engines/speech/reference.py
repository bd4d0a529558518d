"""The recording whose voice is cloned, made into what engines read: mono, 24 kHz, up to 30 seconds."""

from __future__ import annotations

from pathlib import Path

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.graph import Option, apply, arguments, open_source, output
from gpu_worker.media.probe import probe
from shared.errors import MediaRefused

SHORTEST_SECONDS, LONGEST_SECONDS = 3.0, 30.0
_RATE = 24_000


def prepared(recording: Path, folder: Path) -> Path:
    """`reference.wav` in `folder`. Raises MediaRefused for what has no sound or too little of it."""
    media = probe(recording)
    if not media.has_audio:
        raise MediaRefused("reference_audio_url: there is no sound in it.")
    if media.duration < SHORTEST_SECONDS:
        raise MediaRefused(
            f"reference_audio_url: {media.duration:.1f} seconds are too few to know a voice by; "
            f"it takes {SHORTEST_SECONDS:g} at least."
        )
    stream = apply(open_source(recording, media, "audio", t=LONGEST_SECONDS), "aresample", _RATE)
    codec: dict[str, Option] = {"c:a": "pcm_s16le"}
    made = output((stream,), "reference.wav", format="wav", ac=1, ar=_RATE, **codec)
    run_ffmpeg(arguments(made), duration=min(media.duration, LONGEST_SECONDS), folder=folder)
    return folder / "reference.wav"
