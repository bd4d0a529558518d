"""The fonts at hand, and which of them draws which letter.

Every letter gets its font here, by name: libass would search the machine for what a font lacks, and each machine has
other fonts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path

import uharfbuzz

from shared.fonts import FONT_DIR

# An emoji is 1.27 em wide in Noto Emoji, and would stand out of its line.
_EMOJI_SIZE = 0.86
_EMOJI_MARKS = "\ufe0f\u20e3"
_JOINER = "\u200d"


@dataclass(frozen=True)
class Face:
    """A font file under the name that libass knows it by. `size` is how large it is set beside the others."""

    family: str
    path: Path
    bold: bool = False
    size: float = 1.0

    def has(self, text: str) -> bool:
        """Whether it can draw all of it; what is never seen needs no glyph."""
        return all(ord(char) in self._covered or is_unseen(char) for char in text)

    def widths(self, text: str) -> list[float]:
        """The advance that each character begins, in ems of 1, in the order of the text."""
        buffer = uharfbuzz.Buffer()
        buffer.add_str(text)
        buffer.guess_segment_properties()
        uharfbuzz.shape(self._font, buffer)
        found = [0.0] * len(text)
        for glyph, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            found[glyph.cluster] += place.x_advance * self.size / self._face.upem
        return found

    @cached_property
    def ascent(self) -> float:
        """How far a line reaches above its baseline for libass, in ems."""
        return self._metric(uharfbuzz.OTMetricsTag.HORIZONTAL_CLIPPING_ASCENT)

    @cached_property
    def descent(self) -> float:
        """The same below."""
        return self._metric(uharfbuzz.OTMetricsTag.HORIZONTAL_CLIPPING_DESCENT)

    @cached_property
    def capital(self) -> float:
        """The height of a capital letter, in ems."""
        return self._metric(uharfbuzz.OTMetricsTag.CAP_HEIGHT)

    def _metric(self, tag: uharfbuzz.OTMetricsTag) -> float:
        value: int = self._font.get_metric_position(tag)
        return value * self.size / float(self._face.upem)

    @cached_property
    def _face(self) -> uharfbuzz.Face:
        return uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(self.path)))

    @cached_property
    def _font(self) -> uharfbuzz.Font:
        return uharfbuzz.Font(self._face)

    @cached_property
    def _covered(self) -> uharfbuzz.Set:
        return self._face.unicodes


def _shipped(family: str, file: str, *, bold: bool = False, size: float = 1.0) -> Face:
    return Face(family, FONT_DIR / f"{file}.ttf", bold, size)


_NOTO, _NOTO_BOLD = _shipped("Noto Sans", "NotoSans-Regular"), _shipped("Noto Sans", "NotoSans-Bold", bold=True)
_EMOJI = _shipped("Noto Emoji", "NotoEmoji-Bold", bold=True, size=_EMOJI_SIZE)
_ONE_SCRIPT = tuple(
    _shipped(f"Noto Sans {script}", f"NotoSans{script}-Bold", bold=True)
    for script in ("Arabic", "Hebrew", "Thai", "Devanagari")
)
_FAMILIES: dict[str, tuple[Face, Face]] = {
    "Noto Sans": (_NOTO, _NOTO_BOLD),
    "Anton": (_shipped("Anton", "Anton-Regular"),) * 2,
    "Courier Prime": (
        _shipped("Courier Prime", "CourierPrime-Regular"), _shipped("Courier Prime", "CourierPrime-Bold", bold=True)
    ),
    "Fredoka": (_shipped("Fredoka", "Fredoka-Bold", bold=True),) * 2,
    "Montserrat": (_shipped("Montserrat ExtraBold", "Montserrat-ExtraBold"),) * 2,
}  # fmt: skip


@cache
def east_asian() -> Face | None:
    """Chinese, Japanese and Korean, from a package of its own; None where that is not installed."""
    package = find_spec("noto_cjk_sans_jp_bold")
    if package is None or package.origin is None:
        return None
    return Face("Noto Sans CJK JP", Path(package.origin).with_name("NotoSansCJKjp-Bold.otf"), bold=True)


def face_of(family: str, *, bold: bool) -> Face:
    """The font of a family that a person may name; one of a single weight has that for both."""
    return _FAMILIES[family][bold]


@lru_cache(maxsize=4096)
def face_for(letter: str, first: Face) -> Face | None:
    """The font that draws a letter, `first` if it can; None when no font at hand has it."""
    is_emoji = any(mark in letter for mark in _EMOJI_MARKS)
    if not is_emoji and first.has(letter):
        return first
    chain: tuple[Face, ...] = (first, _NOTO_BOLD if first.bold else _NOTO, *_ONE_SCRIPT, _EMOJI)
    if is_emoji:
        chain = (_EMOJI, *chain)
    found = next((face for face in chain if face.has(letter)), None)
    if found is None and (asian := east_asian()) is not None and asian.has(letter):
        found = asian
    return found


def is_unseen(char: str) -> bool:
    """Whether the character draws nothing itself: spaces, joiners, variation selectors, directions, controls."""
    return unicodedata.category(char) in ("Cc", "Cf", "Zs", "Zl", "Zp") or 0xFE00 <= ord(char) <= 0xFE0F


def graphemes(text: str) -> Iterator[str]:
    """The letters as a reader counts them, marks and joined emoji with what they belong to."""
    if text.isascii():  # nothing in it joins
        yield from text
        return
    letter = ""
    for char in text:
        if letter and not _belongs(letter, char):
            yield letter
            letter = ""
        letter += char
    if letter:
        yield letter


def _belongs(letter: str, char: str) -> bool:
    if letter[-1] == _JOINER or unicodedata.category(char) in ("Mn", "Me", "Mc"):
        return not letter.isspace()
    if _is_flag(char):
        return len(letter) == 1 and _is_flag(letter)
    return (
        char == _JOINER or char in "\u0e33\u0eb3" or 0x1F3FB <= ord(char) <= 0x1F3FF or 0xE0020 <= ord(char) <= 0xE007F
    )


def _is_flag(char: str) -> bool:
    """Two of these letters make a flag."""
    return 0x1F1E6 <= ord(char) <= 0x1F1FF
