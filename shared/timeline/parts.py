"""What every part of a timeline is made of: seconds, volumes, colours, places in the frame."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Length = Annotated[float, Field(gt=0, le=86_400)]
Volume = Annotated[float, Field(ge=0, le=4)]
Share = Annotated[float, Field(ge=0, le=1)]
Colour = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?$", examples=["#FFD400", "#000000A0"])]
"""`#RRGGBB` or `#RRGGBBAA`; an alpha of `00` is invisible."""

Fit = Literal["contain", "cover", "blur"]
Resolution = Literal["240p", "360p", "480p", "720p", "1080p", "1440p", "2160p"]
AspectRatio = Literal["16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "5:4", "21:9"]
Anchor = Literal[
    "top_left", "top", "top_right", "left", "center", "right", "bottom_left", "bottom", "bottom_right"
]  # fmt: skip


class TimelinePart(BaseModel):
    """Unknown fields are refused: a misspelled option must not pass in silence. So are numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Point(TimelinePart):
    """A place in the frame, where the middle of the thing goes: shares of its width and height from the top left."""

    x: Share
    y: Share


Place = Anchor | Point


class Area(TimelinePart):
    """A rectangle of a picture, in shares of its width and height from the top left."""

    x: Share = 0.0
    y: Share = 0.0
    width: Annotated[float, Field(gt=0, le=1)] = 1.0
    height: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _inside(self) -> Area:
        if self.x + self.width > 1 + 1e-9 or self.y + self.height > 1 + 1e-9:
            msg = "the area reaches out of the picture: x + width and y + height are at most 1"
            raise ValueError(msg)
        return self


def check_order(start: float, end: float | None) -> None:
    """ValueError unless `end` is later than `start`."""
    if end is not None and end <= start:
        msg = "end must be later than start"
        raise ValueError(msg)


def frame_size(resolution: Resolution, aspect_ratio: AspectRatio) -> tuple[int, int]:
    """Width and height in pixels, both even: `resolution` is the short side."""
    short = int(resolution.removesuffix("p"))
    wide, high = (int(part) for part in aspect_ratio.split(":"))
    long = 2 * round(short * max(wide, high) / min(wide, high) / 2)
    return (long, short) if wide >= high else (short, long)
