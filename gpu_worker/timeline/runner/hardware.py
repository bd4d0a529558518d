"""Which encoder really works here. A driver may list NVENC and still refuse it, so it is tried."""

from __future__ import annotations

import subprocess
from functools import cache

from gpu_worker.media.ffmpeg import ffmpeg_path
from gpu_worker.timeline.runner.encode import HARDWARE, SOFTWARE
from shared.timeline.output import VideoCodec

_PATIENCE_SECONDS = 20.0


def encoder_for(codec: VideoCodec, *, hardware: bool) -> str:
    """ffmpeg's name of the encoder to use: the card's where it is wanted and a trial of it succeeds."""
    candidate = HARDWARE.get(codec)
    return candidate if hardware and candidate and _works(candidate) else SOFTWARE[codec]


@cache
def _works(encoder: str) -> bool:
    trial = [str(ffmpeg_path()), "-v", "error", "-nostdin", "-f", "lavfi", "-i", "color=size=256x256:rate=30"]
    trial += ["-frames:v", "3", "-c:v", encoder, "-f", "null", "-"]
    try:
        subprocess.run(trial, check=True, timeout=_PATIENCE_SECONDS, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True
