"""The plan of a whole film, out of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gpu_worker.timeline.film import Film, Layer, Sound, Source
from gpu_worker.timeline.planner import sounds, texts
from gpu_worker.timeline.planner.checks import file_problems, settled
from gpu_worker.timeline.planner.grid import Grid
from gpu_worker.timeline.planner.shots import PlacedShot, base_track, placed_shots
from shared.timeline import Caption, Music, Output, Overlay, SoundEffect, Timeline, Voiceover
from shared.timeline.layout import Laid, as_written, film_seconds, problems, shown_seconds, spots
from shared.timeline.locations import Location, parts, spell
from shared.timeline.outside import outside

_PREVIEW_SIDE, _PREVIEW_FPS = 360, 10
_MOST_NOTES = 20


def plan(
    timeline: Timeline, sources: Mapping[str, Source], subtitles: Sequence[Caption] = (), lut: Path | None = None
) -> Film:
    """The plan of a timeline whose references `sources` maps to opened files; `subtitles` are the lines of its file.

    Raises InvalidParams, naming the part as the timeline does (`clips[2]`), for what only the files can tell: times
    outside a file or the film, a transition longer than half a clip, a part without the picture or sound it needs.
    Where `out_of_range` is `clamp`, times are cut instead, and the film's notes say so.
    """
    notes = settled(timeline, file_problems(timeline, sources))
    tracks = [[_measured(laid, sources) for laid in track] for track in as_written(timeline)]
    settled(timeline, problems(tracks, timeline.output.fps))
    seconds = film_seconds(tracks, timeline.output.fps) or 0.0
    notes += settled(timeline, outside(timeline, seconds))
    notes += settled(timeline, texts.subtitle_problems(subtitles, seconds))
    return _film(timeline, sources, tracks, subtitles, lut, notes)


def _measured(laid: Laid, sources: Mapping[str, Source]) -> Laid:
    """With its length, now that its file is known."""
    media, until = sources[laid.clip.url].media, laid.clip.until
    if media.kind != "image":
        until = min(until or media.duration, media.duration)
    return laid if until is None else replace(laid, seconds=shown_seconds(laid.clip, until))


def _film(
    timeline: Timeline, sources: Mapping[str, Source], tracks: list[list[Laid]], subtitles: Sequence[Caption],
    lut: Path | None, notes: list[str],
) -> Film:  # fmt: skip
    output = _output(timeline.output)
    grid = Grid(output.fps)
    laid = [spots(track, timeline.output.fps) or [] for track in tracks]
    shots = [placed_shots(track, sources, grid, output.fit) for track in laid]
    # A last clip that falls between two frames of a preview has no shot, but the gap before it lasts.
    ends = [grid.frame(track[-1].end) for track in laid if track]
    frames = max([1, *ends, *(track[-1].end for track in shots if track)])
    film = Film(*output.size, output.fps, base_track(shots[0], frames))
    return replace(
        film,
        layers=tuple(_layers(timeline, sources, shots, grid, frames)),
        sounds=tuple(_sounds(timeline, sources, shots, grid, film)),
        captions=texts.captions(timeline, subtitles, film.duration),
        titles=texts.titles(timeline, film.duration),
        look=timeline.look,
        lut=lut,
        mix=timeline.sound,
        output=output,
        metadata=timeline.metadata,
        notes=_shortened([*notes, *_cut_off(timeline, sources, film), *_left_out(timeline.output)]),
    )


def _output(output: Output) -> Output:
    """As asked for, or small and quick: one file with the same times."""
    if output.profile == "full":
        return output
    scale = min(1.0, _PREVIEW_SIDE / min(output.size))
    width, height = (2 * round(side * scale / 2) for side in output.size)
    small = {"width": width, "height": height, "fps": min(output.fps, _PREVIEW_FPS), "quality": "draft"}
    return output.model_copy(update={**small, "video_bitrate": None, "also": ()})


def _left_out(output: Output) -> Iterator[str]:
    if output.profile == "preview" and output.also:
        yield "A preview is one file; the others in output.also are left out."


def _layers(
    timeline: Timeline, sources: Mapping[str, Source], shots: list[list[PlacedShot]], grid: Grid, frames: int
) -> Iterator[Layer]:
    """Upper tracks and overlays, the lowest first; overlays that belong to no track lie over all."""
    numbers = [number for number, track in enumerate(timeline.tracks) if track.type == "video" and track.items]
    upper = dict(zip(numbers[1:], shots[1:], strict=False))
    overlays = list(parts(timeline, Overlay))
    for number in range(len(timeline.tracks)):
        for placed in upper.get(number, ()):
            source = placed.shot.source
            if source is not None:
                yield Layer(placed.at, placed.shot.frames, source, placed.shot)
        yield from _overlays([one for one in overlays if one[0][:2] == ("tracks", number)], sources, grid, frames)
    yield from _overlays([one for one in overlays if one[0][0] == "overlays"], sources, grid, frames)


def _overlays(
    found: list[tuple[Location, Overlay]], sources: Mapping[str, Source], grid: Grid, frames: int
) -> Iterator[Layer]:
    for _, overlay in found:
        first, last = _shown(overlay, grid, frames)
        if last > first:
            yield Layer(first, last - first, sources[overlay.url], overlay)


def _shown(overlay: Overlay, grid: Grid, frames: int) -> tuple[int, int]:
    first = grid.frame(overlay.start)
    last = frames if overlay.end is None else max(first + 1, grid.frame(overlay.end))
    return first, min(frames, last)


def _sounds(
    timeline: Timeline, sources: Mapping[str, Source], shots: list[list[PlacedShot]], grid: Grid, film: Film
) -> Iterator[Sound]:
    duck = sounds.clips_duck(timeline)
    for track in shots:
        yield from sounds.clip_sounds(track, grid, timeline.sound.clips_volume, duck)
    for _, overlay in parts(timeline, Overlay):
        first, last = _shown(overlay, grid, film.frames)
        yield from sounds.overlay_sound(overlay, sources[overlay.url], first, last - first, grid, duck)
    for _, part in _moments(timeline):
        yield from sounds.part_sound(part, sources[part.url], film.samples)
    for _, music in parts(timeline, Music):
        yield from sounds.music_sound(music, sources[music.url], film.samples)


def _cut_off(timeline: Timeline, sources: Mapping[str, Source], film: Film) -> Iterator[str]:
    for location, part in _moments(timeline):
        if part.start < film.duration and sounds.is_cut_off(part, sources[part.url], film.samples):
            yield f"{spell(location)} is longer than the film and ends with it."


def _moments(timeline: Timeline) -> Iterator[tuple[Location, Voiceover | SoundEffect]]:
    return parts(timeline, Voiceover, SoundEffect)


def _shortened(notes: list[str]) -> tuple[str, ...]:
    if len(notes) <= _MOST_NOTES:
        return tuple(notes)
    return (*notes[:_MOST_NOTES], f"And {len(notes) - _MOST_NOTES} more.")
