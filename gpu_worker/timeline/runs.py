"""Pieces taken together: runs that fit into one ffmpeg, and the filters that join the pieces of a run. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gpu_worker.timeline.plan import Piece


def groups(pieces: tuple[Piece, ...], fps: int, limit: int = 8) -> list[tuple[Piece, ...]]:
    """The pieces in runs that one ffmpeg holds open at a time, joined by plain cuts.

    A decoder takes about 50 MB, so a film of a hundred clips in one graph would take gigabytes. Where a run would end
    in a crossfade, the next piece is cut in two at a frame outside both of its crossfades.
    """
    runs: list[list[Piece]] = [[]]
    for piece in pieces:
        run = runs[-1]
        if len(run) < limit:
            run.append(piece)
        elif run[-1].overlap == 0:
            runs.append([piece])
        else:
            head, tail = _halves(piece, run[-1].overlap, fps)
            run.append(head)
            runs.append([tail])
    return [tuple(run) for run in runs]


def _halves(piece: Piece, shared_with_previous: int, fps: int) -> tuple[Piece, Piece]:
    frames = (shared_with_previous + piece.frames - piece.overlap) // 2
    start = piece.start if piece.source.media.kind == "image" else piece.start + frames / fps
    return replace(piece, frames=frames, overlap=0), replace(piece, start=start, frames=piece.frames - frames)


def join(pieces: tuple[Piece, ...], joint: Callable[[tuple[Piece, ...]], str], first: int = 0) -> tuple[list[str], str]:
    """Filter chains that join the streams `[c0]`, `[c1]`, … of the pieces, and the label of the whole.

    `joint` gives the filter that joins what is left of a boundary to what is right of it. They make a balanced tree:
    in a row of joints every frame of the first clip would pass through them all, which takes minutes for 500 clips.
    """
    if len(pieces) == 1:
        return [], f"[c{first}]"
    half = len(pieces) // 2
    left, before = join(pieces[:half], joint, first)
    right, after = join(pieces[half:], joint, first + half)
    whole = f"[j{first + half}]"
    return [*left, *right, f"{before}{after}{joint(pieces[:half])}{whole}"], whole
