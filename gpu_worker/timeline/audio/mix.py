"""The groups of a film put together, with music stepping back for voices. Pure.

The key that music listens to is the voice made even (gated, then driven into a limiter), so that how far music steps
back depends on `duck` alone and not on how loudly somebody speaks: 24 dB times its square, 12 dB at 0.7.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpu_worker.media.graph import Stream, apply, join, open_file, open_virtual, split
from gpu_worker.timeline.audio.groups import Bus, Group, added, fitted
from gpu_worker.timeline.film import RATE, Film

_DEEPEST_DB = 24.0
# The key stands this far below full scale, and the compressor does 19/20 of what lies above its threshold.
_KEY_DB, _RATIO = 1.0, 20
# Music is down before the first syllable.
_AHEAD_SECONDS = 0.12


def whole(film: Film, made: Sequence[tuple[Group, str]]) -> Stream:
    """The mix of all groups, each lying in a file; exactly the film's samples, not yet mastered."""
    if not made:
        return fitted(open_virtual("anullsrc", r=RATE, cl="stereo"), film.samples)
    buses: dict[Bus, list[Stream]] = {}
    for group, name in made:
        buses.setdefault(group.bus, []).append(_placed(group, name))
    tracks = {bus: fitted(added(streams), film.samples) for bus, streams in buses.items()}
    return fitted(added(_ducked(tracks)), film.samples)


def _placed(group: Group, name: str) -> Stream:
    stream = open_file(name, "wav")
    return apply(stream, "adelay", delays=f"{group.at}S", all=1) if group.at else stream


def _ducked(tracks: dict[Bus, Stream]) -> list[Stream]:
    shy = [bus for bus in tracks if bus.duck > 0]
    if not shy:
        return list(tracks.values())
    voice = Bus(is_voice=True, duck=0.0)
    heard, *keys = split(tracks[voice], "asplit", 1 + len(shy))
    stepped = [_stepped_back(tracks[bus], _key(key), bus.duck) for bus, key in zip(shy, keys, strict=True)]
    return [heard, *stepped, *(track for bus, track in tracks.items() if bus not in (voice, *shy))]


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
