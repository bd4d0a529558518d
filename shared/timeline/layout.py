"""Where the clips of a film lie, in seconds: from lengths alone, before any file is opened and after.

A clip shows its stretch of the source at its `speed`, and its freeze. In the simple form each clip begins where the
one before it ends, less the seconds they share in a transition; in tracks each says where it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from shared.timeline.clips import Clip
from shared.timeline.locations import Location, Problem, spell
from shared.timeline.tracks import PlacedClip, VideoTrack

if TYPE_CHECKING:
    from shared.timeline.model import Timeline

LONGEST_FILM_SECONDS = 6 * 3600.0
# In frames. A single one would show the first clip alone, as a cut does.
_SHORTEST_TRANSITION = 2
# Seconds that sums of decimal fractions may be off.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Laid:
    """A clip in its track, and how many seconds of film it makes; None while only its file knows."""

    location: Location
    clip: Clip
    seconds: float | None


@dataclass(frozen=True)
class Spot:
    """A clip from second `at` of the film to second `end`, the last `overlap` of them shared with the next one."""

    location: Location
    clip: Clip
    at: float
    end: float
    overlap: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it is shown."""
        return self.end - self.at


def moving_seconds(clip: Clip, until: float) -> float:
    """Film seconds of a clip that ends at second `until` of its source, without its freeze."""
    return (until - clip.start) / clip.speed


def shown_seconds(clip: Clip, until: float) -> float:
    """All film seconds of a clip that ends at second `until` of its source."""
    return moving_seconds(clip, until) + (clip.freeze.duration if clip.freeze else 0.0)


def as_written(timeline: Timeline) -> list[list[Laid]]:
    """The video tracks, lowest first; the simple form is one track."""
    if timeline.clips:
        return [[_written(("clips", n), clip) for n, clip in enumerate(timeline.clips)]]
    return [
        [_written(("tracks", number, "items", n), clip) for n, clip in enumerate(track.items)]
        for number, track in enumerate(timeline.tracks)
        if isinstance(track, VideoTrack) and track.items
    ]


def _written(location: Location, clip: Clip) -> Laid:
    return Laid(location, clip, None if clip.until is None else shown_seconds(clip, clip.until))


def spots(track: Sequence[Laid], fps: int) -> list[Spot] | None:
    """Where a track's clips lie in a film of `fps`; None while the length of one is unknown."""
    lengths = [laid.seconds for laid in track if laid.seconds is not None]
    if len(lengths) < len(track):
        return None
    begins = _begins(track, lengths, fps)
    found = [
        Spot(laid.location, laid.clip, at, at + long) for laid, at, long in zip(track, begins, lengths, strict=True)
    ]
    return [_joined(left, right, fps) for left, right in pairwise(found)] + found[-1:]


def film_seconds(tracks: Sequence[Sequence[Laid]], fps: int) -> float | None:
    """The film's length: that of its longest video track; None while it is unknown."""
    ends = [found[-1].end for track in tracks if (found := spots(track, fps))]
    return max(ends) if len(ends) == len(tracks) else None


def overlap_seconds(clip: Clip, fps: int) -> float:
    """The seconds that a clip's transition takes; none for a cut and for less than two frames."""
    transition = clip.transition
    if transition is None or transition.type == "cut" or transition.duration * fps < _SHORTEST_TRANSITION:
        return 0.0
    return transition.duration


def problems(tracks: Sequence[Sequence[Laid]], fps: int) -> Iterator[Problem]:
    """What cannot be made of these clips, whatever a person might accept instead."""
    for track in tracks:
        for laid in track:
            yield from _clip_problems(laid, fps)
        for left, right in pairwise(track):
            yield from _joint_problems(left, right, fps)
    long = film_seconds(tracks, fps)
    if long is not None and long > LONGEST_FILM_SECONDS:
        hours = LONGEST_FILM_SECONDS / 3600
        yield Problem(
            tracks[0][-1].location, f"The film would be {long / 3600:.1f} hours long; at most {hours:g} are made"
        )


def _begins(track: Sequence[Laid], lengths: list[float], fps: int) -> list[float]:
    steps = [long - overlap_seconds(laid.clip, fps) for laid, long in zip(track[:-1], lengths, strict=False)]
    simple = accumulate(steps, initial=0.0)
    return [laid.clip.at if isinstance(laid.clip, PlacedClip) else at for laid, at in zip(track, simple, strict=True)]


def _joined(left: Spot, right: Spot, fps: int) -> Spot:
    """`left` with what it shares with `right`; ends that miss it by less than half a frame meet it."""
    shared = left.end - right.at
    if abs(shared) * fps < 0.5 or (shared > 0 and not overlap_seconds(left.clip, fps)):
        return replace(left, end=right.at)
    return replace(left, overlap=max(0.0, shared))


def _clip_problems(laid: Laid, fps: int) -> Iterator[Problem]:
    name, clip = spell(laid.location), laid.clip
    if laid.seconds is not None and laid.seconds * fps < 1 - _ROUNDING:
        yield Problem(laid.location, f"{name} is {laid.seconds:.3f} s long, less than one frame of the film")
    at = clip.freeze.at if clip.freeze else None
    if at is not None and not clip.start <= at <= (clip.until or at):
        yield Problem((*laid.location, "freeze", "at"), f"{name} has no second {at:.2f} to freeze")


def _joint_problems(left: Laid, right: Laid, fps: int) -> Iterator[Problem]:
    shared = overlap_seconds(left.clip, fps)
    if isinstance(left.clip, PlacedClip) and isinstance(right.clip, PlacedClip):
        problem = _placed_problem(left, left.clip, right, right.clip, fps)
        if problem is not None:
            yield problem
            return
    for laid in (left, right):
        if laid.seconds is not None and shared > laid.seconds / 2 + _ROUNDING:
            yield Problem(
                (*left.location, "transition"),
                f"The transition after {spell(left.location)} takes {shared:.2f} s, which is more than half of "
                f"{spell(laid.location)} ({laid.seconds:.2f} s)",
            )


def _placed_problem(left: Laid, before: PlacedClip, right: Laid, after: PlacedClip, fps: int) -> Problem | None:
    location = (*right.location, "at")
    if after.at <= before.at:
        return Problem(
            location, f"{spell(right.location)} begins before {spell(left.location)}; write them in order of time"
        )
    if left.seconds is None:
        return None
    wanted, shared = overlap_seconds(before, fps), before.at + left.seconds - after.at
    written = before.transition.duration if before.transition and before.transition.type != "cut" else 0.0
    if abs(shared - written) * fps < 1:
        return None
    if shared * fps >= 1 and not wanted:
        words = f"overlaps {spell(left.location)} by {shared:.2f} s without a transition"
    elif wanted:
        words = f"overlaps {spell(left.location)} by {max(0.0, shared):.2f} s, but the transition takes {wanted:.2f} s"
    else:
        return None
    return Problem(location, f"{spell(right.location)} {words}")
