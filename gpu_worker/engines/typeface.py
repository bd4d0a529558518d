"""One line of type in the fonts that ship: which font draws what, kerning, joining, and right-to-left order."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from shared.fonts import BOLD, FONT_DIR

Mask = NDArray[np.uint8]
"""Coverage, height x width, 255 where the ink is full."""

_FACES = (BOLD, FONT_DIR / "NotoSansArabic-Bold.ttf", FONT_DIR / "NotoSansHebrew-Bold.ttf")
_RIGHT_TO_LEFT = ("R", "AL")
_MIRROR = str.maketrans("()[]{}<>«»", ")(][}{><»«")


class Typeface:
    """The fonts that ship, at one size in pixels.

    With the machine's FriBidi, Pillow kerns and shapes by itself; without it letters are ordered and joined here.
    """

    def __init__(self, size: int, layout: ImageFont.Layout | None = None) -> None:
        self.size = size
        self._fonts = [ImageFont.truetype(str(path), size, layout_engine=layout) for path in _FACES]
        self._shapes = self._fonts[0].layout_engine == ImageFont.Layout.RAQM
        self.line_height = round(1.22 * size)

    def width(self, text: str) -> float:
        """The advance of one line in pixels."""
        return sum(self._advance(run, rtl, font) for font, rtl, run in self._runs(text))

    def line(self, text: str) -> Mask:
        """One line, cut to its width, on a strip of `line_height` with the baseline at 0.95 of the size."""
        image = Image.new("L", (max(1, round(self.width(text)) + self.size // 4), self.line_height))
        draw, x = ImageDraw.Draw(image), 0.0
        runs = self._runs(text)
        for font, rtl, run in reversed(runs) if is_right_to_left(text) else runs:
            shaped, direction = self._shaped(run, rtl)
            draw.text((x, 0.95 * self.size), shaped, 255, self._fonts[font], "ls", direction=direction)
            x += self._advance(run, rtl, font)
        return np.asarray(image)

    def _advance(self, run: str, rtl: bool, font: int) -> float:
        shaped, direction = self._shaped(run, rtl)
        return float(self._fonts[font].getlength(shaped, direction=direction))

    def _shaped(self, run: str, rtl: bool) -> tuple[str, str | None]:
        if self._shapes:
            return run, "rtl" if rtl else "ltr"
        return (_in_visual_order(run) if rtl else run), None

    def _runs(self, text: str) -> list[tuple[int, bool, str]]:
        """Stretches of one font and one direction: font index, right to left, characters."""
        base, runs = is_right_to_left(text), _stretches(text)
        parts = [(font, part) for font, run in runs for part in (run.rstrip(" "), run[len(run.rstrip(" ")) :]) if part]
        return [(font, _goes_left(part, base), part) for font, part in parts]


def _stretches(text: str) -> list[tuple[int, str]]:
    """`text` cut where the font changes. What the font at hand has is not cut off: spaces stay between their words."""
    runs: list[tuple[int, str]] = []
    for char in text:
        here = runs[-1][0] if runs else 0
        font = next((font for font in (here, *range(len(_FACES))) if _has_glyph(font, char)), 0)
        if runs and font == here:
            runs[-1] = (font, runs[-1][1] + char)
        else:
            runs.append((font, char))
    return runs


def _goes_left(run: str, base: bool) -> bool:
    kinds = {unicodedata.bidirectional(char) for char in run}
    return not kinds.isdisjoint(_RIGHT_TO_LEFT) or (base and not kinds & {"L", "EN"})


def is_right_to_left(text: str) -> bool:
    """Whether a line starts at the right: its first letter says so (Unicode Bidirectional Algorithm, rule P2)."""
    strong = (kind for char in text if (kind := unicodedata.bidirectional(char)) in ("L", *_RIGHT_TO_LEFT))
    return next(strong, "L") in _RIGHT_TO_LEFT


def drawable(text: str) -> str:
    """`text` without what no shipped font has a glyph for (emoji, CJK, control characters); lines are kept."""
    lines = unicodedata.normalize("NFC", text).splitlines()
    kept = ["".join(char if _is_drawable(char) else " " if char.isspace() else "" for char in line) for line in lines]
    return "\n".join(" ".join(line.split()) for line in kept)


def undrawable(text: str) -> str:
    """The characters, each once, that `drawable` leaves out because no shipped font has them."""
    chars = dict.fromkeys(unicodedata.normalize("NFC", text))
    return "".join(char for char in chars if unicodedata.category(char)[0] not in "CMZ" and not _is_drawable(char))


def _is_drawable(char: str) -> bool:
    return unicodedata.category(char)[0] != "C" and any(_has_glyph(font, char) for font in range(len(_FACES)))


@cache
def _probe(font: int) -> tuple[ImageFont.FreeTypeFont, bytes]:
    face = ImageFont.truetype(str(_FACES[font]), 20, layout_engine=ImageFont.Layout.BASIC)
    return face, bytes(face.getmask("\U0010ffff"))


@cache
def _has_glyph(font: int, char: str) -> bool:
    face, missing = _probe(font)
    return bytes(face.getmask(char)) != missing


@cache
def _joining_forms() -> dict[tuple[str, str], str]:
    """(letter, `isolated`|`initial`|`medial`|`final`) to its Arabic presentation form, as Unicode decomposes it."""
    forms = {}
    for code in (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFF00)):
        form, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        if form and len(letters) <= 2:
            forms["".join(chr(int(letter, 16)) for letter in letters), form.strip("<>")] = chr(code)
    return forms


def _in_visual_order(run: str) -> str:
    mirrored = _joined(run)[::-1].translate(_MIRROR)
    return re.sub(r"\d+", lambda digits: digits[0][::-1], mirrored)


def _joined(run: str) -> str:
    forms, shaped, joins = _joining_forms(), "", False
    units = re.findall("لا|لآ|لأ|لإ|.", run)
    for at, unit in enumerate(units):
        follows = at + 1 < len(units) and (units[at + 1], "final") in forms and (unit, "initial") in forms
        takes = joins and (unit, "final") in forms
        form = {(0, 0): "isolated", (0, 1): "initial", (1, 0): "final", (1, 1): "medial"}[takes, follows]
        shaped += forms.get((unit, form), unit)
        joins = follows
    return shaped
