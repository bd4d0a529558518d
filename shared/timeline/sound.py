"""The film's sound beside that of its clips. Times are seconds in the film unless they say otherwise."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from shared.references import MediaReference
from shared.timeline.parts import Seconds, Share, TimelinePart, Volume, check_order

Fade = Annotated[float, Field(ge=0, le=30)]


class SoundPart(TimelinePart):
    """A recording. `source_start` and `source_end` trim it, in seconds of its own."""

    url: MediaReference
    volume: Volume = 1.0
    source_start: Seconds = 0.0
    source_end: Seconds | None = None

    @model_validator(mode="after")
    def _source_in_order(self) -> Self:
        check_order(self.source_start, self.source_end)
        return self


class Music(SoundPart):
    """A bed under the film from `start` to `end`, looped to that length; `duck` lowers it while a voice speaks."""

    volume: Volume = 0.3
    start: Seconds = 0.0
    end: Seconds | None = None
    loop: bool = True
    duck: bool = True
    duck_amount: Share = Field(
        default=0.7, description="How far it steps back: 24 dB times its square, so 6 dB at 0.5 and 12 dB at 0.7."
    )
    fade_in: Fade = 0.5
    fade_out: Fade = 1.5

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        check_order(self.start, self.end)
        return self


class Voiceover(SoundPart):
    """A spoken part that starts `start` seconds into the film. Music steps back for it."""

    start: Seconds = 0.0
    fade_in: Fade = 0.0
    fade_out: Fade = 0.0


class SoundEffect(SoundPart):
    """A sound at a moment of the film."""

    start: Seconds = 0.0


class SoundMix(TimelinePart):
    """How the whole is mastered. `loudness` in LUFS (EBU R 128; -14 suits the web, -23 television), left alone if None.

    `exact` measures the mix first and then sets it (two passes); otherwise it is steered as it runs. `peak` is the
    highest true peak in dBTP.
    """

    loudness: Annotated[float, Field(ge=-40, le=-8)] | None = None
    exact: bool = True
    peak: Annotated[float, Field(ge=-9, le=0)] = -1.0
    clips_volume: Volume = Field(default=1.0, description="Of all the clips' own sound together.")
    duck_clips: bool = Field(default=False, description="Clips step back for voiceover as music does.")
