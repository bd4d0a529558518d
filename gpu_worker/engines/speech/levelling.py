"""The joined speech at its loudness, at its speed and in its format: two passes of ffmpeg."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.graph import Option, Stream, apply, arguments, open_file, output
from gpu_worker.media.loudness import RATE, Measured, limited, metered, reading
from shared.job_types import SoundFormat
from shared.timeline import SoundMix

_METER, _AGAIN = "loudness.txt", "loudness-after.txt"
# Integrated loudness is made of blocks of 400 ms: what is shorter is heard again and again to measure it.
_SHORTEST_SECONDS = 3.0
# Above that an engine's own hiss is what would be heard.
_MOST_GAIN_DB = 40.0
_NEAR_LU = 0.3
_ROUNDS = 3


@dataclass(frozen=True)
class Form:
    """A kind of file."""

    name: str
    content_type: str
    options: dict[str, Option]


FORMS: dict[SoundFormat, Form] = {
    "wav": Form("speech.wav", "audio/wav", {"format": "wav", "c:a": "pcm_s16le"}),
    "mp3": Form("speech.mp3", "audio/mpeg", {"format": "mp3", "c:a": "libmp3lame", "q:a": 2}),
    "aac": Form("speech.m4a", "audio/mp4", {"format": "ipod", "c:a": "aac", "b:a": "128k", "movflags": "+faststart"}),
}


def levelled(
    joined: str,
    seconds: float,
    folder: Path,
    form: Form,
    *,
    loudness: float,
    speed: float,
    done: Callable[[float], None],
) -> Measured:
    """Make `form.name` in `folder` of the WAV file `joined`; its loudness in LUFS and peak in dBTP as measured.

    `speed` is what the engine could not do itself. `done` gets 0 to 1. What the limiter takes is given again.
    """
    mix = SoundMix(loudness=loudness, peak=-1.0)
    before = _measured(open_file(joined, "wav"), seconds, folder, _METER)
    gain = 0.0 if before.loudness is None else min(_MOST_GAIN_DB, loudness - before.loudness)
    for turn in range(_ROUNDS):
        stream = limited(_paced(open_file(joined, "wav"), speed), mix, gain)
        stream = apply(stream, "aformat", sample_fmts="fltp", sample_rates=RATE, channel_layouts="mono")
        made = output((stream,), form.name, map_metadata=-1, fflags="+bitexact", ar=RATE, ac=1, **form.options)
        run_ffmpeg(arguments(made), duration=seconds / speed, folder=folder)
        done((turn + 1) / _ROUNDS)
        after = _measured(
            open_file(form.name, "mov" if form.name.endswith("m4a") else form.name[-3:]),
            seconds / speed,
            folder,
            _AGAIN,
        )
        if after.loudness is None or abs(loudness - after.loudness) <= _NEAR_LU:
            break
        gain = min(_MOST_GAIN_DB, gain + loudness - after.loudness)
    done(1.0)
    return after


def _measured(stream: Stream, seconds: float, folder: Path, file: str) -> Measured:
    """Of the speech alone; a short one repeated, which changes nothing of its loudness."""
    if seconds < _SHORTEST_SECONDS:
        again = math.ceil(_SHORTEST_SECONDS / max(seconds, 0.02))
        stream = apply(stream, "aloop", loop=again, size=2 * math.ceil(_SHORTEST_SECONDS) * RATE)
    stream = apply(stream, "aformat", channel_layouts="mono")
    run_ffmpeg(arguments(output((metered(stream, file),), "-", format="null")), duration=seconds, folder=folder)
    found = reading(folder / file)
    (folder / file).unlink()
    return found


def _paced(stream: Stream, speed: float) -> Stream:
    return stream if math.isclose(speed, 1.0) else apply(stream, "atempo", speed)
