"""Runs the sound of a film: groups, their mix, the master; each an ffmpeg of its own, one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.graph import Option, Stream, arguments, open_file, output
from gpu_worker.timeline.audio.groups import Group, fitted, groups, mixed
from gpu_worker.timeline.audio.master import SILENT, limited, measured, steered
from gpu_worker.timeline.audio.mix import whole
from gpu_worker.timeline.film import Film

_MIX, _MASTER = "mix.wav", "sound.flac"
_FLOAT: dict[str, Option] = {"c:a": "pcm_f32le", "rf64": "auto", "format": "wav"}
_FLAC: dict[str, Option] = {"c:a": "flac", "sample_fmt": "s32", "compression_level": 2, "format": "flac"}
_TRIES, _NEAR_LU = 3, 0.3
# Integrated loudness needs at least one block of 400 ms.
_SHORTEST_SECONDS = 0.4
Done = Callable[[float], None]


@dataclass(frozen=True)
class Master:
    """The mastered mix: 48 kHz, stereo, lossless, as long as the film. `loudness` in LUFS where it was measured."""

    path: Path
    loudness: float | None = None
    notes: tuple[str, ...] = ()


def render_sound(film: Film, folder: Path, on_progress: Done) -> Master:
    """Mix and master the film's sound in `folder`; EngineFailed when ffmpeg fails."""
    made = []
    parts = groups(film)
    for n, group in enumerate(parts):
        made.append((group, _group(group, f"group{n}.wav", folder, _within(on_progress, 0.6 * n, 0.6, len(parts)))))
    mix = whole(film, made)
    goal = film.mix.loudness
    if goal is None or film.duration < _SHORTEST_SECONDS or not made:
        return Master(_master(film, limited(mix, film.mix), folder, on_progress))
    if not film.mix.exact:
        return Master(_master(film, fitted(steered(mix, film.mix), film.samples), folder, on_progress))
    _run(film, mix, _MIX, _FLOAT, folder)
    for _, name in made:
        (folder / name).unlink()
    return _exact(film, goal, folder, on_progress)


def _group(group: Group, name: str, folder: Path, done: Done) -> str:
    target = output((mixed(group),), name, **_FLOAT)
    run_ffmpeg(arguments(target), duration=group.samples / 48_000, on_progress=done, folder=folder)
    return name


def _exact(film: Film, goal: float, folder: Path, done: Done) -> Master:
    """Measure, set, and measure what the limiter left of it."""
    loudness = measured(_MIX, film.duration, folder)
    if loudness <= SILENT:
        return Master(_master(film, limited(open_file(_MIX, "wav"), film.mix), folder, done))
    gain = goal - loudness
    for _ in range(_TRIES):
        path = _master(film, limited(open_file(_MIX, "wav"), film.mix, gain), folder, done)
        loudness = measured(_MASTER, film.duration, folder)
        if abs(goal - loudness) <= _NEAR_LU:
            return Master(path, loudness)
        gain += goal - loudness
    note = f"The sound came out at {loudness:.1f} LUFS instead of {goal:g}: louder would need higher peaks."
    return Master(path, loudness, (note,))


def _master(film: Film, stream: Stream, folder: Path, done: Done) -> Path:
    _run(film, stream, _MASTER, _FLAC, folder, lambda share: done(0.8 + 0.2 * share))
    return folder / _MASTER


def _run(
    film: Film, stream: Stream, name: str, options: dict[str, Option], folder: Path, done: Done | None = None
) -> None:
    target = output((stream,), name, ar=48_000, ac=2, **options)
    run_ffmpeg(arguments(target), duration=film.duration, on_progress=done, folder=folder)


def _within(done: Done, before: float, share: float, parts: int) -> Done:
    return lambda part: done((before + share * part) / parts)
