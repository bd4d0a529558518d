"""Smart cut: what nothing touches is copied from its source packet by packet, and only the edges are encoded.

A stretch can be copied from one entry of its source (a key picture that nothing reaches across) to another. The
sources copied from are of one kind, the film's own: H.264 of the film's size and rate. Pure but for the indexes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor
from pathlib import Path

from gpu_worker.timeline.film import Chunk, Film, Shot
from gpu_worker.timeline.pictures.footage import PHASE_SECONDS
from gpu_worker.timeline.pictures.spans import Span, laid_out, pieces
from gpu_worker.timeline.runner.packets import Index, Run, Track, decodes_across, index, join
from gpu_worker.timeline.runner.picture import Target, part_name
from shared.errors import EngineFailed
from shared.timeline import Caption, Clip, Look, Title

_log = logging.getLogger(__name__)

# An encoder begins anew behind every copy; less than this is not worth it.
_SHORTEST_SECONDS = 1.0
# Effects of what is touched end well within this many frames of it.
_MARGIN_FRAMES = 2
_PLAIN = Clip(url="storage://uploads/any")
_MATTERS = ("speed", "reverse", "freeze", "crop", "rotate", "flip", "motion", "effects")


@dataclass(frozen=True)
class Copy:
    """Frames of the film, from `first` on, that are copied."""

    run: Run

    @property
    def first(self) -> int:
        """The first frame."""
        return self.run.first

    @property
    def end(self) -> int:
        """The frame after the last."""
        return self.run.first + self.run.end - self.run.start


def copies(film: Film) -> list[Copy]:
    """What of the film can be copied; empty where it has to be encoded anyway, or the owner has turned this off."""
    if not _is_wanted(film):
        return []
    touched = _touched(film)
    found: list[Copy] = []
    kind: tuple[object, ...] | None = None
    for span, before in zip(laid_out(film.shots), (None, *film.shots), strict=False):
        indexed = _index(film, span.shot)
        if indexed is None or (kind or indexed.kind) != indexed.kind:
            continue
        mine = list(_of_span(film, span, before.overlap if before else 0, indexed, touched))
        kind = indexed.kind if mine else kind
        found += mine
    return found


def between(film: Film, copied: Sequence[Copy], whole: Sequence[Chunk]) -> list[Chunk]:
    """What is left to encode; a long rest is cut where `whole`, the chunks of the film made in one go, are cut."""
    edges = [0, *(edge for copy in copied for edge in (copy.first, copy.end)), film.frames]
    rests = [(first, end) for first, end in zip(edges[::2], edges[1::2], strict=True) if first < end]
    spans = laid_out(film.shots)
    made = []
    for first, end in rests:
        cuts = [chunk.first for chunk in whole if first + 2 * film.fps < chunk.first < end - 2 * film.fps]
        made += [Chunk(a, tuple(pieces(film, spans, a, b))) for a, b in pairwise([first, *cuts, end])]
    return made


def with_copies(
    film: Film, copied: Sequence[Copy], encoded: Sequence[Chunk], target: Target, folder: Path
) -> list[str] | None:
    """ffmpeg's arguments that open the picture put together; None when it does not stand its check."""
    runs = [copy.run for copy in copied]
    runs += [Run(Track(folder / part_name(target, c), "mov", 0), 0, c.frames, c.first) for c in encoded]
    runs.sort(key=lambda run: run.first)
    path = folder / "joined.mp4"
    try:
        join(runs, film.fps, path)
    except EngineFailed as problem:
        _log.warning("Smart cut: %s", problem.message)
        return None
    # Into each copy, which passes the encoded piece before it from its beginning on; and into the last piece.
    seams = {*(copy.first for copy in copied), runs[-1].first}
    if not decodes_across(path, sorted(seams), film.fps):
        _log.warning("Smart cut: the film does not decode where its pieces meet")
        return None
    return ["-f", "mov", "-protocol_whitelist", "file,pipe", "-i", path.name]


def _is_wanted(film: Film) -> bool:
    output = film.output
    pictures = [one for one in (output, *output.also) if one.format not in ("mp3", "wav")]
    return (
        output.smart_cut == "auto"
        and len(pictures) == 1
        and (output.format, output.video_codec, output.video_bitrate) == ("mp4", "h264", None)
        and output.profile == "full"
        and film.lut is None
        and film.look == Look()
    )


def _touched(film: Film) -> list[tuple[int, int]]:
    """Stretches of frames that something lies over."""
    burned = film.captions if film.output.captions in ("burned", "both") else ()
    words: list[Title | Caption] = [*film.titles, *burned]
    times = [(floor(word.start * film.fps), floor(word.end * film.fps)) for word in words]
    layers = [(layer.at, layer.at + layer.frames) for layer in film.layers]
    return sorted((first - _MARGIN_FRAMES, end + _MARGIN_FRAMES + 1) for first, end in [*times, *layers])


def _index(film: Film, shot: Shot) -> Index | None:
    track = _untouched(film, shot)
    found = track and index(track, film.fps, shot.start, shot.start + shot.frames / film.fps)
    return found if found and "yuv420p" in found.kind else None


def _untouched(film: Film, shot: Shot) -> Track | None:
    """The picture of a shot that is shown as it lies in its file."""
    source, clip = shot.source, shot.clip
    if source is None or clip is None or (stream := source.media.video_stream) is None:
        return None
    media = source.media
    is_alike = (media.video_codec, media.width, media.height) == ("h264", film.width, film.height)
    is_straight = (media.rotation, media.pixel_aspect, media.interlaced, media.matrix) == (0, 1.0, False, "bt709")
    is_plain = all(getattr(clip, name) == getattr(_PLAIN, name) for name in _MATTERS)
    return Track(source.path, media.container, stream) if is_alike and is_straight and is_plain else None


def _of_span(
    film: Film, span: Span, overlap_before: int, indexed: Index, touched: list[tuple[int, int]]
) -> Iterator[Copy]:
    offset = _frame_of_zero(span, indexed, film.fps)
    entries = sorted({*(picture.number for picture in indexed.pictures if picture.is_entry), indexed.end})
    for free_first, free_end in _free(span.start + overlap_before, span.end - span.shot.overlap, touched):
        within = [number for number in entries if free_first <= number + offset <= free_end]
        if len(within) > 1 and within[-1] - within[0] >= _SHORTEST_SECONDS * film.fps:
            yield Copy(indexed.run(within[0], within[-1], within[0] + offset))


def _frame_of_zero(span: Span, indexed: Index, fps: int) -> int:
    """The film's frame that shows picture number 0 of the source, were it long enough; see `pictures.footage`."""
    return span.start + floor((indexed.zero - span.shot.start) * fps + 0.5 + PHASE_SECONDS * fps)


def _free(first: int, end: int, touched: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for touched_first, touched_end in touched:
        if touched_first >= end:
            break
        if touched_first > first:
            yield first, touched_first
        first = max(first, touched_end)
    if first < end:
        yield first, end
