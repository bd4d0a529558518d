"""From the faces found in each frame to the one face that speaks, followed and held still. Pure functions.

A box is four numbers: left, top, right, bottom, in pixels of the whole frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""m x 5: a box and how likely it is a face."""
Box = NDArray[np.float32]
Point = tuple[float, float]

SMOOTHED_FRAMES = 5
"""Wav2Lip's own window: a box is the mean of its own and the next four."""
_SAME_FACE = 0.3
_LONGEST_GAP = 0.25
"""Seconds for which a face that blinks out of the detector's sight is taken to be where its neighbours say."""
_MOST_CANDIDATES = 1000
_LEAST_SIDE = 8


def distinct(boxes: Boxes, overlap: float = 0.3) -> Boxes:
    """Of boxes that overlap the likeliest (non-maximum suppression), the likeliest first."""
    left = boxes[np.argsort(-boxes[:, 4], kind="stable")][:_MOST_CANDIDATES]
    kept = []
    while len(left):
        kept.append(left[0])
        left = left[1:][overlaps(left[0], left[1:]) <= overlap]
    return np.array(kept, np.float32).reshape(-1, 5)


def overlaps(box: Box, others: Boxes) -> NDArray[np.float32]:
    """What each has in common with `box`, as a share of both together (intersection over union)."""
    common = np.minimum(box[2:4], others[:, 2:4]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(common, 0).prod(axis=1)
    return np.asarray(shared / np.maximum(area(box[None]) + area(others) - shared, 1e-6), np.float32)


def area(boxes: Boxes) -> NDArray[np.float32]:
    """In square pixels."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), np.float32)


def speaker(found: Sequence[Boxes], fps: float, near: Point | None = None) -> list[Box | None]:
    """For each frame the box of the face that speaks, or None: the largest, or the one nearest to `near` (in pixels).

    It is followed from frame to frame, and chosen anew where it is lost, as at a cut. Short gaps are filled, and
    what trembles is smoothed, never across a cut.
    """
    followed = _filled(_followed(found, near), round(_LONGEST_GAP * fps))
    smooth: list[Box | None] = list(followed)
    for start, end in _runs(followed):
        run = np.array(followed[start:end])
        for n in range(end - start):
            # At its end the window stays, so that the last frames do not tremble either.
            first = max(0, min(n, end - start - SMOOTHED_FRAMES))
            smooth[start + n] = run[first : first + SMOOTHED_FRAMES].mean(axis=0)
    return smooth


def cut_out(box: Box, size: tuple[int, int], chin: float) -> tuple[int, int, int, int] | None:
    """Whole pixels within a frame of `size` (width, height), longer at the chin by that share of its height. None
    for what is too small to have a mouth.
    """
    width, height = size
    left, top, right, bottom = box
    bottom += chin * (bottom - top)
    edges = (max(0, round(left)), max(0, round(top)), min(width, round(right)), min(height, round(bottom)))
    return edges if edges[2] - edges[0] >= _LEAST_SIDE and edges[3] - edges[1] >= _LEAST_SIDE else None


def _followed(found: Sequence[Boxes], near: Point | None) -> list[Box | None]:
    last: Box | None = None
    chosen: list[Box | None] = []
    for boxes in found:
        last = _next(boxes, last, near) if len(boxes) else None
        chosen.append(last)
    return chosen


def _next(boxes: Boxes, last: Box | None, near: Point | None) -> Box:
    if last is not None:
        same = overlaps(last, boxes)
        if same.max() >= _SAME_FACE:
            return np.asarray(boxes[same.argmax(), :4])
    if near is None:
        return np.asarray(boxes[area(boxes).argmax(), :4])
    middles = (boxes[:, :2] + boxes[:, 2:4]) / 2
    return np.asarray(boxes[((middles - np.array(near)) ** 2).sum(axis=1).argmin(), :4])


def _filled(boxes: list[Box | None], longest: int) -> list[Box | None]:
    filled = list(boxes)
    there = [n for n, box in enumerate(boxes) if box is not None]
    for before, after in pairwise(there):
        first, second = boxes[before], boxes[after]
        if first is None or second is None or not 1 < after - before <= longest + 1 or not _is_same(first, second):
            continue
        for n in range(before + 1, after):
            share = (n - before) / (after - before)
            filled[n] = first + np.float32(share) * (second - first)
    return filled


def _runs(boxes: list[Box | None]) -> list[tuple[int, int]]:
    """First and past-the-last frame of each stretch in which one face moves without a jump."""
    runs, start = [], 0
    for n in range(1, len(boxes) + 1):
        before, here = boxes[n - 1], boxes[n] if n < len(boxes) else None
        if before is not None and here is not None and _is_same(before, here):
            continue
        if before is not None:
            runs.append((start, n))
        start = n
    return runs


def _is_same(one: Box, other: Box) -> bool:
    return bool(overlaps(one, other[None])[0] >= _SAME_FACE)
