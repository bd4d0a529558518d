"""What the graphics card really does here. A driver may list NVENC and NVDEC and still refuse, so they are tried."""

from __future__ import annotations

import subprocess
from functools import cache

from gpu_worker.media.ffmpeg import ffmpeg_path
from gpu_worker.timeline.film import Film
from gpu_worker.timeline.pictures import NONE, Codecs
from gpu_worker.timeline.runner.encode import HARDWARE, SOFTWARE
from shared.timeline.output import VideoCodec

_PATIENCE_SECONDS = 20.0
_TRIAL = ("-f", "lavfi", "-i", "color=size=256x256:rate=30", "-frames:v", "3", "-pix_fmt", "yuv420p")
# As probes call the codecs, and what holds each of them on its way to the trial.
_DECODED: dict[str, tuple[VideoCodec, str]] = {
    "h264": ("h264", "h264"), "hevc": ("h265", "hevc"), "vp9": ("vp9", "ivf"), "av1": ("av1", "ivf"),
}  # fmt: skip


def encoder_for(codec: VideoCodec, *, hardware: bool) -> str:
    """ffmpeg's name of the encoder to use: the card's where it is wanted and a trial of it succeeds."""
    candidate = HARDWARE.get(codec)
    return candidate if hardware and candidate and _encodes(candidate) else SOFTWARE[codec]


def decoded_by_card(film: Film) -> Codecs:
    """Of the codecs of the film's sources those that the card decodes, where it is wanted and a trial succeeds."""
    if film.output.hardware != "auto" or not _encodes("h264_nvenc"):
        return NONE
    shown = {shot.source for shot in film.shots} | {layer.source for layer in film.layers}
    used = {source.media.video_codec for source in shown if source is not None and source.media.kind == "video"}
    return frozenset(codec for codec in used if codec in _DECODED and _decodes(codec))


@cache
def _encodes(encoder: str) -> bool:
    return _run([*_TRIAL, "-c:v", encoder, "-f", "null", "-"]) is not None


@cache
def _decodes(codec: str) -> bool:
    """By the card alone: frames that must stay in its memory cannot come from a decoder in software."""
    made, container = _DECODED[codec]
    film = _run([*_TRIAL, "-c:v", SOFTWARE[made], "-f", container, "-"])
    card = ["-hwaccel", "cuda", "-hwaccel_output_format", "cuda", "-f", container, "-i", "-"]
    return bool(film) and _run([*card, "-vf", "hwdownload,format=nv12", "-f", "null", "-"], film) is not None


def _run(arguments: list[str], given: bytes | None = None) -> bytes | None:
    command = [str(ffmpeg_path()), "-v", "error", "-nostdin", *arguments]
    try:
        done = subprocess.run(command, check=True, timeout=_PATIENCE_SECONDS, capture_output=True, input=given)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
