"""A laid-out text in one state as lines of an ASS script: boxes, shadow, letters, highlight. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from gpu_worker.timeline.words.layout import Card, Rect, Row, words_of
from gpu_worker.timeline.words.letters import Letter, plain
from gpu_worker.timeline.words.markup import escaped, number, paint, tag
from gpu_worker.timeline.words.motion import State
from gpu_worker.timeline.words.styles import Look

_MARKS = {True: "\u200f", False: "\u200e"}
"""Invisible letters that make a line run from right to left, or not."""
# libass joins emoji only in a line with letters of some script: one that nobody sees, and that takes no room.
_UNSEEN_LETTER = tag("alpha&HFF&", "fs0.1") + "a"
_SHADOW_OPACITY = 0.6
_GLOW_WIDTH, _GLOW_SOFT = 0.1, 0.13
_WORD_PADDING, _WORD_ABOVE, _WORD_BELOW, _WORD_CORNER = 0.13, 0.14, 0.26, 0.16
# How far a quarter of a circle's control points are from its ends, as a Bézier curve has it.
_ROUND = 0.45
_BOX, _BEHIND, _WORD, _LETTERS, _OVER = range(5)
LAYERS = 5
"""What one text takes."""

Paint = Callable[[Letter], tuple[str, ...]]


@dataclass(frozen=True)
class Canvas:
    """What is drawn, in which state."""

    look: Look
    card: Card
    state: State

    @property
    def opacity(self) -> float:
        """Of everything."""
        return self.look.opacity * self.state.opacity

    def at(self, x: float, y: float) -> str:
        """The tag that puts something where this point of the card is now."""
        return f"pos({number(self.across(x))},{number(self.down(y))})"

    def across(self, x: float) -> float:
        """Where this pixel of the card is now, scaled with the whole text."""
        middle = (self.card.frame.left + self.card.frame.right) / 2
        return middle + (x - middle) * self.state.scale

    def down(self, y: float) -> float:
        """The same from the top, and moved."""
        middle = (self.card.frame.top + self.card.frame.bottom) / 2
        return middle + (y - middle) * self.state.scale + self.state.drop * self.card.size

    @property
    def outline(self) -> float:
        """In pixels, thinner where the letters had to be smaller."""
        return self.look.outline * self.card.size / self.look.size

    @property
    def scaling(self) -> tuple[str, ...]:
        """The tags of the scale."""
        percent = number(100 * self.state.scale)
        return () if self.state.scale == 1 else (f"fscx{percent}", f"fscy{percent}")


Drawn = tuple[int, str]
"""A layer, and the text of an event in it."""


def drawn(look: Look, card: Card, state: State) -> list[Drawn]:
    """Everything that shows of a text in this state; nothing while it is invisible."""
    canvas = Canvas(look, card, state)
    if canvas.opacity <= 0:
        return []
    return [*_boxes(canvas), *_lit_box(canvas), *_under(canvas), *_letters(canvas), *_filling(canvas)]


def _boxes(canvas: Canvas) -> Iterator[Drawn]:
    look, card = canvas.look, canvas.card
    if look.box_color is None or not card.boxes:
        return
    corner = look.finish.corner * card.size
    yield _BOX, _shape(canvas, card.boxes, look.box_color, corner)
    if card.accent and look.finish.accent:
        yield _BEHIND, _shape(canvas, (card.accent,), look.finish.accent, 0)


def _lit_box(canvas: Canvas) -> Iterator[Drawn]:
    if canvas.look.highlight != "box":
        return
    size = canvas.card.size
    capital = canvas.look.face.capital
    for row in canvas.card.rows:
        for word, left, right, _ in words_of(row, size):
            if word == canvas.state.word:
                above, below = (capital + _WORD_ABOVE) * size, _WORD_BELOW * size
                around = Rect(
                    round(left - _WORD_PADDING * size), round(row.baseline - above),
                    round(right + _WORD_PADDING * size), round(row.baseline + below),
                )  # fmt: skip
                yield _WORD, _shape(canvas, (around,), canvas.look.highlight_color, _WORD_CORNER * size)


def _under(canvas: Canvas) -> Iterator[Drawn]:
    """The shadow and the glow: the letters once more, wider and soft."""
    look, size = canvas.look, canvas.card.size
    finish = look.finish
    if finish.glow:
        tags = _one_colour(finish.glow, canvas.opacity), (f"bord{number(_GLOW_WIDTH * size)}",)
        yield from _rows(canvas, _BEHIND, (*tags[0], *tags[1], f"blur{number(_GLOW_SOFT * size)}"), 0.0, _plain)
    if finish.shadow:
        soft = (f"blur{number(finish.soft * size)}",) if finish.soft else ()
        dark = _one_colour("#000000", canvas.opacity * _SHADOW_OPACITY)
        border = f"bord{number(canvas.outline + finish.soft * size / 2)}"
        yield from _rows(canvas, _BEHIND, (*dark, border, *soft), finish.shadow * size, _plain)


def _letters(canvas: Canvas) -> Iterator[Drawn]:
    look, word = canvas.look, canvas.state.word
    plain_tags = paint(1, look.color, canvas.opacity)
    lit = paint(1, look.highlight_color, canvas.opacity)

    def painted(letter: Letter) -> tuple[str, ...]:
        if letter.word is None or word < 0:
            return plain_tags
        done = letter.word == word if look.highlight == "word" else letter.word < word or _is_full(canvas, letter)
        return lit if done and look.highlight in ("word", "fill") else plain_tags

    border = (f"bord{number(canvas.outline)}", *paint(3, look.outline_color, canvas.opacity))
    yield from _rows(canvas, _LETTERS, border, 0.0, painted)


def _is_full(canvas: Canvas, letter: Letter) -> bool:
    return letter.word == canvas.state.word and canvas.state.part >= 1


def _filling(canvas: Canvas) -> Iterator[Drawn]:
    """The spoken part of the word that is being spoken, cut out of a line in the highlight's colour."""
    look, state = canvas.look, canvas.state
    if look.highlight != "fill" or not 0 < state.part < 1:
        return
    tags = (
        f"bord{number(canvas.outline)}", *paint(3, look.outline_color, canvas.opacity),
        *paint(1, look.highlight_color, canvas.opacity),
    )  # fmt: skip
    for row in canvas.card.rows:
        for word, left, right, backwards in words_of(row, canvas.card.size):
            if word == state.word:
                edge = right - (right - left) * state.part if backwards else left + (right - left) * state.part
                x1, x2 = (canvas.across(x) for x in ((edge, right) if backwards else (left, edge)))
                clip = f"clip({round(x1)},0,{round(x2)},{round(canvas.down(row.baseline + 2 * canvas.card.size))})"
                yield from _rows(canvas, _OVER, (*tags, clip), 0.0, _plain, only=row)


