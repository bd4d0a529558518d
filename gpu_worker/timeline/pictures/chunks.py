"""A film cut into chunks that one ffmpeg holds open at a time, and each chunk into pieces of shots. Pure.

A chunk never begins or ends inside a transition. Its length is bounded by the sources it has open and by seconds, so
that there is something to work on side by side and to take over after a lost worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from gpu_worker.timeline.film import Chunk, Film, Source
from gpu_worker.timeline.pictures.spans import Span, Strip, laid_out, pieces, strips

# An encoder that begins anew costs a key frame and a moment; two seconds have one anyway.
_SHORTEST_SECONDS, _LONGEST_SECONDS = 2.0, 20.0
# Memory is worth a shorter one.
_SHORTEST_OF_ALL_SECONDS = 0.5
# How much of the wanted length may be given up, or added, to end at a place where the film cuts.
_STRETCH = 0.3
_PIXELS_OF_1080P = 1920 * 1088
# Measured with H.264 on ffmpeg 9.0, in chains of transitions: 35 MB for 720p, 50 for 1080p, 60 to 90 for 4K.
_WEIGHT_OF_DECODER, _WEIGHT_OF_STILL = 0.75, 0.25


def chunks(film: Film, limit: float = 3, seconds: float = _LONGEST_SECONDS) -> list[Chunk]:
    """The film in chunks of about `seconds`, each with at most `limit` sources open at once.

    A source of 1080p counts as one and takes 40 to 55 MB, one of 4K as 1.7, a still as a quarter. Chunks of under
    half a second are not made for the sake of the limit, nor can a run of transitions without a break be cut.
    """
    spans = laid_out(film.shots)
    overlays = strips(film)
    wanted = max(1, round(max(seconds, _SHORTEST_SECONDS) * film.fps))
    wanted = ceil(film.frames / max(1, round(film.frames / wanted)))
    made: list[Chunk] = []
    first = 0
    while first < film.frames:
        last = _end(film, spans, overlays, first, wanted, limit)
        made.append(Chunk(first, tuple(pieces(film, spans, first, last))))
        first = last
    return made


def cost(chunk: Chunk) -> float:
    """What a chunk takes, as against others of its film: its frames, more of them the larger their sources are."""
    return sum(piece.frames * (1 + _open(piece.shot.source)) for piece in chunk.pieces)


def _end(film: Film, spans: Sequence[Span], overlays: Sequence[Strip], first: int, wanted: int, limit: float) -> int:
    """Where the chunk that begins at `first` ends: near the wanted length, at a cut if there is one near."""
    near = [span for span in spans if span.end > first and span.start <= first + 2 * wanted]
    over = [strip for strip in overlays if strip.end > first and strip.at <= first + 2 * wanted]
    places = _places(near, first, wanted, film)
    weights = {place: _weight(film, near, over, first, place) for place in places}
    return next((place for place in places if weights[place] <= limit), min(places, key=weights.__getitem__))


def _places(spans: Sequence[Span], first: int, wanted: int, film: Film) -> list[int]:
    """Frames where the chunk may end, the best one first.

    After a transition is better than before it: what the next chunk decodes again is short then.
    """
    last = film.frames if first + wanted * (1 + _STRETCH) >= film.frames else first + wanted
    starts, ends = {span.start for span in spans}, {span.end for span in spans}
    every_second = range(first + film.fps, last + 1, film.fps)
    taboo = [range(after.start + 1, before.end) for before, after in pairwise(spans)]
    allowed = [
        place
        for place in sorted({*starts, *ends, *every_second, last})
        if first < place <= film.frames and not any(place in transition for transition in taboo)
    ]
    least = first + round(_SHORTEST_SECONDS * film.fps)
    long_enough = [place for place in allowed if place >= least] or allowed[-1:]
    near = [place for place in long_enough if place in ends and abs(place - last) <= _STRETCH * wanted]
    near.sort(key=lambda place: abs(place - last))
    earlier = [place for place in reversed(long_enough) if place <= last]
    usual = [*near, *sorted(earlier, key=lambda place: place not in ends)] or long_enough[:1]
    brief = range(first + round(_SHORTEST_OF_ALL_SECONDS * film.fps), least)
    return [*usual, *(place for place in reversed(allowed) if place in brief)]


def _weight(film: Film, spans: Sequence[Span], overlays: Sequence[Strip], first: int, last: int) -> float:
    """How many sources of 1080p the frames `first` … `last - 1` keep open."""
    shown = pieces(film, spans, first, last)
    for strip in overlays:
        shown += pieces(film, strip.spans, first - strip.at, last - strip.at)
    return sum(_open(piece.shot.source) for piece in shown)


def _open(source: Source | None) -> float:
    if source is None:
        return 0.0
    if source.media.kind == "image":
        return _WEIGHT_OF_STILL
    share = (source.media.width or 0) * (source.media.height or 0) / _PIXELS_OF_1080P
    return _WEIGHT_OF_DECODER + (1 - _WEIGHT_OF_DECODER) * share
