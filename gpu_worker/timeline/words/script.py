"""Captions and titles as one ASS script for libass. Pure.

Times are the film's own, so a chunk shows of a moving word exactly what the whole film would.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from gpu_worker.timeline.film import Film
from gpu_worker.timeline.words.markup import bare, clock, colour, escaped, tag
from gpu_worker.timeline.words.speech import Spoken, spoken
from gpu_worker.timeline.words.styles import Look, caption_look, title_look
from gpu_worker.timeline.words.wrap import wrapped
from shared.timeline import Caption, Point, Title

# libass' extension: a line runs right to left when its first letter does.
_AUTO_DIRECTION = -1
_ALIGNMENT = {
    "bottom_left": 1, "bottom": 2, "bottom_right": 3, "left": 4, "center": 5, "right": 6,
    "top_left": 7, "top": 8, "top_right": 9,
}  # fmt: skip
_EM_PER_HEIGHT = 1 / 1.362
_BOX_PADDING = 0.28
_LETTERS_AT_ONCE = 60


def script(film: Film, first: int, last: int) -> str:
    """The script of all that shows in the film's frames from `first` to just before `last`; empty when nothing does."""
    events: list[str] = []
    styles: dict[Look, str] = {}
    for text in _texts(film):
        start, end = round(text.start * film.fps), round(text.end * film.fps)
        if start < last and end > first and start < end:
            look = caption_look(film, text) if isinstance(text, Caption) else title_look(film, text)
            name = styles.setdefault(look, f"s{len(styles)}")
            events += _events(film, text, look, name)
    if not events:
        return ""
    return _head(film, styles) + "".join(f"{event}\n" for event in events)


def _texts(film: Film) -> Iterator[Caption | Title]:
    if film.output.captions in ("burned", "both"):
        yield from film.captions
    yield from film.titles


