"""When each word of a caption is spoken. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.timeline import Caption


@dataclass(frozen=True)
class Spoken:
    """A word, where it stands among the caption's words, and its seconds in the film."""

    text: str
    start: float
    end: float


def spoken(caption: Caption) -> list[Spoken]:
    """The words with their times; without times of their own they share the caption's by their length."""
    words = re.findall(r"\S+", caption.text)
    timed = caption.words
    if timed and [word.text.strip() for word in timed] == words:
        return [Spoken(word.text.strip(), word.start, word.end) for word in timed]
    if timed:
        words = [word.text.strip() for word in timed]
        return [Spoken(text, word.start, word.end) for text, word in zip(words, timed, strict=True)]
    letters = sum(len(word) + 1 for word in words) or 1
    pace, at, found = (caption.end - caption.start) / letters, caption.start, []
    for word in words:
        end = at + pace * (len(word) + 1)
        found.append(Spoken(word, at, end))
        at = end
    return found
