"""How words look: presets, filled up by what a caption's own style says. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from gpu_worker.timeline.film import Film
from gpu_worker.timeline.words.faces import Face, face_of
from shared.timeline import Caption, CaptionStyle, Point, Title
from shared.timeline.captions import Animation, CaptionPreset, Highlight, TitlePreset
from shared.timeline.parts import Anchor

_CLEAR = "#00000000"
# Apps for upright video lay their own controls over the lowest part.
_UPRIGHT_BOTTOM = 0.16

Box = Literal["lines", "block", "band"]
"""A box hugs each line, or stands behind the whole text, or reaches from side to side of the frame."""


@dataclass(frozen=True)
class Finish:
    """What a preset adds that a free style does not name; lengths in ems of the letters.

    A `shadow` falls below the letters and is `soft`; a `glow` is a colour that shines around them; an `accent` is a
    bar at the box's beginning.
    """

    box: Box = "lines"
    corner: float = 0.22
    shadow: float = 0.05
    soft: float = 0.06
    glow: str | None = None
    accent: str | None = None


@dataclass(frozen=True)
class Preset:
    """A style with every field filled, and its finish."""

    style: CaptionStyle
    finish: Finish


@dataclass(frozen=True)
class Look:
    """One text's look, nothing left open, in pixels of the film: `size` is an em of its letters."""

    face: Face
    size: float
    italic: bool
    uppercase: bool
    color: str
    outline_color: str
    outline: float
    box_color: str | None
    position: Anchor | Point
    align: Literal["left", "center", "right"]
    sides: int
    top: int
    bottom: int
    max_lines: int
    animation: Animation
    highlight: Highlight
    highlight_color: str
    finish: Finish
    opacity: float = 1.0


_BASE = CaptionStyle(
    font="Noto Sans", size=0.052, bold=True, italic=False, uppercase=False, color="#FFFFFF", outline_color="#101010",
    outline=0.0042, box_color=_CLEAR, position="bottom", max_lines=3, animation="none", highlight="none",
    highlight_color="#FFD400",
)  # fmt: skip


def _preset(finish: Finish | None = None, **different: Any) -> Preset:  # noqa: ANN401 - any field of a style
    return Preset(_BASE.model_copy(update=different), finish or Finish())


_FLAT = Finish(shadow=0)
CAPTIONS: dict[CaptionPreset, Preset] = {
    "plain": _preset(),
    "bold": _preset(
        Finish(shadow=0.07, soft=0), font="Anton", size=0.085, uppercase=True, outline=0.008, outline_color="#000000",
        max_lines=2,
    ),
    "boxed": _preset(_FLAT, size=0.047, box_color="#000000C0", outline=0.0),
    "karaoke": _preset(
        font="Montserrat", size=0.06, outline=0.0065, outline_color="#000000", highlight="fill", max_lines=2
    ),
    "pop": _preset(
        Finish(shadow=0.09, soft=0), font="Fredoka", size=0.088, outline=0.0085, outline_color="#1B1035",
        animation="pop", highlight="word", highlight_color="#5CFF8F", max_lines=2,
    ),
    "minimal": _preset(
        Finish(shadow=0.03, soft=0.12), size=0.04, bold=False, outline=0.0022, outline_color="#000000C8",
        animation="fade",
    ),
    "neon": _preset(
        Finish(shadow=0, glow="#FF2BD6"), font="Fredoka", size=0.066, color="#FFF0FC", outline=0.003,
        outline_color="#7A0068", animation="fade", highlight_color="#4DF3FF",
    ),
    "typewriter": _preset(
        Finish(box="block", shadow=0, corner=0.08), font="Courier Prime", size=0.05, color="#F6EFD9", outline=0.0,
        box_color="#14120ED8", align="left", animation="typewriter",
    ),
    "news": _preset(
        Finish(box="band", shadow=0, corner=0, accent="#FFFFFF"), size=0.046, outline=0.0, box_color="#B3001BF0",
        position="bottom_left", animation="slide_up",
    ),
}  # fmt: skip
TITLES: dict[TitlePreset, Preset] = {
    "title": _preset(
        Finish(shadow=0.05, soft=0.1), font="Montserrat", size=0.11, outline=0.003, outline_color="#00000080",
        position="center", animation="fade",
    ),
    "lower_third": _preset(
        Finish(box="block", shadow=0, corner=0, accent="#FFD400"), size=0.046, outline=0.0, box_color="#0F1722E0",
        position="bottom_left", animation="slide_up",
    ),
    "label": _preset(
        Finish(shadow=0, corner=0.3), size=0.03, uppercase=True, outline=0.0, box_color="#000000A8",
        position="top_left",
    ),
}  # fmt: skip


def look_of(film: Film, text: Caption | Title) -> Look:
    """The look of whatever is written into the picture."""
    return caption_look(film, text) if isinstance(text, Caption) else title_look(film, text)


def caption_look(film: Film, caption: Caption) -> Look:
    """The look of a caption; its style is a preset's name, a free style, or plain when it has none."""
    style = caption.style or "plain"
    free = style if isinstance(style, CaptionStyle) else CaptionStyle(preset=style)
    return _look(film.width, film.height, free, CAPTIONS[free.preset])


def title_look(film: Film, title: Title) -> Look:
    """The look of a title: its own, unless its style names a caption's preset that is not the default one."""
    free = title.style or CaptionStyle()
    own = TITLES[title.look] if free.preset == "plain" else CAPTIONS[free.preset]
    return replace(_look(film.width, film.height, free, own), opacity=title.opacity)


def is_seen(colour: str) -> bool:
    """Whether a colour is not wholly transparent."""
    return colour[7:9] != "00"


@lru_cache(maxsize=64)
def _look(width: int, height: int, free: CaptionStyle, preset: Preset) -> Look:
    said = {name: value for name, value in free if value is not None and name != "preset"}
    style: Any = preset.style.model_copy(update=said)
    short = min(width, height)
    margin = None if style.margin is None else round(style.margin * short)
    upright = height > width
    return Look(
        face=face_of(style.font, bold=style.bold),
        size=style.size * short,
        italic=style.italic,
        uppercase=style.uppercase,
        color=style.color,
        outline_color=style.outline_color,
        outline=style.outline * short if is_seen(style.outline_color) else 0.0,
        box_color=style.box_color if is_seen(style.box_color) else None,
        position=style.position,
        align=style.align or _own_align(style.position),
        sides=round(0.06 * width) if margin is None else margin,
        top=round(0.06 * height) if margin is None else margin,
        bottom=round(height * (_UPRIGHT_BOTTOM if upright else 0.07)) if margin is None else margin,
        max_lines=style.max_lines,
        animation=style.animation,
        highlight=style.highlight,
        highlight_color=style.highlight_color,
        finish=preset.finish,
    )


def _own_align(position: Anchor | Point) -> Literal["left", "center", "right"]:
    """At the side where the text stands."""
    if isinstance(position, Point):
        return "center"
    return "left" if position.endswith("left") else "right" if position.endswith("right") else "center"
