"""All that is heard, on the sample grid: clips' own sound, overlays, music, voices and effects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gpu_worker.media.loudness import RATE
from gpu_worker.timeline.film import Shot, Sound, Source
from gpu_worker.timeline.planner.grid import Grid
from gpu_worker.timeline.planner.shots import PlacedShot
from shared.timeline import Music, Overlay, SoundEffect, Timeline, Voiceover
from shared.timeline.locations import parts
from shared.timeline.sound import SoundPart

# Where sound stops for a frozen picture it would click; five milliseconds are heard as an end, not as a fade.
_SOFT_EDGE = RATE // 200
_USUAL_DUCK = float(Music.model_fields["duck_amount"].default)


@dataclass(frozen=True)
class Heard:
    """A stretch of a shot that moves: from one frame of the shot to another."""

    first: int
    last: int

    @property
    def frames(self) -> int:
        """Its length."""
        return self.last - self.first


def clips_duck(timeline: Timeline) -> float:
    """How far clips step back for voices: as far as music does, if they do at all."""
    if not timeline.sound.duck_clips:
        return 0.0
    return max((music.duck_amount for _, music in parts(timeline, Music) if music.duck), default=_USUAL_DUCK)


def clip_sounds(shots: Sequence[PlacedShot], grid: Grid, volume: float, duck: float) -> Iterator[Sound]:
    """The clips' own sound. Neighbours that share frames fade into each other; a frozen picture is silent."""
    for placed in shots:
        clip, source = placed.shot.clip, placed.shot.source
        if clip and source and source.media.has_audio and not clip.mute and clip.volume * volume > 0:
            for heard in _stretches(placed.shot):
                yield _clip_sound(placed, source, heard, grid, clip.volume * volume, duck)


def overlay_sound(overlay: Overlay, source: Source, at: int, frames: int, grid: Grid, duck: float) -> Iterator[Sound]:
    """What an overlay lets be heard: nothing, unless it has a volume."""
    if overlay.volume > 0 and source.media.has_audio:
        yield from _placed(
            source, "clip", grid.sample(at), grid.sample(at + frames), overlay.source_start, source.media.duration,
            overlay.volume, loop=overlay.loop, duck=duck,
        )  # fmt: skip


def music_sound(music: Music, source: Source, samples: int) -> Iterator[Sound]:
    """A bed up to its end or that of the film, faded there."""
    last = samples if music.end is None else min(samples, round(music.end * RATE))
    yield from _placed(
        source, "music", round(music.start * RATE), last, music.source_start, _end(music, source), music.volume,
        loop=music.loop, fades=(music.fade_in, music.fade_out), duck=music.duck_amount if music.duck else 0.0,
    )  # fmt: skip


def part_sound(part: Voiceover | SoundEffect, source: Source, samples: int) -> Iterator[Sound]:
    """A voice or an effect at its moment, as long as it is, but no longer than the film."""
    role: Literal["voice", "sfx"] = "voice" if isinstance(part, Voiceover) else "sfx"
    fades = (part.fade_in, part.fade_out) if isinstance(part, Voiceover) else (0.0, 0.0)
    yield from _placed(
        source, role, round(part.start * RATE), samples, part.source_start, _end(part, source), part.volume, fades=fades
    )


def is_cut_off(part: Voiceover | SoundEffect, source: Source, samples: int) -> bool:
    """Whether the film ends while it still sounds, by more than a tenth of a second."""
    seconds = _end(part, source) - part.source_start
    return part.start + seconds > samples / RATE + 0.1


def _stretches(shot: Shot) -> list[Heard]:
    after = shot.hold_at + shot.held
    both = (Heard(0, shot.hold_at), Heard(after, shot.frames)) if shot.held else (Heard(0, shot.frames),)
    return [heard for heard in both if heard.frames > 0]


def _clip_sound(placed: PlacedShot, source: Source, heard: Heard, grid: Grid, volume: float, duck: float) -> Sound:
    shot = placed.shot
    reverse = shot.clip is not None and shot.clip.reverse
    step = shot.clip.speed / grid.fps if shot.clip else 1 / grid.fps
    first = heard.first - (shot.held if heard.first > 0 else 0)
    # Of a shot that runs backwards the last frames come first.
    begin = shot.frames - shot.held - first - heard.frames if reverse else first
    at, end = grid.sample(placed.at + heard.first), grid.sample(placed.at + heard.last)
    fade_in = _fade(grid, placed.at + heard.first, placed.at + placed.fade_in, edge=heard.first > 0)
    fade_out = _fade(grid, placed.end - shot.overlap, placed.at + heard.last, edge=heard.last < shot.frames)
    return Sound(
        source,
        "clip",
        at=at,
        samples=end - at,
        start=shot.start + begin * step,
        end=shot.start + (begin + heard.frames) * step,
        volume=volume,
        speed=shot.clip.speed if shot.clip else 1.0,
        reverse=reverse,
        fade_in=min(fade_in, end - at),
        fade_out=min(fade_out, end - at),
        duck=duck,
    )


def _fade(grid: Grid, first: int, last: int, *, edge: bool) -> int:
    """Samples of a fade from one frame to another; at an edge inside the shot at least a soft one."""
    return max(grid.sample(last) - grid.sample(first), _SOFT_EDGE if edge else 0)


def _end(part: SoundPart, source: Source) -> float:
    return min(part.source_end or source.media.duration, source.media.duration)


def _placed(
    source: Source, role: Literal["clip", "voice", "music", "sfx"], at: int, last: int, start: float, end: float,
    volume: float, *, loop: bool = False, fades: tuple[float, float] = (0.0, 0.0), duck: float = 0.0,
) -> Iterator[Sound]:  # fmt: skip
    """From sample `at` to `last` at the latest; nothing when that is nothing."""
    samples = last - at if loop else min(last - at, round((end - start) * RATE))
    if samples <= 0 or volume <= 0:
        return
    fade_in, fade_out = (min(round(fade * RATE), samples // 2) for fade in fades)
    yield Sound(source, role, at, samples, start, end, volume, loop=loop, fade_in=fade_in, fade_out=fade_out, duck=duck)
