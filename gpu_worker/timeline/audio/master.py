"""Loudness and peaks of the finished mix (EBU R 128, ITU-R BS.1770)."""

from __future__ import annotations

import math
import re
from pathlib import Path

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.graph import Stream, apply, arguments, open_file, output
from shared.timeline import SoundMix

SILENT = -70.0
"""Integrated loudness, in LUFS, that the standard's gate lets nothing below count for."""
_LOUDNESS_FILE = "loudness.txt"
# Between samples a wave can be higher than at any of them, and a codec adds its own.
_BETWEEN_SAMPLES_DB = 0.4


def measured(name: str, seconds: float, folder: Path) -> float:
    """Integrated loudness of a WAV or FLAC file in `folder`, in LUFS; SILENT where there is nothing to measure."""
    demuxer = name.rpartition(".")[2]
    stream = apply(open_file(name, demuxer), "ebur128", metadata=1)
    stream = apply(stream, "ametadata", mode="print", key="lavfi.r128.I", file=_LOUDNESS_FILE)
    run_ffmpeg(arguments(output((stream,), "-", format="null")), duration=seconds, folder=folder)
    found = re.findall(r"lavfi\.r128\.I=(\S+)", (folder / _LOUDNESS_FILE).read_text())
    loudness = float(found[-1]) if found else SILENT
    return loudness if math.isfinite(loudness) else SILENT


def limited(stream: Stream, mix: SoundMix, gain_db: float = 0.0) -> Stream:
    """Louder by `gain_db`, and nowhere above the peak."""
    if gain_db:
        stream = apply(stream, "volume", volume=f"{gain_db:.3f}dB", precision="float")
    limit = 10 ** ((mix.peak - _BETWEEN_SAMPLES_DB) / 20)
    return apply(stream, "alimiter", limit=f"{limit:.6f}", level=0, attack=5, release=60, latency=1)


def steered(stream: Stream, mix: SoundMix) -> Stream:
    """Held at its loudness as it runs, in one pass."""
    loud = apply(stream, "loudnorm", I=mix.loudness, TP=mix.peak, LRA=11)
    return apply(loud, "aresample", 48_000)
