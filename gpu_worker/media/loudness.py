"""Loudness and peaks of finished sound, after EBU R 128 and ITU-R BS.1770."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from gpu_worker.media.graph import Stream, apply
from shared.timeline import SoundMix

RATE = 48_000
"""Samples a second of all sound that is made here."""
SILENT_LUFS = -70.0
"""Nothing quieter counts for the integrated loudness of BS.1770."""

# A wave is higher between samples than at them; at four times the rate the difference is gone (BS.1770, annex 2).
_OVERSAMPLED = 4 * RATE
# What going back to 48 kHz adds.
_SPARE_DB = 0.1
_TAIL_BYTES = 4000


@dataclass(frozen=True)
class Measured:
    """Integrated loudness in LUFS and the highest true peak in dBTP; None where there is no sound to measure."""

    loudness: float | None = None
    peak: float | None = None


def louder(stream: Stream, gain: float) -> Stream:
    """The samples times `gain`."""
    return stream if gain == 1 else apply(stream, "volume", volume=f"{gain:.6f}", precision="float")


def metered(stream: Stream, file: str, *, peak: bool = True) -> Stream:
    """The same sound; what `reading` reads is written to `file` on the way, without `peak` the loudness alone."""
    stream = apply(stream, "ebur128", metadata=1, peak="true" if peak else "none")
    return apply(stream, "ametadata", mode="print", file=file)


def reading(path: Path) -> Measured:
    """What `metered` has found when the sound was over."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read().decode("ascii", "replace")
    loudness = _last(tail, r"r128\.I")
    highest = max(_last(tail, rf"r128\.true_peaks_ch{n}") or 0.0 for n in range(2))
    return Measured(
        loudness if loudness is not None and loudness > SILENT_LUFS else None,
        20 * math.log10(highest) if highest > 0 else None,
    )


def limited(stream: Stream, mix: SoundMix, gain_db: float = 0.0) -> Stream:
    """Louder by `gain_db`, and nowhere above the peak."""
    fine = apply(louder(stream, 10 ** (gain_db / 20)), "aresample", _OVERSAMPLED)
    limit = f"{10 ** ((mix.peak - _SPARE_DB) / 20):.6f}"
    return apply(apply(fine, "alimiter", limit=limit, level=0, attack=5, release=60, latency=1), "aresample", RATE)


def steered(stream: Stream, mix: SoundMix) -> Stream:
    """Held at its loudness as it runs, in one pass."""
    even = apply(stream, "loudnorm", I=mix.loudness, TP=mix.peak, LRA=11)
    return apply(even, "aformat", sample_fmts="fltp", sample_rates=RATE, channel_layouts="stereo")


def _last(text: str, key: str) -> float | None:
    found = re.findall(rf"{key}=(\S+)", text)
    value = float(found[-1]) if found else math.nan
    return value if math.isfinite(value) else None
