"""Which part of a caption each spoken word is, and when it is spoken. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from shared.timeline import Caption


@dataclass(frozen=True)
class Spoken:
    """A word from letter `first` to just before `last` of the text, in seconds of the film."""

    first: int
    last: int
    start: float
    end: float


def spoken(caption: Caption, text: str) -> list[Spoken]:
    """The words of `text`, which is the caption's as it is shown.

    Words without times, and timed words that are not in the text, share the caption's time by their length.
    """
    return _timed(caption, text) or _shared(caption, text)


def _timed(caption: Caption, text: str) -> list[Spoken]:
    lower, at, found = _folded(text), 0, []
    for word in caption.words:
        wanted = _folded(word.text.strip())
        first = lower.find(wanted, at) if wanted else -1
        if first >= 0:
            at = first + len(wanted)
            found.append(Spoken(first, at, word.start, word.end))
    limits = [*(word.first for word in found[1:]), len(text)]
    return [_with_marks(word, text, limit) for word, limit in zip(found, limits, strict=False)]


def _folded(text: str) -> str:
    """Lower case, letter for letter."""
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _with_marks(word: Spoken, text: str, limit: int) -> Spoken:
    """With the punctuation that follows it."""
    last = word.last
    while last < limit and unicodedata.category(text[last])[0] in "PM":
        last += 1
    return Spoken(word.first, last, word.start, word.end)


def _shared(caption: Caption, text: str) -> list[Spoken]:
    return list(_spread([match.span() for match in re.finditer(r"\S+", text)], caption.start, caption.end))


def _spread(spans: list[tuple[int, int]], start: float, end: float) -> Iterator[Spoken]:
    letters = sum(last - first + 1 for first, last in spans)
    for first, last in spans:
        long = (end - start) * (last - first + 1) / letters
        letters -= last - first + 1
        yield Spoken(first, last, start, start + long)
        start += long
