"""A timeline written as an OpenTimelineIO file: cuts, gaps, transitions, speeds and tracks.

Where clips overlap in a transition, OpenTimelineIO has a cut in the middle, and the transition reaches out to both
sides of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import opentimelineio as otio

from gpu_worker.timeline.interchange.terms import KEY, OVERLAY, PARTS, SOUND_KINDS, TIMING
from gpu_worker.timeline.planner.grid import Grid
from shared.errors import InvalidParams
from shared.timeline import Caption, Music, Overlay, SoundEffect, Timeline, Title, Voiceover
from shared.timeline.layout import Laid, Spot, as_written, shown_seconds, spots
from shared.timeline.locations import parts, spell
from shared.timeline.sound import SoundPart

Json = dict[str, Any]


@dataclass(frozen=True)
class Strip:
    """Frames `first` to `last` of the film from second `start` of a file on, at a speed, backwards if below 0."""

    url: str
    first: int
    last: int
    start: float
    speed: float
    words: Json


def to_otio(timeline: Timeline, path: Path, lengths: Mapping[str, float] | None = None) -> tuple[str, ...]:
    """Write the timeline to a `.otio` file and say what other programs will not find in it.

    `lengths` has the seconds of files whose clips name no end. Raises InvalidParams for a clip whose end is neither
    written nor among them.
    """
    writer = _Writer(timeline.output.fps, lengths or {})
    film = otio.schema.Timeline(name=timeline.metadata.title or path.stem)
    rest = timeline.model_dump(mode="json", exclude=set(PARTS), exclude_defaults=True)
    film.metadata[KEY] = {"version": timeline.version, **rest}
    laid = [writer.spots(track) for track in as_written(timeline)]
    for track in laid:
        film.tracks.append(writer.video(track))
    seconds = max(track[-1].end for track in laid)
    overlays = [writer.overlay(overlay, seconds) for _, overlay in parts(timeline, Overlay)]
    film.tracks.extend(writer.lane(OVERLAY, lane) for lane in _lanes(overlays))
    for kind, found in zip(SOUND_KINDS, _sounds(timeline), strict=True):
        sounds = [writer.sound(part, seconds) for part in found]
        film.tracks.extend(writer.lane(kind, lane) for lane in _lanes(sounds))
    film.tracks.markers.extend(writer.marker("caption", text) for _, text in parts(timeline, Caption))
    film.tracks.markers.extend(writer.marker("title", text) for _, text in parts(timeline, Title))
    otio.adapters.write_to_file(film, str(path))
    return tuple(_unseen(timeline, [spot for track in laid for spot in track]))


@dataclass(frozen=True)
class _Writer:
    """Writes for a film of `fps`; positions in the film are whole frames, times in files are as written."""

    fps: int
    lengths: Mapping[str, float]

    def spots(self, track: list[Laid]) -> list[Spot]:
        """Where a track's clips lie."""
        return (
            spots([replace(laid, seconds=shown_seconds(laid.clip, self.until(laid))) for laid in track], self.fps) or []
        )

    def until(self, laid: Laid | Spot) -> float:
        """Where a clip ends in its file."""
        until = laid.clip.until or self.lengths.get(laid.clip.url)
        if until is None:
            raise InvalidParams(f"{spell(laid.location)} has no end; say how long its file is.")
        return until

    def video(self, track: list[Spot]) -> Any:  # noqa: ANN401
        """A video track with its gaps and transitions."""
        made = otio.schema.Track(name="video", kind=otio.schema.TrackKind.Video)
        grid, reached, early = Grid(self.fps), 0, 0
        for n, spot in enumerate(track):
            first, last = grid.frame(spot.at), grid.frame(spot.end)
            following = grid.frame(track[n + 1].at) if spot.overlap else last
            late = (last - following) // 2
            reached = self._append(made, reached, self._strip(spot, first, last, early, late))
            early = last - late - following
            if spot.overlap and spot.clip.transition and late:
                made.append(self._transition(early, late, spot.clip.transition.type))
        return made

    def _strip(self, spot: Spot, first: int, last: int, early: int, late: int) -> Strip:
        """A clip without the frames that lie in the halves of transitions beyond its cuts."""
        clip = spot.clip
        words = clip.model_dump(mode="json", exclude=set(TIMING), exclude_defaults=True)
        if clip.freeze:
            words["freeze"] = clip.freeze.model_dump(mode="json")
        start = clip.start + (late if clip.reverse else early) * clip.speed / self.fps
        return Strip(clip.url, first + early, last - late, start, -clip.speed if clip.reverse else clip.speed, words)

    def lane(self, kind: str, strips: list[Strip]) -> Any:  # noqa: ANN401
        """A track of overlays or sounds, one after another."""
        sound = kind in SOUND_KINDS
        made = otio.schema.Track(name=kind, kind=otio.schema.TrackKind.Audio if sound else otio.schema.TrackKind.Video)
        made.metadata[KEY] = {"kind": kind}
        reached = 0
        for strip in strips:
            reached = self._append(made, reached, strip)
        return made

    def overlay(self, overlay: Overlay, seconds: float) -> Strip:
        """An overlay up to its end, or the film's."""
        words = overlay.model_dump(mode="json", exclude={"url"}, exclude_defaults=True)
        return self._placed(overlay.url, overlay.start, overlay.end or seconds, overlay.source_start, words)

    def sound(self, part: Music | Voiceover | SoundEffect, seconds: float) -> Strip:
        """A sound up to its end, or the film's."""
        end = part.end if isinstance(part, Music) and part.end is not None else seconds
        if not (isinstance(part, Music) and part.loop):
            end = min(end, part.start + self._recorded(part, seconds))
        words = part.model_dump(mode="json", exclude={"url"}, exclude_defaults=True)
        return self._placed(part.url, part.start, end, part.source_start, words)

    def marker(self, kind: str, text: Caption | Title) -> Any:  # noqa: ANN401
        """A caption or a title as a marker of its length."""
        start, end = (otio.opentime.RationalTime(t * self.fps, self.fps) for t in (text.start, text.end))
        span = otio.opentime.TimeRange(start, end - start)
        marker = otio.schema.Marker(name=text.text, marked_range=span)
        marker.metadata[KEY] = {kind: text.model_dump(mode="json", exclude_defaults=True)}
        return marker

    def _recorded(self, part: SoundPart, seconds: float) -> float:
        end = part.source_end or self.lengths.get(part.url)
        return seconds if end is None else end - part.source_start

    def _placed(self, url: str, start: float, end: float, source_start: float, words: Json) -> Strip:
        grid = Grid(self.fps)
        first = grid.frame(start)
        return Strip(url, first, max(first + 1, grid.frame(end)), source_start, 1.0, words)

    def _append(self, track: Any, reached: int, strip: Strip) -> int:  # noqa: ANN401
        if strip.first > reached:
            track.append(otio.schema.Gap(duration=otio.opentime.RationalTime(strip.first - reached, self.fps)))
        track.append(self._clip(strip, strip.last - strip.first))
        return strip.last

    def _clip(self, strip: Strip, frames: int) -> Any:  # noqa: ANN401
        rate, length = self.fps, self.lengths.get(strip.url)
        whole = None if length is None else otio.opentime.TimeRange.range_from_start_end_time(
            otio.opentime.RationalTime(0, rate), otio.opentime.RationalTime(length * rate, rate)
        )  # fmt: skip
        start, long = (otio.opentime.RationalTime(value, rate) for value in (strip.start * rate, frames))
        clip = otio.schema.Clip(
            name=strip.url.rsplit("/", 1)[-1],
            media_reference=otio.schema.ExternalReference(strip.url, whole),
            source_range=otio.opentime.TimeRange(start, long),
        )
        clip.metadata[KEY] = {**strip.words, "frames": frames}
        if strip.speed != 1:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=strip.speed))
        return clip

    def _transition(self, early: int, late: int, name: str) -> Any:  # noqa: ANN401
        before, after = (otio.opentime.RationalTime(frames, self.fps) for frames in (early, late))
        dissolve = name in ("crossfade", "fade", "dissolve")
        kind = otio.schema.TransitionTypes.SMPTE_Dissolve if dissolve else otio.schema.TransitionTypes.Custom
        made = otio.schema.Transition(name=name, transition_type=kind, in_offset=before, out_offset=after)
        # Metadata given to a constructor is let go of too late: Python would abort when it exits (0.18.1).
        made.metadata[KEY] = {"type": name}
        return made


def _sounds(timeline: Timeline) -> Iterator[list[Music | Voiceover | SoundEffect]]:
    yield [part for _, part in parts(timeline, Music)]
    yield [part for _, part in parts(timeline, Voiceover)]
    yield [part for _, part in parts(timeline, SoundEffect)]


def _unseen(timeline: Timeline, found: list[Spot]) -> Iterator[str]:
    fields = {
        name for spot in found for name in spot.clip.model_dump(exclude=set(TIMING - {"freeze"}), exclude_defaults=True)
    }
    if fields:
        yield f"Of the clips, other programs will not see: {', '.join(sorted(fields))}."
    if any(True for _ in parts(timeline, Caption, Title)):
        yield "Captions and titles are markers."


def _lanes(strips: Iterable[Strip]) -> list[list[Strip]]:
    """As few rows as it takes for none to overlap in one."""
    lanes: list[list[Strip]] = []
    for strip in sorted(strips, key=lambda strip: strip.first):
        free = next((lane for lane in lanes if lane[-1].last <= strip.first), None)
        if free is None:
            lanes.append([strip])
        else:
            free.append(strip)
    return lanes
