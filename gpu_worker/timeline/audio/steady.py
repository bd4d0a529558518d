"""Files whose sound changes its form on the way, from mono to stereo or to another rate, or seems to where damaged.

ffmpeg begins a graph anew when that happens, and loses count of all that is in it. So such a file is decoded alone,
into one that has a single form and keeps its times. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gpu_worker.media.graph import Option, Output, open_source, output
from gpu_worker.media.loudness import RATE
from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.audio.parts import excerpt
from gpu_worker.timeline.film import Sound, Source

_FORM: dict[str, Option] = {"c:a": "pcm_f32le", "ar": RATE, "max_error_rate": 1, "format": "nut"}


def decoded(sound: Sound, name: str) -> Output:
    """What the sound needs of its source, as the file `name`."""
    stream = open_source(sound.source.path, sound.source.media, "audio", **excerpt(sound).limits)
    return output((stream,), name, ac=_channels(sound), **_FORM)


def steady(sound: Sound, name: str) -> Sound:
    """The same sound from what was `decoded`."""
    media = MediaInfo("audio", "nut", audio_stream=0, audio_codec="pcm_f32le", channels=_channels(sound))
    early = excerpt(sound).early
    end = None if sound.end is None else sound.end - early
    return replace(sound, source=Source(Path(name), media), start=sound.start - early, end=end)


def _channels(sound: Sound) -> int:
    """What begins in mono stays so: played to both ears it is as loud as elsewhere."""
    return 1 if sound.source.media.channels == 1 else 2
