"""Times past the end of the film: said, with what is done about them where a person would rather have a film."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shared.timeline.captions import Caption, Title
from shared.timeline.clips import Overlay
from shared.timeline.locations import Location, Problem, parts, spell
from shared.timeline.sound import Music, SoundEffect, Voiceover

if TYPE_CHECKING:
    from shared.timeline.model import Timeline

SLACK_SECONDS = 0.1
"""How far past an end a person may point and still be understood: players round what they show."""

CUT, LEFT_OUT = "it ends there", "it is left out"


def outside(timeline: Timeline, seconds: float) -> Iterator[Problem]:
    """Everything that begins or ends past the end of a film of `seconds`."""
    spans: Iterator[tuple[Location, Caption | Title | Overlay | Music]]
    spans = parts(timeline, Caption, Title, Overlay, Music)
    for location, span in spans:
        yield from past(location, span.start, span.end, seconds)
    moments: Iterator[tuple[Location, Voiceover | SoundEffect]] = parts(timeline, Voiceover, SoundEffect)
    for location, moment in moments:
        yield from past(location, moment.start, None, seconds)
    poster = timeline.output.poster
    if poster is not None and poster > seconds + SLACK_SECONDS:
        sentence = f"output.poster is at {poster:.2f} s, {_only(seconds)}"
        yield Problem(("output", "poster"), sentence, "it shows the last frame")


def past(location: Location, start: float, end: float | None, seconds: float) -> Iterator[Problem]:
    """The one problem with a part from `start` to `end`, if it has one."""
    if start >= seconds:
        yield Problem((*location, "start"), f"{spell(location)} starts at {start:.2f} s, {_only(seconds)}", LEFT_OUT)
    elif end is not None and end > seconds + SLACK_SECONDS:
        yield Problem((*location, "end"), f"{spell(location)} ends at {end:.2f} s, {_only(seconds)}", CUT)


def _only(seconds: float) -> str:
    return f"but the film is only {seconds:.2f} s long"
