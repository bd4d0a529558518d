"""The animatic's words: the beats of a prompt, breaking them into lines, and laying a line on a frame."""

from __future__ import annotations

import math
import re
import textwrap
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gpu_worker.engines.typeface import Mask, Typeface
from gpu_worker.media.frames import Frame

SECONDS_A_BEAT = 1.5
_BREAKS = re.compile(r"\s*\n\s*|(?<=[.!?…。！？؟])\s+|(?<=[,;:،؛—–])\s+")


def beats(text: str, duration: float) -> list[str]:
    """The phrases of `text` that are shown one after the other, no more than can be read in `duration` seconds."""
    clauses = [clause for clause in _BREAKS.split(text) if clause.strip()]
    parts = [line for clause in clauses for line in textwrap.wrap(clause, 90)]
    most = max(1, int(duration / SECONDS_A_BEAT))
    while len(parts) > 1:
        costs = [_cost_of_joining(a, b) for a, b in pairwise(parts)]
        at = costs.index(min(costs))
        if len(parts) <= most and costs[at] > 40:
            break
        parts[at : at + 2] = [f"{parts[at]} {parts[at + 1]}"]
    return parts


def _cost_of_joining(first: str, second: str) -> int:
    return len(first) + len(second) + (30 if first[-1] in ".!?…。！？؟" else 0)


def typeset(text: str, width: int, height: int, largest: int, smallest: int) -> list[tuple[str, Typeface]]:
    """Lines of `text` at the largest size at which they fit `width` x `height` and no word is broken.

    At the smallest size long words are broken, and what does not fit becomes "…".
    """
    for size in sorted({*range(largest, smallest, -max(1, largest // 16)), smallest}, reverse=True):
        face = Typeface(size)
        widest = max((face.width(word) for word in text.split()), default=0.0)
        lines, room = _wrap(text, face, width), max(1, height // face.line_height)
        if len(lines) <= room and (widest <= width or size == smallest):
            lines = _balanced(text, lines, face, width, widest)
            break
    else:
        lines = [*lines[: room - 1], _cut(lines[room - 1], face, width)]
    return [(line, face) for line in lines]


def _balanced(text: str, lines: list[str], face: Typeface, width: int, widest: float) -> list[str]:
    """The same number of lines in the narrowest measure: no last line of one short word."""
    for narrower in range(width, max(width // 2, math.ceil(widest)), -max(1, face.size // 2)):
        tried = _wrap(text, face, narrower)
        if len(tried) > len(lines):
            break
        lines = tried
    return lines


def _wrap(text: str, face: Typeface, width: float) -> list[str]:
    lines = [""]
    for word in [part for whole in text.split() for part in _fitting(whole, face, width)]:
        longer = f"{lines[-1]} {word}".strip()
        if face.width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _fitting(word: str, face: Typeface, width: float) -> list[str]:
    if len(word) < 2 or face.width(word) <= width:
        return [word]
    half = len(word) // 2
    return [*_fitting(word[:half], face, width), *_fitting(word[half:], face, width)]


def _cut(line: str, face: Typeface, width: float) -> str:
    """The words of `line` that leave room for "…"; its letters when it is one word."""
    while line and face.width(f"{line}…") > width:
        line = line.rpartition(" ")[0] or line[:-1]
    return f"{line}…"


class Stamp:
    """A mask with its ink, ready to be laid on frames."""

    def __init__(self, mask: Mask, ink: NDArray[np.float32]) -> None:
        self.height, self.width = mask.shape
        self._mask = np.repeat(mask, 3, axis=1)
        self._ink = np.tile(ink.astype(np.uint16), self.width)
        self._solid = self._prepared(self._mask.astype(np.uint16))

    def lay(self, frame: Frame, x: int, y: float, opacity: float = 1.0) -> None:
        """Draw on `frame` with the left top corner at (x, y); `y` may lie between rows."""
        top, part = int(np.floor(y)), round(256 * (y % 1)) % 256
        inverse, ink = self._solid if part == 0 and opacity >= 1 else self._faded(part, opacity)
        first, last = max(0, -top), min(len(ink), frame.shape[0] - top)
        if first >= last:
            return
        row = frame.reshape(frame.shape[0], -1)[top + first : top + last, 3 * x : 3 * (x + self.width)]
        row[:] = (row * inverse[first:last] + ink[first:last]) >> 8

    def _faded(self, part: int, opacity: float) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        low = np.pad(self._mask, ((0, 1), (0, 0))).astype(np.uint16)
        high = np.pad(self._mask, ((1, 0), (0, 0))).astype(np.uint16)
        between = (low * np.uint16(256 - part) + high * np.uint16(part)) >> 8
        return self._prepared((between * np.uint16(256 * opacity) >> 8).astype(np.uint16))

    def _prepared(self, mask: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        alpha = mask + (mask >> 7)  # 0-256, so that a shift by 8 divides exactly
        return 256 - alpha, alpha * self._ink + 128
