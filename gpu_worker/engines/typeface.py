"""One line of type in the fonts that ship: which font draws what, kerning, joining, and right-to-left order."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from arabic_reshaper import ArabicReshaper
from bidi.algorithm import get_base_level, get_display
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from shared.fonts import BOLD, FONT_DIR

Mask = NDArray[np.uint8]
"""Coverage, height x width, 255 where the ink is full."""

_FACES = (BOLD, FONT_DIR / "NotoSansArabic-Bold.ttf", FONT_DIR / "NotoSansHebrew-Bold.ttf")
_JOINING = ArabicReshaper({"delete_harakat": False})


class Typeface:
    """The fonts that ship, at one size in pixels, for lines that `drawable` has seen.

    Latin letters are kerned where Pillow finds the machine's FriBidi.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        # These are given their letters in the order they are seen; with FriBidi Pillow would turn them round again.
        plain = [ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC) for path in _FACES[1:]]
        self._fonts = [ImageFont.truetype(str(BOLD), size), *plain]
        self.line_height = round(1.22 * size)

    def width(self, text: str) -> float:
        """The advance of one line in pixels."""
        return sum(font.getlength(run) for font, run in self._runs(text))

    def line(self, text: str) -> Mask:
        """One line, cut to its width, on a strip of `line_height` with the baseline at 0.95 of the size."""
        image = Image.new("L", (max(1, round(self.width(text)) + self.size // 4), self.line_height))
        draw, x = ImageDraw.Draw(image), 0.0
        for font, run in self._runs(text):
            draw.text((x, 0.95 * self.size), run, 255, font, "ls")
            x += font.getlength(run)
        return np.asarray(image)

    def _runs(self, text: str) -> list[tuple[ImageFont.FreeTypeFont, str]]:
        """What is drawn with which font, from left to right."""
        return [(self._fonts[font], run) for font, run in _stretches(_as_seen(text))]


def _as_seen(text: str) -> str:
    """The characters from left to right, Arabic letters in the forms that join (Unicode Bidirectional Algorithm)."""
    seen: str = get_display(_JOINING.reshape(text))
    return seen


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


def is_right_to_left(text: str) -> bool:
    """Whether a line starts at the right: its first letter says so (Unicode Bidirectional Algorithm, rule P2)."""
    return bool(get_base_level(text))


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
