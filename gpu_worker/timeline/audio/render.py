"""Runs the sound of a film: the steps, the mix, the master; each an ffmpeg of its own, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.graph import Output, Stream, arguments
from gpu_worker.timeline.audio.files import finished, fitted, kept, reopened
from gpu_worker.timeline.audio.master import Measured, limited, metered, reading, steered
from gpu_worker.timeline.audio.mix import mixed, whole
from gpu_worker.timeline.audio.steps import scheme
from gpu_worker.timeline.film import RATE, Film

_MIX, _SOUND, _METER = "mix.flac", "sound.flac", "loudness.txt"
# Integrated loudness needs at least one block of 400 ms.
_SHORTEST_SECONDS = 0.4
# Above that a recording's own noise is what would be heard.
_MOST_GAIN_DB = 30.0
# The limiter takes from a loud mix what it was given; that is given once more.
_TRIES, _NEAR_LU = 3, 0.3
_MISSED_LU = 0.5
Done = Callable[[float], None]


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
        work.run(kept(mixed(step.parts, step.mixed.at, step.mixed.samples), step.mixed.name), step.mixed.samples)
        work.forget(plan.used_up(step.parts))
    mix, last = whole(film, plan.buses), chain.from_iterable(plan.buses.values())
    if plan.buses and film.mix.loudness is not None and film.mix.exact and film.duration >= _SHORTEST_SECONDS:
        work.run(kept(metered(mix, _METER, peak=False), _MIX), film.samples)
        work.forget(plan.used_up(last))
        return _exact(film, film.mix.loudness, work)
    master = _once(film, mix, work)
    work.forget(plan.used_up(last))
    return master


class _Work:
    """The runs for one film, and how far they are together, in samples."""

    def __init__(self, film: Film, folder: Path, on_progress: Done, samples: int) -> None:
        self._folder = folder
        self._on_progress = on_progress
        self._done = 0
        self._all = samples + 2 * film.samples

    def run(self, target: Output, samples: int) -> None:
        """One ffmpeg that makes so many samples."""

        def done(share: float) -> None:
            self._on_progress(min(1.0, (self._done + share * samples) / self._all))

        run_ffmpeg(arguments(target), duration=samples / RATE, on_progress=done, folder=self._folder)
        self._done += samples

    def measured(self) -> Measured:
        """What the meter of the last run says."""
        return reading(self._folder / _METER)

    def finished(self, measured: Measured, *notes: str) -> Master:
        """The master, which the last run has made."""
        self.forget((_MIX, _METER))
        self._on_progress(1.0)
        return Master(self._folder / _SOUND, measured.loudness, measured.peak, notes)

    def forget(self, names: Iterable[str]) -> None:
        """Make room on the disk."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)


def _once(film: Film, mix: Stream, work: _Work) -> Master:
    """The mix as it is, or steered on its way; never above the peak."""
    if not film.sounds:
        work.run(finished(mix, _SOUND), film.samples)
        return work.finished(Measured())
    is_steered = film.mix.loudness is not None and film.duration >= _SHORTEST_SECONDS
    loud = steered(mix, film.mix) if is_steered else limited(mix, film.mix)
    work.run(finished(metered(fitted(loud, film.samples), _METER), _SOUND), film.samples)
    return work.finished(work.measured())


def _exact(film: Film, goal: float, work: _Work) -> Master:
    """Set what has been measured, and measure what the limiter has left of it."""
    before = work.measured().loudness
    most = _MOST_GAIN_DB if before is not None else 0.0
    gain = min(most, goal - before) if before is not None else 0.0
    for _ in range(_TRIES):
        loud = fitted(limited(reopened(_MIX), film.mix, gain), film.samples)
        work.run(finished(metered(loud, _METER), _SOUND), film.samples)
        after = work.measured()
        if after.loudness is None or abs(goal - after.loudness) <= _NEAR_LU or gain >= most:
            break
        gain = min(most, gain + goal - after.loudness)
    return work.finished(after, *_missed(goal, after, is_noise=gain >= most))


def _missed(goal: float, after: Measured, *, is_noise: bool) -> Iterator[str]:
    if after.loudness is None or abs(goal - after.loudness) <= _MISSED_LU:
        return
    why = "it is too quiet to be raised that far" if is_noise else "louder would need higher peaks"
    yield f"The sound came out at {after.loudness:.1f} LUFS instead of {goal:g}: {why}."
