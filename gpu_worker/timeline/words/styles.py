"""How words look: presets, filled up by what a caption's own style says. Sizes in pixels of the film. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from gpu_worker.timeline.film import Film
from shared.timeline import Caption, CaptionStyle, Point, Title
from shared.timeline.captions import Animation, CaptionPreset, Highlight, TitlePreset
from shared.timeline.parts import Anchor

_CLEAR = "#00000000"
_BASE = CaptionStyle(
    font="Noto Sans", size=0.07, bold=True, italic=False, uppercase=False, color="#FFFFFF", outline_color="#101010",
    outline=0.0042, box_color=_CLEAR, position="bottom", align="center", margin=0.06, max_lines=3, animation="none",
    highlight="none", highlight_color="#FFD400",
)  # fmt: skip
PRESETS: dict[CaptionPreset, CaptionStyle] = {
    "plain": CaptionStyle(),
    "bold": CaptionStyle(size=0.095, uppercase=True, outline=0.009, outline_color="#000000"),
    "boxed": CaptionStyle(box_color="#000000B8", outline=0.0, size=0.062),
    "karaoke": CaptionStyle(size=0.08, highlight="fill", outline=0.007, outline_color="#000000"),
    "pop": CaptionStyle(
        size=0.1, uppercase=True, outline=0.01, outline_color="#000000", highlight="word", animation="pop",
        highlight_color="#35E06B", max_lines=2,
    ),
    "minimal": CaptionStyle(size=0.05, bold=False, outline=0.0022, animation="fade"),
    "neon": CaptionStyle(color="#EFFFFF", outline_color="#FF2FD6", outline=0.006, animation="fade"),
    "typewriter": CaptionStyle(size=0.058, bold=False, box_color="#101010C0", outline=0.0, animation="typewriter"),
    "news": CaptionStyle(
        size=0.056, color="#FFFFFF", box_color="#B00020E6", outline=0.0, align="left", position="bottom_left",
        animation="slide_up",
    ),
}  # fmt: skip
TITLES: dict[TitlePreset, CaptionStyle] = {
    "title": CaptionStyle(size=0.14, position="center", animation="fade", outline=0.006),
    "lower_third": CaptionStyle(
        size=0.06, position="bottom_left", align="left", box_color="#101820D0", outline=0.0, animation="slide_up"
    ),
    "label": CaptionStyle(size=0.045, position="top_left", align="left", bold=False),
}


@dataclass(frozen=True)
class Look:
    """One text's look, nothing left open. `outline` and `margin` in pixels, `size` the height of its letters' em."""

    font: str
    size: float
    bold: bool
    italic: bool
    uppercase: bool
    color: str
    outline_color: str
    outline: float
    box_color: str | None
    position: Anchor | Point
    align: str
    margin: int
    bottom: int
    max_lines: int
    animation: Animation
    highlight: Highlight
    highlight_color: str
    opacity: float = 1.0


def caption_look(film: Film, caption: Caption) -> Look:
    """The look of a caption; its style is a preset's name, a free style, or plain when it has none."""
    style = caption.style or "plain"
    free = style if isinstance(style, CaptionStyle) else CaptionStyle(preset=style)
    return _look(film, _filled(free, PRESETS[free.preset], _BASE))


def title_look(film: Film, title: Title) -> Look:
    """The look of a title."""
    free = title.style or CaptionStyle()
    return _look(film, _filled(free, TITLES[title.look], PRESETS[free.preset], _BASE), title.opacity)


def _filled(*styles: CaptionStyle) -> CaptionStyle:
    """What the first of them says, each field taken from the next that says anything."""
    values: dict[str, Any] = {
        name: next((v for style in styles if (v := getattr(style, name)) is not None), None)
        for name in CaptionStyle.model_fields
        if name != "preset"
    }
    return CaptionStyle(**values)


def _look(film: Film, style: CaptionStyle, opacity: float = 1.0) -> Look:
    short = min(film.width, film.height)
    margin = round(short * (style.margin or 0))
    values: dict[str, Any] = {field.name: getattr(style, field.name, None) for field in fields(Look)}
    has_box = bool(style.box_color) and not (style.box_color or "").endswith("00", 7)
    return Look(
        **values
        | {
            "size": short * (style.size or 0) * _EM_PER_SIZE,
            "outline": short * (style.outline or 0),
            "margin": margin,
            # Apps for upright video lay their own controls over the lowest part.
            "bottom": round(film.height * _UPRIGHT_BOTTOM) if film.height > film.width else margin,
            "box_color": style.box_color if has_box else None,
            "opacity": opacity,
        }
    )


# A style's size is the height from the highest to the lowest point of a line, as ASS counts it: 1.362 em in Noto Sans.
_EM_PER_SIZE = 1 / 1.362
_UPRIGHT_BOTTOM = 0.16
