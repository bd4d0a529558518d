"""Runs the sound of a film: the steps, the mix, the master; each an ffmpeg of its own, one after another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.graph import Output, Stream, arguments
from gpu_worker.media.loudness import RATE, Measured, limited, metered, reading, steered
from gpu_worker.media.probe import probe
from gpu_worker.timeline.audio.files import finished, fitted, kept, reopened
from gpu_worker.timeline.audio.mix import mixed, whole
from gpu_worker.timeline.audio.steady import decoded, steady
from gpu_worker.timeline.audio.steps import Part, Scheme, Step, scheme
from gpu_worker.timeline.film import Film, Sound
from shared.errors import EngineFailed

_MIX, _SOUND, _METER = "mix.flac", "sound.flac", "loudness.txt"
# Integrated loudness needs at least one block of 400 ms.
_SHORTEST_SECONDS = 0.4
# `loudnorm` looks three seconds ahead; with less than that and silence in it, it makes noise out of nothing.
_SHORTEST_STEERED_SECONDS = 4.0
# Above that a recording's own noise is what would be heard.
_MOST_GAIN_DB = 30.0
# What the limiter takes away is given again, up to this; beyond, it is heard.
_MOST_AGAIN_DB = 4.0
_NEAR_LU, _MISSED_LU = 0.3, 0.5
# A file of ours with no sound in it is smaller.
_EMPTY_BYTES = 2000
_FAINT, _PEAKS = "it is too quiet to be raised that far", "louder would need higher peaks"
_STEERED = "it was steered as it ran; sound.exact measures it first"
_UNREADABLE = "A part of the sound could not be read; it is silent."
_log = logging.getLogger(__name__)
Done = Callable[[float], None]
Fix = Callable[[Iterable[Part]], list[Part]]


@dataclass(frozen=True)
class Master:
    """The mastered mix of a film: FLAC, 24 bit, 48 kHz, stereo, as long as the film.

    `loudness` is the integrated one in LUFS and `peak` the highest true peak in dBTP, both as measured; None for
    silence and for films of less than 0.4 s. `notes` are sentences for the person.
    """

    path: Path
    loudness: float | None = None
    peak: float | None = None
    notes: tuple[str, ...] = ()


def render_sound(film: Film, folder: Path, on_progress: Done) -> Master:
    """Mix and master the film's sound in `folder`, which holds nothing more of it afterwards than the master.

    `on_progress` gets 0 to 1. Raises EngineFailed when ffmpeg fails, and what `on_progress` raises.
    """
    plan = scheme(film)
    work = _Work(film, folder, on_progress, sum(step.mixed.samples for step in plan.steps))
    for step in plan.steps:
        work.mix(step.parts, partial(_step, step), step.mixed.name, step.mixed.samples)
        work.forget(plan.used_up(step.parts))
    return _master(film, plan, work)


def _step(step: Step, fixed: Fix) -> Output:
    return kept(mixed(fixed(step.parts), step.mixed.at, step.mixed.samples), step.mixed.name)


def _master(film: Film, plan: Scheme, work: _Work) -> Master:
    last = list(chain.from_iterable(plan.buses.values()))
    name, finish = _finish(film)
    work.mix(last, lambda fixed: finish(_whole(film, plan, fixed)), name, film.samples)
    work.forget(plan.used_up(last))
    goal = film.mix.loudness
    if name == _MIX and goal is not None:
        return _exact(film, goal, work)
    heard = work.measured() if last else Measured()
    return work.finished(heard, *(() if goal is None else _missed(goal, heard, _STEERED)))


def _whole(film: Film, plan: Scheme, fixed: Fix) -> Stream:
    return whole(film, {bus: tuple(fixed(parts)) for bus, parts in plan.buses.items()})


def _finish(film: Film) -> tuple[str, Callable[[Stream], Output]]:
    """What becomes of the whole mix: the master, or what is measured first."""
    if not film.sounds:
        return _SOUND, lambda mix: finished(mix, _SOUND)
    if film.mix.loudness is not None and film.duration >= _SHORTEST_SECONDS:
        if film.mix.exact or film.duration < _SHORTEST_STEERED_SECONDS:
            return _MIX, lambda mix: kept(metered(mix, _METER, peak=False), _MIX)
        return _SOUND, lambda mix: _metered_master(film, steered(mix, film.mix))
    return _SOUND, lambda mix: _metered_master(film, limited(mix, film.mix))


def _metered_master(film: Film, loud: Stream) -> Output:
    return finished(metered(fitted(loud, film.samples), _METER), _SOUND)


class _Work:
    """The runs for one film, and how far they are together, in samples."""

    def __init__(self, film: Film, folder: Path, on_progress: Done, samples: int) -> None:
        self._folder = folder
        self._on_progress = on_progress
        self._done = 0
        self._furthest = 0.0
        self._notes: list[str] = []
        self._all = samples + 2 * film.samples

    def mix(self, parts: Sequence[Part], target: Callable[[Fix], Output], name: str, samples: int) -> None:
        """One ffmpeg that makes the file `name` of these parts; another one should it lose count in one of them."""
        before = self._done
        sounds = [part for part in parts if isinstance(part, Sound) and part.source.path.is_absolute()]
        try:
            self.run(target(list), samples)
            if not sounds or round(probe(self._folder / name).duration * RATE) == samples:
                return
        except EngineFailed:
            if not sounds:
                raise
        _log.warning("mixing again, with every file decoded alone")
        self._done = before
        fixed: dict[Part, Sound | None] = {
            sound: self._steady(sound, f"steady{n}.nut") for n, sound in enumerate(dict.fromkeys(sounds))
        }
        self.run(target(lambda some: [ready for part in some if (ready := fixed.get(part, part))]), samples)
        self.forget(f"steady{n}.nut" for n in range(len(fixed)))

    def _steady(self, sound: Sound, name: str) -> Sound | None:
        """The sound from a file of one form; None where nothing could be decoded."""
        try:
            self._call(decoded(sound, name), 0, 1)
        except EngineFailed:
            self._notes.append(_UNREADABLE)
        path = self._folder / name
        return steady(sound, name) if path.exists() and path.stat().st_size > _EMPTY_BYTES else None

    def run(self, target: Output, samples: int) -> None:
        """One ffmpeg that makes so many samples."""
        self._call(target, samples, samples)
        self._done += samples

    def _call(self, target: Output, weight: int, samples: int) -> None:
        def done(share: float) -> None:
            self._furthest = max(self._furthest, min(1.0, (self._done + share * weight) / self._all))
            self._on_progress(self._furthest)

        run_ffmpeg(arguments(target), duration=samples / RATE, on_progress=done, folder=self._folder)

    def measured(self) -> Measured:
        """What the meter of the last run says."""
        return reading(self._folder / _METER)

    def finished(self, measured: Measured, *notes: str) -> Master:
        """The master, which the last run has made."""
        self.forget((_MIX, _METER))
        self._on_progress(1.0)
        return Master(self._folder / _SOUND, measured.loudness, measured.peak, (*dict.fromkeys(self._notes), *notes))

    def forget(self, names: Iterable[str]) -> None:
        """Make room on the disk."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)


def _exact(film: Film, goal: float, work: _Work) -> Master:
    """Set what has been measured, and measure what the limiter has left of it."""
    before = work.measured().loudness
    wanted = goal - before if before is not None else 0.0
    gain, most = min(wanted, _MOST_GAIN_DB), min(wanted + _MOST_AGAIN_DB, _MOST_GAIN_DB)
    while True:
        work.run(_metered_master(film, limited(reopened(_MIX), film.mix, gain)), film.samples)
        after = work.measured()
        if after.loudness is None or abs(goal - after.loudness) <= _NEAR_LU or gain >= most:
            return work.finished(after, *_missed(goal, after, _FAINT if wanted > _MOST_GAIN_DB else _PEAKS))
        gain = min(most, gain + goal - after.loudness)


def _missed(goal: float, after: Measured, why: str) -> Iterator[str]:
    if after.loudness is not None and abs(goal - after.loudness) > _MISSED_LU:
        yield f"The sound came out at {after.loudness:.1f} LUFS instead of {goal:g}: {why}."
