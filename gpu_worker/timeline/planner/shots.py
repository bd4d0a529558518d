"""The clips of a track as shots on whole frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpu_worker.timeline.film import Shot, Source
from gpu_worker.timeline.planner.grid import Grid
from shared.timeline import Clip, xfade_name
from shared.timeline.layout import Spot, moving_seconds
from shared.timeline.parts import Fit

_SHORTEST_TRANSITION = 2


@dataclass(frozen=True)
class PlacedShot:
    """A shot that begins with frame `at` of the film; `fade_in` frames of it are shared with the one before."""

    at: int
    fade_in: int
    shot: Shot

    @property
    def end(self) -> int:
        """The frame after its last one."""
        return self.at + self.shot.frames


def placed_shots(track: Sequence[Spot], sources: Mapping[str, Source], grid: Grid, fit: Fit) -> list[PlacedShot]:
    """Every clip from the frame nearest its beginning to the one nearest its end.

    A clip that falls between two frames, as those of a coarse preview may, has no shot.
    """
    shots: list[PlacedShot] = []
    shared = 0
    for n, spot in enumerate(track):
        first, last = grid.frame(spot.at), grid.frame(spot.end)
        following = grid.frame(track[n + 1].at) if spot.overlap else last
        overlap = last - following if last - following >= _SHORTEST_TRANSITION else 0
        frames = (last if overlap else following) - first
        if frames > 0 or len(track) == 1:
            shot = _shot(spot, sources[spot.clip.url], grid, max(frames, 1), overlap, fit)
            shots.append(PlacedShot(first, shared, shot))
            shared = overlap
    return shots


def base_track(shots: Sequence[PlacedShot], frames: int) -> tuple[Shot, ...]:
    """The lowest track, black where it has nothing, up to the film's end."""
    whole: list[Shot] = []
    reached = 0
    for placed in shots:
        if placed.at > reached:
            whole.append(black(placed.at - reached))
        whole.append(placed.shot)
        reached = placed.end - placed.shot.overlap
    if frames > reached:
        whole.append(black(frames - reached))
    return tuple(whole)


def black(frames: int) -> Shot:
    """So many black frames."""
    return Shot(None, None, 0.0, 0.0, frames)


def _shot(spot: Spot, source: Source, grid: Grid, frames: int, overlap: int, fit: Fit) -> Shot:
    clip = spot.clip
    hold_at, held = _freeze(spot, source, grid, frames)
    return Shot(
        source,
        clip,
        start=0.0 if source.media.kind == "image" else clip.start,
        seconds=(frames - held) * clip.speed / grid.fps,
        frames=frames,
        overlap=overlap,
        transition=xfade_name(clip.transition.type) if overlap and clip.transition else "fade",
        fit=clip.fit or fit,
        hold_at=hold_at,
        held=held,
    )


def _freeze(spot: Spot, source: Source, grid: Grid, frames: int) -> tuple[int, int]:
    """The frame of the shot at which it holds still, and for how many; a still has nothing to hold."""
    freeze = spot.clip.freeze
    if freeze is None or source.media.kind == "image":
        return 0, 0
    moving = spot.seconds - freeze.duration
    offset = moving if freeze.at is None else _offset(spot.clip, freeze.at, moving)
    held = grid.frame(spot.at + offset + freeze.duration) - grid.frame(spot.at + offset)
    held = min(held, frames - 1)
    hold_at = frames - held if freeze.at is None else grid.frame_at(offset)
    return min(hold_at, frames - held), held


def _offset(clip: Clip, at: float, moving: float) -> float:
    """When second `at` of the source is on show, in film seconds from the clip's beginning; no later than its end."""
    offset = min(moving_seconds(clip, at), moving)
    return moving - offset if clip.reverse else offset
