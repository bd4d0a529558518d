"""Mixes on their way, in files of our own, an eighth as loud, since sums may lie above full scale. Pure.

They are 24-bit FLAC, a third of the size; what is to be looped is WAV, since a short FLAC cannot be wound back.
"""

from __future__ import annotations

from gpu_worker.media.graph import Option, Output, Stream, apply, open_file, output
from gpu_worker.media.loudness import RATE, louder

HEADROOM = 8
# What is damaged in a file is silent; by itself ffmpeg ends with an error when that is most of it.
_PATIENT: dict[str, Option] = {"max_error_rate": 1}
_FLAC: dict[str, Option] = {"c:a": "flac", "sample_fmt": "s32", "compression_level": 2, "format": "flac"}
_WAV: dict[str, Option] = {"c:a": "pcm_f32le", "rf64": "auto", "format": "wav"}


def kept(stream: Stream, name: str) -> Output:
    """A mix put by for another ffmpeg."""
    return finished(louder(stream, 1 / HEADROOM), name)


def reopened(name: str) -> Stream:
    """A mix that was `kept`, as loud as it was."""
    return louder(open_file(name, "flac"), HEADROOM)


def finished(stream: Stream, name: str) -> Output:
    """A mix as it is; what lies above full scale is lost."""
    form = _WAV if name.endswith(".wav") else _FLAC
    return output((stream,), name, **_PATIENT, ar=RATE, ac=2, **form)


def fitted(stream: Stream, samples: int) -> Stream:
    """Exactly so many samples, silence after what there is."""
    return apply(apply(stream, "apad", whole_len=samples), "atrim", end_sample=samples)
