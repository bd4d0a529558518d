"""The timeline of an EXPORT job: what a person writes, before any file is opened.

Clip `start` and `end` are seconds in the source; caption and voice-over times are seconds in the film.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.references import MediaReference

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Resolution = Literal["240p", "360p", "480p", "720p", "1080p", "1440p", "2160p"]
AspectRatio = Literal["16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "5:4", "21:9"]


class TimelinePart(BaseModel):
    """Unknown fields are refused: a misspelled option must not pass in silence."""

    model_config = ConfigDict(extra="forbid")


class Transition(TimelinePart):
    """How a clip gives way to the next one. `duration` is the overlap in seconds."""

    type: Literal["cut", "crossfade"] = "crossfade"
    duration: Annotated[float, Field(gt=0, le=10)] = 0.5


class Clip(TimelinePart):
    """A piece of a source file, from `start` to `end` (its whole length when left out)."""

    url: MediaReference
    start: Seconds = 0.0
    end: Seconds | None = None
    fit: Literal["contain", "cover", "blur"] | None = Field(None, description="Overrides the output's `fit`.")
    volume: Annotated[float, Field(ge=0, le=4)] = 1.0
    mute: bool = False
    transition: Transition | None = Field(None, description="To the next clip; a hard cut when left out.")

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        if self.end is not None and self.end <= self.start:
            msg = "end must be later than start"
            raise ValueError(msg)
        return self


class Caption(TimelinePart):
    """A line burned into the film from `start` to `end`."""

    text: Annotated[str, Field(min_length=1, max_length=500)]
    start: Seconds
    end: Seconds

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        if self.end <= self.start:
            msg = "end must be later than start"
            raise ValueError(msg)
        return self


class Music(TimelinePart):
    """A bed under the whole film, looped to its length; `duck` lowers it while a voice speaks."""

    url: MediaReference
    volume: Annotated[float, Field(ge=0, le=4)] = 0.3
    duck: bool = True
    fade_in: Annotated[float, Field(ge=0, le=30)] = 0.5
    fade_out: Annotated[float, Field(ge=0, le=30)] = 1.5


class Voiceover(TimelinePart):
    """A spoken part that starts `start` seconds into the film."""

    url: MediaReference
    start: Seconds = 0.0
    volume: Annotated[float, Field(ge=0, le=4)] = 1.0


class Output(TimelinePart):
    """The film's frame. `width` and `height` win over `resolution` (the short side) and `aspect_ratio`."""

    width: Annotated[int, Field(ge=64, le=4096, multiple_of=2)] | None = None
    height: Annotated[int, Field(ge=64, le=4096, multiple_of=2)] | None = None
    resolution: Resolution = "720p"
    aspect_ratio: AspectRatio = "16:9"
    fps: Annotated[int, Field(ge=1, le=60)] = 30
    fit: Literal["contain", "cover", "blur"] = "contain"
    format: Literal["mp4"] = "mp4"

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        if (self.width is None) != (self.height is None):
            msg = "give width and height together"
            raise ValueError(msg)
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even."""
        if self.width is not None and self.height is not None:
            return self.width, self.height
        return frame_size(self.resolution, self.aspect_ratio)


def frame_size(resolution: Resolution, aspect_ratio: AspectRatio) -> tuple[int, int]:
    """Width and height in pixels, both even: `resolution` is the short side."""
    short = int(resolution.removesuffix("p"))
    wide, high = (int(part) for part in aspect_ratio.split(":"))
    long = 2 * round(short * max(wide, high) / min(wide, high) / 2)
    return (long, short) if wide >= high else (short, long)


class Timeline(TimelinePart):
    """The whole film. The params of an EXPORT job and the body of `POST /timeline/stitch`."""

    clips: Annotated[list[Clip], Field(min_length=1, max_length=500)]
    captions: Annotated[list[Caption], Field(max_length=2000)] = []
    music: Music | None = None
    voiceover: Annotated[list[Voiceover], Field(max_length=200)] = []
    output: Output = Output()