def _rows(
    canvas: Canvas, layer: int, tags: tuple[str, ...], drop: float, painted: Paint, only: Row | None = None
) -> Iterator[Drawn]:
    left = canvas.state.letters
    for row in canvas.card.rows:
        shown = len(row.letters) if left is None else max(0, min(left, len(row.letters)))
        if left is not None:
            left -= len(row.letters)
        if shown and (only is None or row is only):
            faces = [letter.face for letter in row.letters if letter.face] or [canvas.look.face]
            bottom = row.baseline + max(face.descent for face in faces) * canvas.card.size + drop
            place = canvas.at((row.left + row.right) / 2, bottom)
            slant = ("i1",) if canvas.look.italic else ()
            opening = _opening(row) + tag("an2", place, *canvas.scaling, *slant, *tags)
            yield layer, opening + _written(canvas, row, shown, painted)


def _opening(row: Row) -> str:
    joined = any(len(letter.text) > 1 for letter in row.letters)
    return _UNSEEN_LETTER if joined and not any(char.isalpha() for char in plain(row.letters)) else ""


def _written(canvas: Canvas, row: Row, shown: int, painted: Paint) -> str:
    """The row's letters, each with its font and colour; those still to come take their room unseen."""
    text: list[str] = []
    mark = _MARKS[row.right_to_left]
    before: tuple[str, ...] = ()

    def tags_of(numbered: tuple[int, Letter]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        n, letter = numbered
        return _font(canvas, letter), painted(letter) if n < shown else ("alpha&HFF&",)

    for (font, colour), part in groupby(enumerate(row.letters), key=tags_of):
        tags = [one for one in (*font, *colour) if one not in before]
        text.append(tag(*tags) + mark + escaped(plain([letter for _, letter in part])))
        before, mark = (*font, *colour), ""
    return "".join(text)


def _font(canvas: Canvas, letter: Letter) -> tuple[str, ...]:
    face = letter.face or canvas.look.face
    return (f"fn{face.family}", f"b{face.bold:d}", f"fs{number((face.ascent + face.descent) * canvas.card.size)}")


def _plain(_: Letter) -> tuple[str, ...]:
    return ()


def _one_colour(colour: str, opacity: float) -> tuple[str, ...]:
    return (*paint(1, colour, opacity), *paint(3, colour, opacity))


def _shape(canvas: Canvas, rects: tuple[Rect, ...], colour: str, corner: float) -> str:
    """Rectangles as one drawing, so that none shows through another."""
    left, top = min(rect.left for rect in rects), min(rect.top for rect in rects)
    paths = " ".join(_path(rect, left, top, corner) for rect in rects)
    place = canvas.at(left, top)
    return tag("an7", place, *canvas.scaling, "bord0", *paint(1, colour, canvas.opacity), "p1") + paths


def _path(rect: Rect, left: float, top: float, corner: float) -> str:
    x1, y1, x2, y2 = (round(v) for v in (rect.left - left, rect.top - top, rect.right - left, rect.bottom - top))
    r = round(min(corner, (x2 - x1) / 2, (y2 - y1) / 2))
    if r < 1:
        return f"m {x1} {y1} l {x2} {y1} l {x2} {y2} l {x1} {y2}"
    k = round(r * _ROUND)
    return (
        f"m {x1 + r} {y1} l {x2 - r} {y1} b {x2 - k} {y1} {x2} {y1 + k} {x2} {y1 + r} "
        f"l {x2} {y2 - r} b {x2} {y2 - k} {x2 - k} {y2} {x2 - r} {y2} "
        f"l {x1 + r} {y2} b {x1 + k} {y2} {x1} {y2 - k} {x1} {y2 - r} "
        f"l {x1} {y1 + r} b {x1} {y1 + k} {x1 + k} {y1} {x1 + r} {y1}"
    )
