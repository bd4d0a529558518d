"""Words on the picture: captions, titles, their looks, and subtitle files. Times are seconds in the film."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from shared.fonts import FAMILIES
from shared.references import MediaReference
from shared.timeline.parts import Colour, Place, Seconds, Share, TimelinePart, check_order

CaptionPreset = Literal["plain", "bold", "boxed", "karaoke", "pop", "minimal", "neon", "typewriter", "news"]
Animation = Literal["none", "fade", "pop", "slide_up", "typewriter"]
Highlight = Literal["none", "fill", "word", "box"]


class CaptionStyle(TimelinePart):
    """A free look; what is left out comes from `preset`. Sizes are shares of the frame's short side."""

    preset: CaptionPreset = "plain"
    font: Annotated[str, Field(max_length=80)] | None = Field(
        default=None, description=f"One of {', '.join(FAMILIES)}; what it has no letters for, another one draws."
    )
    size: Annotated[float, Field(ge=0.01, le=0.5)] | None = Field(default=None, description="Of one em.")
    bold: bool | None = None
    italic: bool | None = None
    uppercase: bool | None = None
    color: Colour | None = None
    outline_color: Colour | None = None
    outline: Annotated[float, Field(ge=0, le=0.05)] | None = None
    box_color: Colour | None = Field(default=None, description="A box behind the words; alpha `00` takes it away.")
    position: Place | None = None
    align: Literal["left", "center", "right"] | None = None
    margin: Annotated[float, Field(ge=0, le=0.45)] | None = Field(default=None, description="Safe area at every edge.")
    max_lines: Annotated[int, Field(ge=1, le=10)] | None = Field(
        default=None, description="Smaller letters rather than more."
    )
    animation: Animation | None = None
    highlight: Highlight | None = Field(
        default=None, description="How the word being spoken stands out; without `words` their times are guessed."
    )
    highlight_color: Colour | None = None

    @field_validator("font")
    @classmethod
    def _ships(cls, font: str | None) -> str | None:
        known = {family.casefold(): family for family in FAMILIES}
        if font is not None and font.casefold() not in known:
            msg = f"no font of this name ships; there are {', '.join(FAMILIES)}"
            raise ValueError(msg)
        return font and known[font.casefold()]


StyleChoice = Annotated[
    Annotated[CaptionPreset, Tag("preset")] | Annotated[CaptionStyle, Tag("CaptionStyle")],
    Discriminator(lambda value: "preset" if isinstance(value, str) else "CaptionStyle"),
]
"""A preset by its name, or a free look. What is wrong with one is said of that one alone."""


class Word(TimelinePart):
    """One word with its time in the film."""

    text: Annotated[str, Field(min_length=1, max_length=100)]
    start: Seconds
    end: Seconds

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        check_order(self.start, self.end)
        return self


class Caption(TimelinePart):
    """A line shown from `start` to `end`. With `words`, each can light up as it is spoken."""

    text: Annotated[str, Field(min_length=1, max_length=500)]
    start: Seconds
    end: Seconds
    style: StyleChoice | None = None
    words: Annotated[tuple[Word, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        check_order(self.start, self.end)
        if any(word.start < self.start or word.end > self.end for word in self.words):
            msg = "every word lies between the caption's start and end"
            raise ValueError(msg)
        return self


TitlePreset = Literal["title", "lower_third", "label"]


class Title(TimelinePart):
    """A text of the composition itself, not of what is spoken: never in a subtitle file."""

    text: Annotated[str, Field(min_length=1, max_length=500)]
    start: Seconds = 0.0
    end: Seconds
    look: TitlePreset = "title"
    style: CaptionStyle | None = None
    opacity: Share = 1.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        check_order(self.start, self.end)
        return self


class SubtitleFile(TimelinePart):
    """An SRT, WebVTT or ASS file whose lines become captions, `offset` seconds later than it says."""

    url: MediaReference
    offset: Annotated[float, Field(ge=-86_400, le=86_400)] = 0.0
    style: StyleChoice | None = None
