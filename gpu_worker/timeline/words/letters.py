"""A text as its letters, each with its font, its width and the word it belongs to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from gpu_worker.timeline.words.faces import Face, face_for, graphemes


@dataclass(frozen=True)
class Letter:
    """One letter as a reader counts them, `width` ems wide; `face` is None when no font at hand has it.

    `word` is the number of the spoken word it is part of.
    """

    text: str
    face: Face | None
    width: float = 0.0
    word: int | None = None

    @property
    def is_space(self) -> bool:
        """Whether a line may end here and the letter go."""
        return self.text.isspace() and self.text not in ("\u00a0", "\u202f")


Letters = tuple[Letter, ...]


def letters(text: str, first: Face, words: Sequence[tuple[int, int]] = ()) -> Letters:
    """The letters of one line of text, drawn by the font `first` where it can; `words` are spans of the text."""
    found: list[tuple[str, Face | None]] = []
    for part in graphemes(text):
        found.append((part, first if part.isspace() else face_for(part, first)))
    return tuple(_measured(found, words))


def width(line: Sequence[Letter]) -> float:
    """In ems, as HarfBuzz, and so libass, sets it."""
    return sum(letter.width for letter in line)


def plain(line: Sequence[Letter]) -> str:
    """The text again."""
    return "".join(letter.text for letter in line)


def _measured(found: list[tuple[str, Face | None]], words: Sequence[tuple[int, int]]) -> Iterator[Letter]:
    at = 0
    for face, group in groupby(found, key=itemgetter(1)):
        run = [part for part, _ in group]
        widths = face.widths("".join(run)) if face else [1.0] * sum(map(len, run))
        begin = at
        for part in run:
            number = next((n for n, (start, end) in enumerate(words) if start <= at < end), None)
            end = at + len(part)
            yield Letter(part, face, sum(widths[at - begin : end - begin]), number)
            at = end
