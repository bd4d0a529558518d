"""Captions and titles as one ASS script for libass. Pure.

Times are the film's own, and every event is a still: what moves is worked out frame by frame, so that a chunk shows of
it exactly what the whole film would.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import groupby

from gpu_worker.timeline.film import Film
from gpu_worker.timeline.words.drawing import LAYERS, drawn
from gpu_worker.timeline.words.layout import Card, laid_out
from gpu_worker.timeline.words.markup import clock
from gpu_worker.timeline.words.motion import Span, state
from gpu_worker.timeline.words.speech import Spoken, spoken
from gpu_worker.timeline.words.stacking import Showing, clear, neighbours, stacked
from gpu_worker.timeline.words.styles import Look, look_of
from shared.timeline import Caption, Point, Title

# libass' extension: a line runs right to left when its first letter does.
_AUTO_DIRECTION = -1


def script(film: Film, first: int, last: int) -> str:
    """The script of all that shows in the film's frames from `first` to just before `last`; empty when nothing does."""
    texts = shown_texts(film)
    looks = [look_of(film, text) for text in texts]
    showing = [_showing(film, text, look) for text, look in zip(texts, looks, strict=True)]
    beyond = neighbours(showing)
    titles = [n for n, text in enumerate(texts) if isinstance(text, Title)]

    @cache
    def card_of(n: int) -> Card:
        return laid_out(film, looks[n], *_said(texts[n], looks[n]))

    @cache
    def place(n: int) -> Card:
        card, show = card_of(n), showing[n]
        if show.anchor is None:
            return card
        if n in beyond:
            card = stacked(card, show.anchor, [place(m) for m in beyond[n]], film.height)
        return clear(card, show.anchor, [card_of(m) for m in titles if show.shares(showing[m])], film.height)

    lines: list[str] = []
    for n, (text, look, show) in enumerate(zip(texts, looks, showing, strict=True)):
        if show.start < last and show.end > first:
            lines += _events(film, text, look, place(n), max(first, show.start), min(last, show.end))
    return _head(film) + "".join(f"{line}\n" for line in lines) if lines else ""


def shown_texts(film: Film) -> list[Caption | Title]:
    """What is drawn into the picture, by its beginning."""
    burned = film.captions if film.output.captions in ("burned", "both") else ()
    return sorted([*film.titles, *burned], key=lambda text: text.start)


def _showing(film: Film, text: Caption | Title, look: Look) -> Showing:
    start, end = round(text.start * film.fps), round(text.end * film.fps)
    free = isinstance(look.position, Point) or isinstance(text, Title) or start >= end
    return Showing(start, end, None if isinstance(look.position, Point) or free else look.position)


def _said(text: Caption | Title, look: Look) -> tuple[str, list[Spoken]]:
    shown = text.text.upper() if look.uppercase else text.text
    if isinstance(text, Title) or look.highlight == "none":
        return shown, []
    return shown, spoken(text, shown)


def _events(film: Film, text: Caption | Title, look: Look, card: Card, first: int, last: int) -> Iterator[str]:
    span = Span(round(text.start * film.fps), round(text.end * film.fps), film.fps)
    letters = sum(len(row.letters) for row in card.rows)
    words = _said(text, look)[1]
    below = 0 if isinstance(text, Title) else LAYERS
    for one, frames in groupby(range(first, last), key=lambda frame: state(look, span, frame, letters, words)):
        shown = list(frames)
        times = f"{clock(shown[0], film.fps)},{clock(shown[-1] + 1, film.fps)}"
        for layer, body in drawn(look, card, one):
            yield f"Dialogue: {below + layer},{times},Default,,0,0,0,,{body}"


def _head(film: Film) -> str:
    return (
        f"[Script Info]\nScriptType: v4.00+\nWrapStyle: 2\nScaledBorderAndShadow: yes\nLanguage: {_language(film)}\n"
        f"PlayResX: {film.width}\nPlayResY: {film.height}\n\n"
        "[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, Bold, BorderStyle,"
        " Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n"
        f"Style: Default,Noto Sans,20,&H00FFFFFF,&H00000000,&HFF000000,0,1,0,0,2,0,0,0,{_AUTO_DIRECTION}\n\n"
        "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )


def _language(film: Film) -> str:
    """Han letters are drawn as the film's other East Asian letters ask: as in Japan, Korea, or else China."""
    every = "".join(text.text for text in shown_texts(film))
    if any("\u3040" <= char <= "\u30ff" for char in every):
        return "ja"
    if any("\uac00" <= char <= "\ud7af" for char in every):
        return "ko"
    return "zh" if any("\u3400" <= char <= "\u9fff" for char in every) else "en"
