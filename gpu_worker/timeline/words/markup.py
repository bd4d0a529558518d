"""The little of ASS markup that captions need; a person's words never become any. Pure.

Format: the Advanced SubStation Alpha 4.00+ script, and libass' escapes for braces.
"""

from __future__ import annotations

import unicodedata

# A zero-width character between a backslash and a letter keeps libass from reading the two as markup.
_WORD_JOINER = "\u2060"


def escaped(text: str) -> str:
    r"""The text as libass must read it to show it unchanged: `{`, `}` and `\` literal, line breaks as `\N`."""
    plain = "\n".join(
        "".join(" " if unicodedata.category(c) == "Cc" else c for c in line) for line in text.splitlines()
    )
    plain = plain.replace("\\", f"\\{_WORD_JOINER}").replace("{", "\\{").replace("}", "\\}")
    return plain.replace("\n", "\\N")


def tag(*commands: str) -> str:
    """An override block; empty when there is nothing in it."""
    inside = "".join(f"\\{command}" for command in commands if command)
    return f"{{{inside}}}" if inside else ""


def paint(part: int, value: str, opacity: float = 1.0) -> tuple[str, str]:
    """Tags that give a part of the letters (1 is their inside, 3 their edge) a colour of `#RRGGBB[AA]`.

    ASS has its colours blue first, and alpha turned over.
    """
    alpha = 255 - round(int(value[7:9] or "FF", 16) * opacity)
    blue_first = (value[5:7] + value[3:5] + value[1:3]).upper()
    return f"{part}c&H{blue_first}&", f"{part}a&H{alpha:02X}&"


def clock(frame: int, fps: int) -> str:
    """ASS counts hundredths, so half a frame ahead of time is the one way to begin with the very frame meant."""
    hundredths = max(0, round((frame - 0.5) / fps * 100))
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60}:{minutes % 60:02}:{rest // 100:02}.{rest % 100:02}"


def number(value: float) -> str:
    """As short as it can be written, to a hundredth."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
