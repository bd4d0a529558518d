"""Where shots stand on the frames of the film, and which pieces of them a stretch of film shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from gpu_worker.timeline.film import Film, Layer, Piece, Shot
from gpu_worker.timeline.pictures.footage import is_reversed
from shared.timeline import Clip, Overlay

# Frames that a reversed piece holds at once, all together.
_REVERSED_BYTES = 64_000_000


@dataclass(frozen=True)
class Span:
    """A shot on the film's own frame count."""

    shot: Shot
    start: int

    @property
    def end(self) -> int:
        """The frame after its last."""
        return self.start + self.shot.frames


@dataclass(frozen=True)
class Strip:
    """Spans that lie over the film together, from its frame `at` on; one of an overlay, or some of an upper track."""

    at: int
    spans: tuple[Span, ...]
    overlay: Overlay | None = None

    @property
    def end(self) -> int:
        """The frame of the film after its last."""
        return self.at + self.spans[-1].end


def laid_out(shots: Sequence[Shot]) -> tuple[Span, ...]:
    """Every shot where it stands; neighbours share the frames of their transition."""
    starts = accumulate((shot.frames - shot.overlap for shot in shots), initial=0)
    return tuple(Span(shot, start) for shot, start in zip(shots, starts, strict=False))


def pieces(film: Film, spans: Iterable[Span], first: int, last: int) -> list[Piece]:
    """What frames `first` … `last - 1` show. Reversed shots come in pieces that fit into memory."""
    most_reversed = max(1, _REVERSED_BYTES // (film.width * film.height * 3 // 2))
    made: list[Piece] = []
    for span in spans:
        start, end = max(first, span.start), min(last, span.end)
        if start >= end:
            continue
        # The next shot has begun by the end of this one's frames here, unless the chunk ends first.
        shared = max(0, min(last, span.end) - (span.end - span.shot.overlap))
        made += _cut(Piece(span.shot, start - span.start, end - start, shared), most_reversed)
    if made:
        made[-1] = Piece(made[-1].shot, made[-1].first, made[-1].frames)
    return made


def whole_transitions(spans: Sequence[Span], first: int, last: int) -> tuple[int, int]:
    """The stretch from `first` to `last`, made longer where it begins or ends inside a transition."""
    for before, after in pairwise(spans):
        if after.start < first < before.end:
            first = after.start
        if after.start < last < before.end:
            last = before.end
    return first, last


def strips(film: Film) -> tuple[Strip, ...]:
    """The film's layers from the lowest up, shots that share a transition together."""
    made: list[Strip] = []
    for layer in film.layers:
        if isinstance(layer.picture, Overlay):
            made.append(Strip(layer.at, (Span(_as_shot(layer, layer.picture), 0),), layer.picture))
        elif made and _follows(made[-1], layer):
            before = made.pop()
            made.append(Strip(before.at, (*before.spans, Span(layer.picture, layer.at - before.at))))
        else:
            made.append(Strip(layer.at, (Span(layer.picture, 0),)))
    return tuple(made)


def _follows(strip: Strip, layer: Layer) -> bool:
    overlap = strip.spans[-1].shot.overlap
    return strip.overlay is None and overlap > 0 and layer.at == strip.end - overlap


def _as_shot(layer: Layer, overlay: Overlay) -> Shot:
    clip = Clip(url=overlay.url, crop=overlay.crop)
    return Shot(layer.source, clip, overlay.source_start, 0.0, layer.frames)


def _cut(piece: Piece, most: int) -> list[Piece]:
    if not is_reversed(piece.shot) or piece.frames <= most:
        return [piece]
    firsts = range(piece.first, piece.first + piece.frames, most)
    ends = [*firsts[1:], piece.first + piece.frames]
    parts = [Piece(piece.shot, first, end - first) for first, end in zip(firsts, ends, strict=True)]
    return [*parts[:-1], Piece(piece.shot, parts[-1].first, parts[-1].frames, piece.overlap)]
