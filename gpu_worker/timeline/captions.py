"""Captions as an ASS file for libass: white on a dark edge, wrapped to the frame, low but clear of the very bottom.

A person's words are data: markup in them is escaped, and the file is all that ffmpeg ever sees of them.
(Format: the Advanced SubStation Alpha 4.00+ script; libass' escapes for braces.)
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect
from collections.abc import Iterator
from functools import cache

from PIL import ImageFont

from gpu_worker.timeline.plan import Film
from shared.fonts import BOLD, FONT_FAMILY

# A part of the frame's short side. ASS counts a font from its highest to its lowest point, 1.36 em in Noto Sans.
_SIZE = 0.07
_EM_PER_SIZE = 1 / 1.362
_SIDE_MARGIN, _BOTTOM_MARGIN = 0.06, 0.07
# Apps for upright video lay their own controls over the lowest part.
_UPRIGHT_BOTTOM_MARGIN = 0.16
# libass' extension: a line runs right to left when its first letter does.
_AUTO_DIRECTION = -1
# A zero-width character between a backslash and a letter keeps libass from reading the two as markup.
_WORD_JOINER = "\u2060"


def ass_file(film: Film, *, first: int, last: int) -> str:
    """The script for the film's frames from `first` to just before `last`; times begin at frame `first`.

    Empty when there are no captions in it.
    """
    lines = []
    for caption in film.captions:
        start, end = (min(max(round(t * film.fps), first), last) - first for t in (caption.start, caption.end))
        if start < end:
            times = f"{_clock(start, film.fps)},{_clock(end, film.fps)}"
            text = escaped(_unbroken(caption.text, film.width, film.height))
            lines.append(f"Dialogue: 0,{times},Default,,0,0,0,,{text}\n")
    return _header(film.width, film.height) + "".join(lines) if lines else ""


def escaped(text: str) -> str:
    r"""The text as libass must read it to show it unchanged: `{`, `}` and `\` literal, line breaks as `\N`."""
    plain = "\n".join(
        "".join(" " if unicodedata.category(c) == "Cc" else c for c in line) for line in text.splitlines()
    )
    plain = plain.replace("\\", f"\\{_WORD_JOINER}").replace("{", "\\{").replace("}", "\\}")
    return plain.replace("\n", "\\N")


def _header(width: int, height: int) -> str:
    size = _size(width, height)
    bottom = round(height * (_UPRIGHT_BOTTOM_MARGIN if height > width else _BOTTOM_MARGIN))
    side = round(width * _SIDE_MARGIN)
    return (
        "[Script Info]\nScriptType: v4.00+\nWrapStyle: 0\nScaledBorderAndShadow: yes\n"
        f"PlayResX: {width}\nPlayResY: {height}\n\n"
        "[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, Bold, BorderStyle,"
        " Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n"
        f"Style: Default,{FONT_FAMILY},{size},&H00FFFFFF,&H00101010,&H80000000,-1,1,"
        f"{size * 0.06:.2f},{size * 0.03:.2f},2,{side},{side},{bottom},{_AUTO_DIRECTION}\n\n"
        "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )


def _size(width: int, height: int) -> int:
    return round(min(width, height) * _SIZE)


def _unbroken(text: str, width: int, height: int) -> str:
    """libass breaks lines at spaces alone, so a word wider than the frame gets a line break here."""
    room = width * (1 - 2 * _SIDE_MARGIN) / (_size(width, height) * _EM_PER_SIZE) * _ruler().size
    return re.sub(r"\S+", lambda word: "\n".join(_cut(word[0], room)), text)


def _cut(word: str, room: float) -> Iterator[str]:
    while _ruler().getlength(word) > room and len(word) > 1:
        fits = bisect(range(1, len(word)), room, key=lambda letters: _ruler().getlength(word[:letters]))
        yield word[: max(fits, 1)]
        word = word[max(fits, 1) :]
    yield word


@cache
def _ruler() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(BOLD, 100)


def _clock(frame: int, fps: int) -> str:
    """ASS counts hundredths, so half a frame ahead of time is the one way to begin with the very frame meant."""
    hundredths = max(0, round((frame - 0.5) / fps * 100))
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60}:{minutes % 60:02}:{rest // 100:02}.{rest % 100:02}"
