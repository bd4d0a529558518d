"""The timeline of an EXPORT job: what a person writes, before any file is opened.

Clip `start` and `end` are seconds in the source; all other times are seconds in the film.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from shared.timeline.captions import Caption, StyleChoice, SubtitleFile, Title
from shared.timeline.clips import Clip, Overlay
from shared.timeline.layout import as_written, film_seconds, problems
from shared.timeline.locations import refuse
from shared.timeline.look import Look, StyleName
from shared.timeline.output import Metadata, Output
from shared.timeline.outside import outside
from shared.timeline.parts import TimelinePart
from shared.timeline.sound import Music, SoundEffect, SoundMix, Voiceover
from shared.timeline.tracks import Track


class Timeline(TimelinePart):
    """The whole film. The params of an EXPORT job and the body of `POST /timeline/stitch`.

    `clips` in order is the simple form; `tracks` with absolute times is the other. A film has one of them.
    """

    version: Literal[1] = 1
    tracks: Annotated[tuple[Track, ...], Field(max_length=20)] = ()
    clips: Annotated[tuple[Clip, ...], Field(max_length=500, validate_default=True)] = ()
    captions: Annotated[tuple[Caption, ...], Field(max_length=2000)] = ()
    caption_style: StyleChoice = "plain"
    subtitle_file: SubtitleFile | None = None
    titles: Annotated[tuple[Title, ...], Field(max_length=200)] = ()
    overlays: Annotated[tuple[Overlay, ...], Field(max_length=200)] = ()
    music: Music | None = None
    voiceover: Annotated[tuple[Voiceover, ...], Field(max_length=200)] = ()
    sfx: Annotated[tuple[SoundEffect, ...], Field(max_length=200)] = ()
    sound: SoundMix = SoundMix()
    style: StyleName | Look = "none"
    output: Output = Output()
    metadata: Metadata = Metadata()
    out_of_range: Literal["refuse", "clamp"] = Field(
        default="refuse",
        description="What to do about times past the end of a file or of the film; a clamp is said in the result.",
    )

    @field_validator("clips")
    @classmethod
    def _one_form(cls, clips: tuple[Clip, ...], others: ValidationInfo) -> tuple[Clip, ...]:
        tracks: tuple[Track, ...] = others.data.get("tracks", ())
        if clips and tracks:
            msg = "give clips or tracks, not both"
            raise ValueError(msg)
        if not clips and not any(track.type == "video" and track.items for track in tracks):
            msg = "a film needs at least one clip"
            raise ValueError(msg)
        return clips

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        tracks, fps = as_written(self), self.output.fps
        refuse("Timeline", problems(tracks, fps))
        seconds = film_seconds(tracks, fps)
        if seconds is not None and self.out_of_range == "refuse":
            refuse("Timeline", outside(self, seconds))
        return self

    @property
    def look(self) -> Look:
        """`style` in its long form."""
        return self.style if isinstance(self.style, Look) else Look(style=self.style)
