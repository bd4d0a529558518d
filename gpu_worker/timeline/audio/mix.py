"""Parts put together, with music stepping back for voices. Pure.

The key that music listens to is the voice made even (gated, then driven into a limiter), so that how far music steps
back depends on `duck` alone and not on how loudly somebody speaks: 24 dB times its square, 12 dB at 0.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gpu_worker.media.graph import Stream, apply, join, open_virtual, split
from gpu_worker.timeline.audio.files import fitted, reopened
from gpu_worker.timeline.audio.parts import part
from gpu_worker.timeline.audio.steps import Bus, Mixed, Part
from gpu_worker.timeline.film import RATE, Film, Sound

_DEEPEST_DB = 24.0
# The key stands this far below full scale, and the compressor does 19/20 of what lies above its threshold.
_KEY_DB, _RATIO = 1.0, 20
# Music is down before the first syllable.
_AHEAD_SECONDS = 0.12
_VOICES = Bus(is_voice=True, duck=0.0)


def whole(film: Film, buses: dict[Bus, tuple[Part, ...]]) -> Stream:
    """The mix of the film, exactly its samples, not yet mastered."""
    if not buses:
        return fitted(open_virtual("anullsrc", r=RATE, cl="stereo"), film.samples)
    tracks = {bus: mixed(parts, 0, film.samples) for bus, parts in buses.items()}
    return _added(_ducked(tracks))


def mixed(parts: Sequence[Part], at: int, samples: int) -> Stream:
    """`samples` of these parts together, from sample `at` of the film on."""
    return fitted(_added([_row(lane, at) for lane in lanes(parts)]), samples)


def lanes(parts: Sequence[Part]) -> list[list[Part]]:
    """As few rows as hold the parts with none beside another: rows are cheaper than sums of mostly silence."""
    rows: list[list[Part]] = []
    for one in sorted(parts, key=lambda part: part.at):
        free = next((row for row in rows if row[-1].at + row[-1].samples <= one.at), None)
        if free is None:
            rows.append([one])
        else:
            free.append(one)
    return rows


def _row(lane: Sequence[Part], at: int) -> Stream:
    slots = [apply(_opened(one), "apad", whole_len=after.at - one.at) for one, after in pairwise(lane)]
    slots.append(_opened(lane[-1]))
    row = slots[0] if len(slots) == 1 else join(slots, "concat", n=len(slots), v=0, a=1)
    late = lane[0].at - at
    return apply(row, "adelay", delays=f"{late}S", all=1) if late else row


def _opened(one: Part) -> Stream:
    return part(one) if isinstance(one, Sound) else reopened(one.name)


def _added(streams: Sequence[Stream]) -> Stream:
    """The sum, without making anything quieter."""
    return streams[0] if len(streams) == 1 else join(streams, "amix", inputs=len(streams), normalize=0)


def _ducked(tracks: dict[Bus, Stream]) -> list[Stream]:
    shy = [bus for bus in tracks if bus.duck > 0]
    if not shy:
        return list(tracks.values())
    heard, *keys = split(tracks[_VOICES], "asplit", 1 + len(shy))
    stepped = [_stepped_back(tracks[bus], _key(key), bus.duck) for bus, key in zip(shy, keys, strict=True)]
    return [heard, *stepped, *(track for bus, track in tracks.items() if bus not in (_VOICES, *shy))]


def _key(voice: Stream) -> Stream:
    early = apply(apply(voice, "atrim", start=_AHEAD_SECONDS), "asetpts", expr="PTS-STARTPTS")
    gated = apply(early, "agate", threshold=0.01, range=0, ratio=9000, attack=5, release=250)
    return apply(apply(gated, "volume", volume="40dB"), "alimiter", limit=1, level=0, attack=5, release=100)


def _stepped_back(track: Stream, key: Stream, duck: float) -> Stream:
    depth = _DEEPEST_DB * duck * duck / (1 - 1 / _RATIO) + _KEY_DB
    return join(
        (track, apply(key, "apad")), "sidechaincompress", threshold=f"{10 ** (-depth / 20):.6f}", ratio=_RATIO,
        attack=60, release=450, knee=1, detection="peak",
    )  # fmt: skip
