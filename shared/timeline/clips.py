"""Clips: pieces of source files, and all that can be done to their picture.

`start` and `end` are seconds in the source, as its player shows them, before `speed` and `reverse`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.references import MediaReference
from shared.timeline.parts import Area, Colour, Fit, Length, Place, Seconds, Share, TimelinePart, Volume, check_order
from shared.timeline.transitions import Transition

Easing = Literal["linear", "ease_in", "ease_out", "ease_in_out"]
MotionName = Literal["zoom_in", "zoom_out", "pan_left", "pan_right", "pan_up", "pan_down", "ken_burns"]
EffectName = Literal[
    "blur", "sharpen", "grayscale", "sepia", "vignette", "grain", "negative", "pixelate", "glow", "color_shift",
    "fade_in", "fade_out",
]  # fmt: skip


class Freeze(TimelinePart):
    """One frame held still for `duration` seconds: the one at `at` seconds of the source, or the clip's last one."""

    duration: Length
    at: Seconds | None = None


class Motion(TimelinePart):
    """A camera move over the whole clip. `strength` 1 shows twice as near (zoom) or travels half the frame (pan).

    `pan_left` moves the camera to the left. A `ken_burns` move goes from one area of the framed picture to another.
    """

    type: MotionName = "ken_burns"
    strength: Share = 0.3
    easing: Easing = "ease_in_out"
    from_area: Area | None = None
    to_area: Area | None = None

    @model_validator(mode="after")
    def _areas_for_ken_burns(self) -> Self:
        if self.type != "ken_burns" and (self.from_area or self.to_area):
            msg = "from_area and to_area belong to ken_burns"
            raise ValueError(msg)
        return self


class Effect(TimelinePart):
    """Something done to the clip's picture; `amount` from hardly (0) to fully (1)."""

    type: EffectName
    amount: Share = 0.5


class Clip(TimelinePart):
    """A piece of a source file, from `start` to `end` (its whole length when left out). A still needs `duration`."""

    url: MediaReference
    start: Seconds = 0.0
    end: Seconds | None = None
    duration: Length | None = Field(default=None, description="Instead of `end`: seconds of the source, or of a still.")
    speed: Annotated[float, Field(ge=0.1, le=10)] = Field(
        default=1.0, description="2 is twice as fast; the pitch stays."
    )
    reverse: bool = False
    freeze: Freeze | None = None
    volume: Volume = 1.0
    mute: bool = False
    fit: Fit | None = Field(default=None, description="Overrides the output's `fit`.")
    position: Place = Field(
        default="center", description="Where a contained picture stands, or what a covering one shows."
    )
    background: Colour = Field(default="#000000", description="What a contained picture leaves bare.")
    crop: Area | None = Field(default=None, description="The part of the source to use.")
    rotate: Literal[0, 90, 180, 270] = Field(default=0, description="Clockwise, after the file's own rotation.")
    flip: Literal["horizontal", "vertical"] | None = None
    motion: MotionName | Motion | None = None
    effects: Annotated[tuple[EffectName | Effect, ...], Field(max_length=8)] = ()
    transition: Transition | None = Field(default=None, description="To the next clip; a hard cut when left out.")

    @model_validator(mode="after")
    def _one_end_after_start(self) -> Self:
        if self.end is not None and self.duration is not None:
            msg = "give end or duration, not both"
            raise ValueError(msg)
        check_order(self.start, self.end)
        return self

    @property
    def until(self) -> float | None:
        """Where it ends in the source, in seconds, if the timeline says so."""
        return self.start + self.duration if self.duration is not None else self.end


class Overlay(TimelinePart):
    """A picture over the film from `start` to `end` seconds of the film: picture-in-picture, a logo, a watermark.

    `width` is a share of the frame's width. A video plays from `source_start` and holds its last frame; a still, or
    one whose `end` is left out, stays to the end of the film. Its sound is off unless `volume` says otherwise.
    """

    url: MediaReference
    start: Seconds = 0.0
    end: Seconds | None = None
    source_start: Seconds = 0.0
    loop: bool = False
    position: Place = "top_right"
    width: Annotated[float, Field(gt=0, le=1)] = 0.25
    margin: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.03, description="From the edge, a share of the short side."
    )
    opacity: Share = 1.0
    crop: Area | None = None
    fade_in: Annotated[float, Field(ge=0, le=30)] = 0.0
    fade_out: Annotated[float, Field(ge=0, le=30)] = 0.0
    volume: Volume = 0.0

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        check_order(self.start, self.end)
        return self
