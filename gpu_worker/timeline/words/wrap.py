"""Lines that fit into the frame, by the widths of the letters themselves. Pure.

libass breaks lines at spaces alone, and evenly; it knows no limit of lines. So lines are broken here: balanced, words
wider than the frame cut, scripts without spaces anywhere, and letters made smaller rather than lines too many.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from functools import cache
from math import ceil

from PIL import ImageFont

from shared.fonts import BOLD, REGULAR

_RULER_SIZE = 100
_SMALLEST = 0.35
_SHRINK = 0.92
# Kana, CJK, Hangul, full-width forms, Thai, Lao, Khmer and Burmese: written without spaces, or breakable anywhere.
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_UNIT = re.compile(rf"[{_NO_SPACES}]|[^\s{_NO_SPACES}]+|\s+")
_WIDE = re.compile(r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60\U0001f000-\U0002ffff]")


def wrapped(text: str, *, bold: bool, size: float, room: float, most: int) -> tuple[list[str], float]:
    """Lines of `text` no wider than `room` pixels, and the size (pixels of an em) at which they are at most `most`.

    Line breaks of the text itself stay and are not counted.
    """
    paragraphs = [" ".join(line.split()) for line in text.splitlines() if line.strip()] or [""]
    smaller = size
    while True:
        lines = [line for paragraph in paragraphs for line in _lines(paragraph, bold=bold, ems=room / smaller)]
        if len(lines) <= max(most, len(paragraphs)) or smaller <= size * _SMALLEST:
            return lines, smaller
        smaller *= _SHRINK


def width(text: str, *, bold: bool) -> float:
    """In ems. A letter that the ruler's font lacks counts as one when its script is wide."""
    wide = len(_WIDE.findall(text))
    return wide + float(_ruler(bold=bold).getlength(_WIDE.sub("", text))) / _RULER_SIZE


def _lines(text: str, *, bold: bool, ems: float) -> list[str]:
    """As few lines as there can be, and these of about the same length."""
    few = _filled(text, bold=bold, ems=ems)
    if len(few) < 2:
        return few
    total = width(text, bold=bold)
    for share in range(ceil(100 * total / len(few) / ems), 101, 4):
        even = _filled(text, bold=bold, ems=ems * share / 100)
        if len(even) <= len(few):
            return even
    return few


def _filled(text: str, *, bold: bool, ems: float) -> list[str]:
    lines, line = [], ""
    for unit in _units(text, bold=bold, ems=ems):
        if line and width((line + unit).rstrip(), bold=bold) > ems:
            lines.append(line.rstrip())
            line = unit.lstrip()
        else:
            line += unit
    return [*lines, line.rstrip()]


def _units(text: str, *, bold: bool, ems: float) -> Iterator[str]:
    for unit in _UNIT.findall(text):
        rest = unit
        while width(rest, bold=bold) > ems and len(rest) > 1:
            fits = bisect(range(1, len(rest)), ems, key=lambda letters: width(rest[:letters], bold=bold))
            yield rest[: max(fits, 1)]
            rest = rest[max(fits, 1) :]
        yield rest


@cache
def _ruler(*, bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(BOLD if bold else REGULAR, _RULER_SIZE)
