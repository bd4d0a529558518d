"""The fonts a film's words need: put where ffmpeg finds them, and what they do not have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gpu_worker.timeline.film import Film
from gpu_worker.timeline.words.faces import Face, face_for, graphemes, is_unseen
from gpu_worker.timeline.words.script import shown_texts
from gpu_worker.timeline.words.styles import look_of

_MOST_NAMED = 20


def place_fonts(film: Film, folder: Path) -> None:
    """Make `folder` with links to the fonts of the film's words, and to no others: each ffmpeg loads all it finds."""
    folder.mkdir(exist_ok=True)
    wanted = _wanted(film)
    faces = {*wanted, *(face for _, face in _drawn(wanted))}
    for path in {face.path for face in faces if face is not None}:
        link = folder / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)


def missing_glyphs(film: Film) -> str:
    """The characters, each once, that no font at hand has; what the machine's own fonts lack too shows as boxes."""
    lost = "".join(letter for letter, face in _drawn(_wanted(film)) if face is None)
    return "".join(dict.fromkeys(char for char in lost if not is_unseen(char)))


def font_notes(film: Film) -> tuple[str, ...]:
    """A sentence for the film's result when characters are missing."""
    lost = missing_glyphs(film)
    if not lost:
        return ()
    named = lost[:_MOST_NAMED] + ("…" if len(lost) > _MOST_NAMED else "")
    return (f"No font that comes with Rushes has {named}; the machine's own fonts draw them, if any does.",)


def _wanted(film: Film) -> dict[Face, set[str]]:
    """The film's letters by the font they are to be drawn in."""
    wanted: dict[Face, set[str]] = {}
    for text in shown_texts(film):
        wanted.setdefault(look_of(film, text).face, set()).update(graphemes(text.text))
    return wanted


def _drawn(wanted: dict[Face, set[str]]) -> Iterator[tuple[str, Face | None]]:
    """Each of those letters, and the font that draws it."""
    for first, letters in wanted.items():
        for letter in sorted(letters):
            yield letter, first if letter.isspace() else face_for(letter, first)
