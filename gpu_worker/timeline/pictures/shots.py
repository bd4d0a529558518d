"""Pieces of shots as streams, and pieces joined by cuts and transitions. Pure.

Only the frames that two shots share pass through a transition, which mostly works in 4:4:4; all others go around.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpu_worker.media.graph import Stream, apply, join, open_virtual, split
from gpu_worker.timeline.film import Piece
from gpu_worker.timeline.pictures.effects import with_effects
from gpu_worker.timeline.pictures.footage import Codecs, footage
from gpu_worker.timeline.pictures.framing import Frame, framed
from gpu_worker.timeline.pictures.motion import canvas, moved


def joined(pieces: Sequence[Piece], frame: Frame, card: Codecs) -> Stream:
    """The pieces one after the other, their times counted from 0; what neighbours share is their transition."""
    parts: list[Stream] = []
    tail: Stream | None = None
    shared, name = 0, ""
    for shot in _by_shot(pieces):
        frames, overlap = sum(piece.frames for piece in shot), shot[-1].overlap
        stream = in_a_row([_piece(piece, frame, card) for piece in shot], frame.fps)
        if len(shot) > 1:
            # xfade of FFmpeg 5.1 may pass over the last frame of a stream whose end it already sees.
            stream = apply(stream, "tpad", stop=1, stop_mode="clone")
        head, body, following = _divided(stream, [shared, frames - shared - overlap, overlap])
        if tail is not None and head is not None:
            parts.append(_transition(tail, head, name, shared, frame))
        if body is not None:
            parts.append(body)
        tail, shared, name = following, overlap, shot[-1].shot.transition
    return in_a_row(parts, frame.fps)


def _by_shot(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Pieces that go on where the one before them ended, together."""
    shots: list[list[Piece]] = []
    for piece in pieces:
        before = shots[-1][-1] if shots else None
        if before and before.shot is piece.shot and piece.first == before.first + before.frames and not before.overlap:
            shots[-1].append(piece)
        else:
            shots.append([piece])
    return shots


def _piece(piece: Piece, frame: Frame, card: Codecs) -> Stream:
    shot = piece.shot
    if shot.source is None:
        return _black(piece.frames, frame)
    source = shot.source
    made = canvas(shot, source.media, frame)
    stream = footage(
        shot, source, piece.first, piece.frames, frame.fps, card,
        lambda opened: framed(opened, shot, source.media, made),
    )  # fmt: skip
    stream = moved(stream, shot, piece.first, made, frame)
    stream = with_effects(stream, shot, piece.first, frame)
    return _alike(stream, frame)


def _black(frames: int, frame: Frame) -> Stream:
    seconds = f"{(frames + 1) / frame.fps:.6f}"
    stream = open_virtual("color", c="black", s=f"{frame.width}x{frame.height}", r=frame.fps, d=seconds)
    return _alike(apply(stream, "trim", end_frame=frames), frame)


def _alike(stream: Stream, frame: Frame) -> Stream:
    # Left to itself, ffmpeg would choose formats by what else is in the graph, and chunks would differ.
    stream = apply(apply(stream, "format", pix_fmts=frame.pixel_format), "setsar", sar=1)
    bt709 = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}
    return apply(stream, "setparams", range="tv", **bt709)


def _divided(stream: Stream, lengths: Sequence[int]) -> list[Stream | None]:
    """The stream in parts of these lengths in frames, each timed from 0; None for those of no length."""
    wanted = sum(length > 0 for length in lengths)
    copies = iter(split(stream, count=wanted) if wanted > 1 else [stream])
    parts: list[Stream | None] = []
    start = 0
    for length in lengths:
        parts.append(_trimmed(next(copies), start, start + length) if length > 0 else None)
        start += length
    return parts


def _trimmed(stream: Stream, start: int, end: int) -> Stream:
    return apply(apply(stream, "trim", start_frame=start, end_frame=end), "setpts", expr="N")


def _transition(before: Stream, after: Stream, name: str, frames: int, frame: Frame) -> Stream:
    if name == "fade" and not frame.see_through:
        return _crossfade(before, after, frames)
    seconds = f"{frames / frame.fps:.6f}"
    stream = join((before, after), "xfade", transition=name, duration=seconds, offset=0)
    stream = apply(stream, "trim", end_frame=frames)
    return apply(stream, "format", pix_fmts=frame.pixel_format)


def _crossfade(before: Stream, after: Stream, frames: int) -> Stream:
    """What `xfade` makes of `fade`, within a step of luma, as the sum of two fades in 4:2:0: less memory and work.

    Black is 16 in both of them, and chroma has its zero at 128: one of each is taken away.
    """
    before = apply(before, "fade", type="out", start_frame=0, nb_frames=frames)
    before = apply(before, "lutyuv", y="val-16")
    after = apply(after, "fade", type="in", start_frame=0, nb_frames=frames)
    modes = {"c0_mode": "addition", "c1_mode": "grainmerge", "c2_mode": "grainmerge"}
    return apply(join((before, after), "blend", **modes), "trim", end_frame=frames)


def in_a_row(streams: Sequence[Stream], fps: int) -> Stream:
    """The streams one after the other by plain cuts, timed from 0 in 1/fps."""
    if len(streams) == 1:
        return streams[0]
    stream = join(streams, "concat", n=len(streams), v=1, a=0)
    # concat takes a part of one frame for one of no length, so times are counted anew.
    stream = apply(apply(stream, "settb", expr=f"1/{fps}"), "setpts", expr="N")
    return apply(stream, "fps", fps=fps)