def _head(film: Film, styles: dict[Look, str]) -> str:
    lines = [_style(look, name) for look, name in styles.items()]
    return (
        "[Script Info]\nScriptType: v4.00+\nWrapStyle: 2\nScaledBorderAndShadow: yes\n"
        f"PlayResX: {film.width}\nPlayResY: {film.height}\n\n"
        "[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour,"
        " Bold, Italic, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n"
        + "".join(f"{line}\n" for line in lines)
        + "\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )


def _style(look: Look, name: str) -> str:
    front, edge = colour(look.color, look.opacity), colour(look.outline_color, look.opacity)
    border, outline = 1, look.outline
    if look.box_color:
        edge, border, outline = colour(look.box_color, look.opacity), 3, look.size * _BOX_PADDING
    alignment = 5 if isinstance(look.position, Point) else _aligned(_ALIGNMENT[look.position], look.align)
    margin = look.bottom if alignment <= 3 else look.margin
    lit = colour(look.highlight_color if look.highlight == "fill" else look.color, look.opacity)
    fill, rest = (lit, front) if look.highlight == "fill" else (front, front)
    height = look.size / _EM_PER_HEIGHT
    return (
        f"Style: {name},{look.font},{height:.2f},{fill},{rest},{edge},&HFF000000,{-look.bold},{-look.italic},"
        f"{border},{outline:.2f},0,{alignment},{look.margin},{look.margin},{margin},{_AUTO_DIRECTION}"
    )


def _aligned(alignment: int, align: str) -> int:
    """The same row of the frame; a text at an edge stays there whatever its own alignment."""
    if alignment % 3 != 2:
        return alignment
    return alignment + {"left": -1, "center": 0, "right": 1}[align]


def _events(film: Film, text: Caption | Title, look: Look, name: str) -> Iterator[str]:
    room = film.width - 2 * look.margin - (2 * look.size * _BOX_PADDING if look.box_color else 0)
    written = text.text.upper() if look.uppercase else text.text
    lines, size = wrapped(written, bold=look.bold, size=look.size, room=max(room, 1.0), most=look.max_lines)
    opening = [
        _place(film, look),
        f"fs{size / _EM_PER_HEIGHT:.2f}" if size != look.size else "",
        *_moves(text, look),
    ]
    start, end = round(text.start * film.fps), round(text.end * film.fps)
    if isinstance(text, Caption) and look.highlight != "none":
        bodies = _highlighted(film, text, look, lines, start, end)
    elif look.animation == "typewriter":
        bodies = _typed("\n".join(lines), start, end)
    else:
        bodies = iter([(start, end, escaped("\n".join(lines)))])
    for begins, ends, body in bodies:
        moves = opening if begins == start or look.highlight == "none" else opening[:2]
        if begins < ends:
            times = f"{clock(begins, film.fps)},{clock(ends, film.fps)}"
            yield f"Dialogue: 0,{times},{name},,0,0,0,,{tag(*moves)}{body}"


def _place(film: Film, look: Look) -> str:
    if not isinstance(look.position, Point):
        return ""
    return f"pos({look.position.x * film.width:.1f},{look.position.y * film.height:.1f})"


def _moves(text: Caption | Title, look: Look) -> list[str]:
    """Comings and goings, within the first fifth of a second and the last."""
    milliseconds = round((text.end - text.start) * 1000)
    quick = min(200, milliseconds // 3)
    match look.animation:
        case "fade":
            return [f"fad({quick},{quick})"]
        case "pop":
            return [
                "fscx60",
                "fscy60",
                f"t(0,{quick // 2},\\fscx108\\fscy108)",
                f"t({quick // 2},{quick},\\fscx100\\fscy100)",
            ]
        case "slide_up":
            # `move` would need a place to go to; growing from below looks alike and keeps to the margins.
            return [f"fad({quick},{quick})", "fscy40", f"t(0,{quick},\\fscy100)"]
        case _:
            return []


def _typed(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Letter by letter over the first two thirds. What is still to come takes its room, unseen."""
    steps = min(len(text), _LETTERS_AT_ONCE)
    whole = max(1, (end - start) * 2 // 3)
    edges = [start + whole * n // max(steps, 1) for n in range(steps)] + [end]
    for n in range(steps):
        shown = len(text) * (n + 1) // steps
        hidden = f"{tag('alpha&HFF&')}{escaped(text[shown:])}" if text[shown:] else ""
        yield edges[n], edges[n + 1], escaped(text[:shown]) + hidden


def _highlighted(
    film: Film, caption: Caption, look: Look, lines: list[str], start: int, end: int
) -> Iterator[tuple[int, int, str]]:
    words = spoken(caption)
    rows = _rows(lines, len(words))
    if look.highlight == "fill":
        yield start, end, _filling(words, rows, caption, film.fps)
        return
    edges = [start, *(round(word.start * film.fps) for word in words[1:]), end]
    for n in range(len(words)):
        yield edges[n], edges[n + 1], _lit(rows, n, look)


def _rows(lines: list[str], count: int) -> list[list[str]]:
    """The words of each line; where the lines were cut inside words, all on lines of their own words as they are."""
    rows = [line.split() for line in lines]
    return rows if sum(map(len, rows)) == count else [[word] for word in " ".join(lines).split()[:count]]


def _filling(words: list[Spoken], rows: list[list[str]], caption: Caption, fps: int) -> str:
    r"""`\kf` fills a word over its hundredths; what lies between two words belongs to the one before."""
    starts = [round(word.start * 100) for word in words] + [round(caption.end * 100)]
    lead = starts[0] - round((round(caption.start * fps) - 0.5) / fps * 100)
    firsts = list(accumulate((len(row) for row in rows), initial=0))
    body = [f"{tag(f'k{max(lead, 0)}')}"]
    for first, row in zip(firsts, rows, strict=False):
        parts = [
            f"{tag(f'kf{max(1, starts[first + n + 1] - starts[first + n])}')}{escaped(word)}"
            for n, word in enumerate(row)
        ]
        body.append(" ".join(parts))
    return body[0] + "\\N".join(body[1:])


def _lit(rows: list[list[str]], active: int, look: Look) -> str:
    if look.highlight == "box":
        on = tag(f"3c{bare(look.highlight_color)}", f"bord{look.size * _BOX_PADDING:.1f}")
        off = tag(f"3c{bare(look.outline_color)}", f"bord{look.outline:.1f}")
    else:
        on, off = tag(f"1c{bare(look.highlight_color)}"), tag(f"1c{bare(look.color)}")
    number = 0
    lines = []
    for row in rows:
        parts = []
        for word in row:
            parts.append(f"{on}{escaped(word)}{off}" if number == active else escaped(word))
            number += 1
        lines.append(" ".join(parts))
    return "\\N".join(lines)
