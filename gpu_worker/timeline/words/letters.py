"""A text as its letters, each with its font, its width and the word it belongs to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

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
    found: list[Letter] = []
    at = 0
    for part in graphemes(text):
        number = next((n for n, (start, end) in enumerate(words) if start <= at < end), None)
        found.append(Letter(part, first if part.isspace() else face_for(part, first), word=number))
        at += len(part)
    return tuple(_measured(found))


def width(line: Sequence[Letter]) -> float:
    """In ems, as HarfBuzz, and so libass, sets it."""
    return sum(letter.width for letter in line)


def plain(line: Sequence[Letter]) -> str:
    """The text again."""
    return "".join(letter.text for letter in line)


def _measured(found: list[Letter]) -> list[Letter]:
    made: list[Letter] = []
    for face, group in groupby(found, key=lambda letter: letter.face):
        run = list(group)
        widths = iter(face.widths(plain(run)) if face else [1.0] * len(plain(run)))
        made += [replace(letter, width=sum(next(widths) for _ in letter.text)) for letter in run]
    return made
