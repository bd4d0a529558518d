"""What lies over the film: overlays, and full frames of upper tracks. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gpu_worker.media.graph import Stream, apply, join
from gpu_worker.timeline.film import Chunk, Film, Shot, Source
from gpu_worker.timeline.pictures.footage import Codecs, footage
from gpu_worker.timeline.pictures.framing import WHOLE, Frame, fitted_size, placed, scaled, shown_size
from gpu_worker.timeline.pictures.look import graded
from gpu_worker.timeline.pictures.shots import in_a_row, joined
from gpu_worker.timeline.pictures.spans import Strip, pieces, strips, whole_transitions
from shared.timeline import Clip, Overlay

# What a loop may hold in memory; a longer one opens its file again for every round.
_LOOP_BYTES = 48_000_000
_BYTES_PER_PIXEL = 2.5


def with_layers(stream: Stream, film: Film, chunk: Chunk, frame: Frame, card: Codecs) -> Stream:
    """The chunk's picture, timed from 0, with all that lies over it."""
    for strip in strips(film):
        first = max(chunk.first, strip.at) - strip.at
        last = min(chunk.first + chunk.frames, strip.end) - strip.at
        if first >= last:
            continue
        if strip.overlay is None:
            layer, x, y = _upper(film, strip, first, last, frame, card), 0, 0
        else:
            layer, (x, y) = _overlay(film, strip, strip.overlay, first, last, card)
        layer = apply(layer, "setpts", expr=f"N+{strip.at + first - chunk.first}")
        stream = join((stream, layer), "overlay", x=x, y=y, format="yuv420", eof_action="pass")
    return stream


def _upper(film: Film, strip: Strip, first: int, last: int, frame: Frame, card: Codecs) -> Stream:
    own = replace(frame, see_through=any(_shows_below(span.shot) for span in strip.spans))
    # Chunks are cut outside the transitions of the lowest track, not of this one.
    start, end = whole_transitions(strip.spans, first, last)
    stream = joined(pieces(film, strip.spans, start, end), own, card)
    if (start, end) != (first, last):
        stream = apply(stream, "trim", start_frame=first - start, end_frame=last - start)
    return graded(stream, film, own)


def _shows_below(shot: Shot) -> bool:
    opaque = shot.clip is None or len(shot.clip.background) == len("#RRGGBB")
    return not opaque or (shot.source is not None and shot.source.media.alpha)


def _overlay(
    film: Film, strip: Strip, overlay: Overlay, first: int, last: int, card: Codecs
) -> tuple[Stream, tuple[int, int]]:
    shot = strip.spans[0].shot
    source = shot.source
    assert source is not None and shot.clip is not None  # noqa: S101, PT018 - `strips` makes it from an overlay
    size = _size(film, overlay, source)
    stream = _frames(film, overlay, shot, source, shot.clip, size, first, last - first, card)
    margin = round(overlay.margin * min(film.width, film.height))
    return _blended(stream, overlay, shot, film.fps), placed(overlay.position, (film.width, film.height), size, margin)


def _size(film: Film, overlay: Overlay, source: Source) -> tuple[int, int]:
    width, height = shown_size(source.media, overlay.crop)
    return fitted_size(width, height, max(2, round(film.width * overlay.width)), film.height)


def _frames(
    film: Film, overlay: Overlay, shot: Shot, source: Source, clip: Clip, size: tuple[int, int],
    first: int, frames: int, card: Codecs,
) -> Stream:  # fmt: skip
    see_through = source.media.alpha or overlay.opacity < 1 or _fades(overlay)
    frame = Frame(*size, film.fps, see_through, film.scaler)

    def part(start: int, count: int) -> Stream:
        return footage(
            shot, source, start, count, film.fps, card,
            lambda opened: scaled(opened, source.media, clip, WHOLE, size, frame),
        )  # fmt: skip

    period = round((source.media.duration - overlay.source_start) * film.fps)
    if not overlay.loop or source.media.kind == "image" or first % max(period, 1) + frames <= period:
        return part(first % max(period, 1) if overlay.loop and period > 0 else first, frames)
    stream = _looped(part, max(period, 1), first, frames, frame)
    return apply(stream, "setpts", expr=f"N+{first}")


def _looped(part: Callable[[int, int], Stream], period: int, first: int, frames: int, frame: Frame) -> Stream:
    """`frames` of a loop of `period` frames, from its frame `first` on, counting through all rounds."""
    skipped = first % period
    if period * frame.width * frame.height * _BYTES_PER_PIXEL <= _LOOP_BYTES:
        stream = apply(part(0, period), "loop", loop=-1, size=period)
        return apply(stream, "trim", start_frame=skipped, end_frame=skipped + frames)
    ends = [*range(period - skipped, frames, period), frames]
    starts = [0, *ends[:-1]]
    rounds = [part((skipped + start) % period, end - start) for start, end in zip(starts, ends, strict=True)]
    return in_a_row(rounds, frame.fps)


def _fades(overlay: Overlay) -> bool:
    return overlay.fade_in > 0 or overlay.fade_out > 0


def _blended(stream: Stream, overlay: Overlay, shot: Shot, fps: int) -> Stream:
    if overlay.opacity < 1:
        stream = apply(stream, "lutyuv", a=f"val*{overlay.opacity:.4f}")
    seconds = shot.frames / fps
    if overlay.fade_in:
        stream = apply(stream, "fade", type="in", alpha=1, start_time=0, duration=min(overlay.fade_in, seconds))
    if overlay.fade_out:
        length = min(overlay.fade_out, seconds)
        stream = apply(stream, "fade", type="out", alpha=1, start_time=f"{seconds - length:.6f}", duration=length)
    return stream
