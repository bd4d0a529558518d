"""Room on the disk, looked for before the work instead of found missing in its middle."""

from __future__ import annotations

import shutil
from pathlib import Path

from gpu_worker.media.loudness import RATE
from gpu_worker.timeline.film import Film
from shared.errors import EngineFailed
from shared.timeline import Encoding

# Bits for a pixel of each frame, of pictures that are hard to compress.
_BITS = {"h264": 0.2, "h265": 0.15, "vp9": 0.15, "av1": 0.12, "prores": 4.0}
_GIF_BITS = 4.0
# Its mix, its master and the groups they are made of, at their worst.
_SOUND_BYTES = 3 * 4 * 2 * RATE
_SPARE_BYTES = 200 * 2**20


def needed(film: Film, encodings: list[Encoding]) -> int:
    """Bytes that the work on a film may take at once: the parts, the film made of them, and the sound."""
    pixels = film.width * film.height * film.frames
    files = sum(_bytes(encoding, pixels, film.duration) for encoding in encodings)
    return round(2 * files + _SOUND_BYTES * film.duration) + _SPARE_BYTES


def check(film: Film, encodings: list[Encoding], folder: Path) -> None:
    """EngineFailed with the sizes in words when the disk under `folder` has too little room for the film."""
    free, wanted = shutil.disk_usage(folder).free, needed(film, encodings)
    if free < wanted:
        msg = f"The film may take {wanted / 1e9:.1f} GB while it is made, and this worker's disk has {free / 1e9:.1f}."
        raise EngineFailed(msg, retryable=True)


def _bytes(encoding: Encoding, pixels: int, seconds: float) -> float:
    if encoding.video_bitrate is not None:
        return encoding.video_bitrate * 1000 / 8 * seconds * 1.2
    codec = encoding.video_codec
    bits = _GIF_BITS if encoding.format == "gif" else _BITS[codec] if codec else 0.0
    return pixels * bits / 8
