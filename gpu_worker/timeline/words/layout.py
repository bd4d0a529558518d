"""Where the rows of a text stand in the frame, and how large its letters can be there. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from bidi.algorithm import get_display

from gpu_worker.timeline.film import Film
from gpu_worker.timeline.words.letters import Letter, Letters, letters, plain, width
from gpu_worker.timeline.words.lines import broken, fewest
from gpu_worker.timeline.words.speech import Spoken
from gpu_worker.timeline.words.styles import Look
from shared.timeline import Point

# In ems, from the top of the capitals and from the baseline to the edges of a row; a box has them as its padding.
_ABOVE, _BELOW, _BESIDE = 0.21, 0.35, 0.36
# Arabic and Devanagari reach further above and below their line.
_TALL, _MORE = 1.1, 0.25
_SHRINK = 0.95
# Shares of the short side: letters get no smaller for the sake of fewer lines, and a free point keeps this distance.
_LEGIBLE, _EDGE = 0.022, 0.02
# In pixels: 500 line breaks in the smallest frame.
_SMALLEST = 0.1
_BAR = 0.16


@dataclass(frozen=True)
class Rect:
    """Pixels of the frame from the top left."""

    left: float
    top: float
    right: float
    bottom: float

    def moved(self, down: float) -> Rect:
        """The same, lower."""
        return replace(self, top=self.top + down, bottom=self.bottom + down)

    def meets(self, other: Rect) -> bool:
        """Whether they share some of the frame."""
        beside = self.right <= other.left or other.right <= self.left
        return not beside and self.top < other.bottom and other.top < self.bottom


@dataclass(frozen=True)
class Row:
    """A line of text: the pixel its letters begin and end at, and their baseline."""

    letters: Letters
    left: float
    right: float
    baseline: float
    right_to_left: bool


@dataclass(frozen=True)
class Card:
    """A text laid out: `size` pixels to an em, `frame` around all of it, `box` what a box behind it fills."""

    size: float
    rows: tuple[Row, ...]
    frame: Rect
    boxes: tuple[Rect, ...]
    accent: Rect | None
    above: float
    below: float

    def moved(self, down: float) -> Card:
        """The same, lower."""
        return replace(
            self,
            rows=tuple(replace(row, baseline=row.baseline + down) for row in self.rows),
            frame=self.frame.moved(down),
            boxes=tuple(box.moved(down) for box in self.boxes),
            accent=self.accent and self.accent.moved(down),
        )

    def touches(self, other: Card) -> bool:
        """Whether one would be drawn over the other."""
        return any(mine.meets(its) for mine in (self.frame, *self.boxes) for its in (other.frame, *other.boxes))


def laid_out(film: Film, look: Look, text: str, words: Sequence[Spoken] = ()) -> Card:
    """The text in the frame, clear of its edges: broken into lines, smaller where there would be too many."""
    paragraphs = [(letters(line, look.face, spans), _is_right_to_left(line)) for line, spans in _lines(text, words)]
    tall = max((_overshoot(letter) for line, _ in paragraphs for letter in line), default=0.0) > _TALL
    more = _MORE / 2 if tall else 0.0
    above, below = look.face.capital + _ABOVE + more, _BELOW + more
    size = _fitting(film, look, [line for line, _ in paragraphs], above + below)
    room = _room(film, look, size)
    rows = [(row, rtl) for line, rtl in paragraphs for row in broken(line, room / size)]
    return _placed(film, look, size, rows, above * size, below * size)


def words_of(row: Row, size: float) -> Iterator[tuple[int, float, float, bool]]:
    """The spoken words of a row: number, left and right end in pixels, and whether it is read from right to left."""
    tokens = [(word, list(part)) for word, part in groupby(row.letters, key=lambda letter: letter.word)]
    at = row.left
    for n in _visual_order([plain(part) for _, part in tokens], right_to_left=row.right_to_left):
        word, part = tokens[n]
        end = at + width(part) * size
        if word is not None:
            yield word, at, end, _direction(plain(part)) == "R"
        at = end


def _lines(text: str, words: Sequence[Spoken]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """The lines that the text itself has, each with the spans of the words in it."""
    at = 0
    for line in text.splitlines(keepends=True):
        bare = line.rstrip()
        if bare:
            yield bare, [(word.first - at, word.last - at) for word in words]
        at += len(line)


def _overshoot(letter: Letter) -> float:
    face = letter.face
    return face.ascent + face.descent - face.capital if face else 0.0


def _room(film: Film, look: Look, size: float) -> float:
    padding = _BESIDE * size if look.box_color else look.outline
    bar = _BAR * 2 * size if look.box_color and look.finish.accent else 0.0
    return max(film.width - 2 * look.sides - 2 * padding - bar, size)


def _fitting(film: Film, look: Look, paragraphs: Sequence[Letters], pitch: float) -> float:
    """The size, as asked for or smaller, at which the rows are few enough, and low enough for the frame."""
    high, legible = film.height - look.top - look.bottom, _LEGIBLE * min(film.width, film.height)
    most = max(look.max_lines, len(paragraphs))
    widest = max((letter.width for line in paragraphs for letter in line), default=0.0)
    size = look.size
    while size > _SMALLEST:
        room = _room(film, look, size)
        rows = sum(fewest(line, room / size) for line in paragraphs)
        if (rows <= most or size <= legible) and rows * pitch * size <= high and widest * size <= room:
            return size
        size *= _SHRINK
    return size


def _placed(
    film: Film, look: Look, size: float, rows: Sequence[tuple[Letters, bool]], above: float, below: float
) -> Card:
    padding = _BESIDE * size if look.box_color else 0.0
    bar = _BAR * 2 * size if look.box_color and look.finish.accent else 0.0
    widths = [width(row) * size for row, _ in rows]
    block = max(widths, default=0.0)
    wide, high = block + 2 * padding + bar, len(rows) * (above + below)
    left, top = _corner(film, look, wide, high)
    made = []
    for n, ((row, rtl), long) in enumerate(zip(rows, widths, strict=True)):
        start = left + padding + bar + {"left": 0.0, "center": 0.5, "right": 1.0}[look.align] * (block - long)
        made.append(Row(row, start, start + long, top + n * (above + below) + above, rtl))
    frame = Rect(left, top, left + wide, top + high)
    return Card(size, tuple(made), frame, *_boxes(film, look, size, frame, made, above, below), above, below)


def _corner(film: Film, look: Look, wide: float, high: float) -> tuple[float, float]:
    if isinstance(look.position, Point):
        edge = _EDGE * min(film.width, film.height)
        x, y = look.position.x * film.width - wide / 2, look.position.y * film.height - high / 2
        return _within(x, edge, film.width - edge - wide), _within(y, edge, film.height - edge - high)
    row, _, column = look.position.rpartition("_")
    place = row or look.position
    x = {"left": float(look.sides), "right": film.width - look.sides - wide}.get(column, (film.width - wide) / 2)
    y = {"top": float(look.top), "bottom": film.height - look.bottom - high}.get(place, (film.height - high) / 2)
    return x, y


def _within(value: float, least: float, most: float) -> float:
    return max(least, min(value, most)) if least <= most else (least + most) / 2


def _boxes(
    film: Film, look: Look, size: float, frame: Rect, rows: Sequence[Row], above: float, below: float
) -> tuple[tuple[Rect, ...], Rect | None]:
    """What the box of a look fills, on whole pixels, and its accent."""
    if look.box_color is None:
        return (), None
    box, padding = look.finish.box, _BESIDE * size
    if box == "lines":
        hugs = (Rect(r.left - padding, r.baseline - above, r.right + padding, r.baseline + below) for r in rows)
        return tuple(_whole(hug) for hug in hugs), None
    whole = _whole(frame if box == "block" else replace(frame, left=0, right=film.width))
    bar = replace(whole, left=round(frame.left), right=round(frame.left + max(1.0, _BAR * size)))
    return (whole,), bar if look.finish.accent else None


def _whole(rect: Rect) -> Rect:
    return Rect(round(rect.left), round(rect.top), round(rect.right), round(rect.bottom))


def _is_right_to_left(line: str) -> bool:
    return _direction(line) == "R"


def _direction(text: str) -> str:
    """`L`, `R`, or nothing when no letter has a direction (Unicode Bidirectional Algorithm, rule P2)."""
    kinds = (unicodedata.bidirectional(char) for char in text)
    return next(("L" if kind == "L" else "R" for kind in kinds if kind in ("L", "R", "AL")), "")


def _visual_order(parts: Sequence[str], *, right_to_left: bool) -> list[int]:
    """The parts from left to right, by the Bidirectional Algorithm on one sign of the same direction for each."""
    kinds = {"L": 0x4E00, "R": 0xFBD3, "": 0x2500}
    signs = [chr(kinds[_direction(part)] + n) for n, part in enumerate(parts)]
    shown: str = get_display("".join(signs), base_dir="R" if right_to_left else "L")
    return [signs.index(sign) for sign in shown]
