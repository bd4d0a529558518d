"""Parts put together, with music stepping back for voices. Pure.

How far music steps back depends on `duck` alone, not on how loudly somebody speaks: 24 dB times its square, so 6 dB
at 0.5 and 12 dB at 0.7. For that the compressor listens to a key that stands at full scale while there is a voice
and is silent otherwise: the voice gated, then amplified and clipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import e, log10

from gpu_worker.media.graph import Stream, apply, join, open_virtual, split
from gpu_worker.media.loudness import RATE
from gpu_worker.timeline.audio.files import fitted, reopened
from gpu_worker.timeline.audio.parts import part
from gpu_worker.timeline.audio.steps import Bus, Part
from gpu_worker.timeline.film import Film, Sound

_DEEPEST_DB = 24.0
# A recording's own noise is quieter (about -46 dBFS), and what is louder is clipped after 60 dB more.
_VOICE_LEVEL, _TO_FULL_SCALE = 0.005, "60dB"
# Music begins to step back before the first syllable, and is back after a pause for breath would be over.
_AHEAD_SECONDS, _BACK_SECONDS = 0.15, 0.9
_RATIO, _ATTACK_MS, _LONGEST_RELEASE_MS = 20, 160, 9000
_VOICES = Bus(is_voice=True, duck=0.0)


def whole(film: Film, buses: dict[Bus, tuple[Part, ...]]) -> Stream:
    """The mix of the film, exactly its samples, not yet mastered."""
    if not buses:
        return mixed((), 0, film.samples)
    tracks = {bus: mixed(parts, 0, film.samples) for bus, parts in buses.items()}
    return _added(_ducked(tracks))


def mixed(parts: Sequence[Part], at: int, samples: int) -> Stream:
    """`samples` of these parts together, from sample `at` of the film on."""
    silence = open_virtual("anullsrc", r=RATE, cl="stereo", n=RATE)
    return fitted(_added([_row(lane, at) for lane in lanes(parts)] or [silence]), samples)


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
    slots = [_up_to(one, after.at) for one, after in pairwise(lane)] + [_opened(lane[-1])]
    row = slots[0] if len(slots) == 1 else join(slots, "concat", n=len(slots), v=0, a=1)
    late = lane[0].at - at
    return apply(row, "adelay", delays=f"{late}S", all=1) if late else row


def _up_to(one: Part, after: int) -> Stream:
    slot = after - one.at
    return apply(_opened(one), "apad", whole_len=slot) if slot > one.samples else _opened(one)


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
    # Not evenly, or a voice whose channels are each other's opposite would not be there.
    mono = apply(early, "pan", args="mono|c0=.6*c0+.4*c1")
    gated = apply(mono, "agate", threshold=_VOICE_LEVEL, range=0, ratio=9000, attack=5, release=250)
    return apply(apply(gated, "volume", volume=_TO_FULL_SCALE), "asoftclip", type="hard")


def _stepped_back(track: Stream, key: Stream, duck: float) -> Stream:
    """The filter's times are four times those of its filter's decay, and it decays by 8.7 dB in one of these."""
    depth = _DEEPEST_DB * duck * duck / (1 - 1 / _RATIO)
    release = min(_LONGEST_RELEASE_MS, 4000 * _BACK_SECONDS * 20 * log10(e) / depth)
    return join(
        (track, apply(key, "apad")), "sidechaincompress", threshold=f"{10 ** (-depth / 20):.6f}", ratio=_RATIO,
        attack=_ATTACK_MS, release=f"{release:.3f}", knee=1, detection="peak",
    )  # fmt: skip
