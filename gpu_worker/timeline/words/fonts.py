"""The fonts a film's words need: put where ffmpeg finds them, and what they do not have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gpu_worker.timeline.film import Film
from gpu_worker.timeline.words.faces import Face, face_for, graphemes, is_unseen
from gpu_worker.timeline.words.script import shown_texts
from gpu_worker.timeline.words.styles import caption_look, title_look
from shared.timeline import Caption, Title

_MOST_NAMED = 20


def place_fonts(film: Film, folder: Path) -> None:
    """Make `folder` with links to the fonts of the film's words, and to no others: each ffmpeg loads all it finds."""
    folder.mkdir(exist_ok=True)
    faces = {_first(film, text) for text in shown_texts(film)} | {face for _, face in _letters(film)}
    for path in {face.path for face in faces if face is not None}:
        link = folder / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)


def missing_glyphs(film: Film) -> str:
    """The characters, each once, that no font at hand has; what the machine's own fonts lack too shows as boxes."""
    lost = "".join(letter for letter, face in _letters(film) if face is None)
    return "".join(dict.fromkeys(char for char in lost if not is_unseen(char)))


def font_notes(film: Film) -> tuple[str, ...]:
    """A sentence for the film's result when characters are missing."""
    lost = missing_glyphs(film)
    if not lost:
        return ()
    named = lost[:_MOST_NAMED] + ("…" if len(lost) > _MOST_NAMED else "")
    return (f"No font that comes with Rushes has {named}; the machine's own fonts draw them, if any does.",)


def _letters(film: Film) -> Iterator[tuple[str, Face | None]]:
    """Each letter of the film once for each font it is to be drawn in, and the font that draws it."""
    texts: dict[Face, set[str]] = {}
    for text in shown_texts(film):
        texts.setdefault(_first(film, text), set()).update(graphemes(text.text))
    for first, letters in texts.items():
        for letter in sorted(letters):
            yield letter, first if letter.isspace() else face_for(letter, first)


def _first(film: Film, text: Caption | Title) -> Face:
    look = caption_look(film, text) if isinstance(text, Caption) else title_look(film, text)
    return look.face
