"""The parts of a film in steps that one ffmpeg can take: memory and open files stay bounded. Pure.

Parts of one bus are mixed a few at a time into files, those again a few at a time, until what is left fits into the
mix of the film. A stretch that is heard again and again, or backwards for long, is made into a file first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from pathlib import Path

from gpu_worker.media.loudness import RATE
from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.audio.files import HEADROOM
from gpu_worker.timeline.audio.parts import stretch_seconds
from gpu_worker.timeline.film import Film, Sound, Source

MOST_OPEN = 6
"""Files that one ffmpeg reads at a time. The index of a film of three hours takes 40 MB in each."""

# Seconds that one part may hold in memory to play them backwards.
_MOST_REVERSED = 30.0
# Where a looped stretch begins again, so that it does not click.
_SEAM_SAMPLES = RATE // 200


@dataclass(frozen=True)
class Mixed:
    """A mix that was put by in the file `name`: `samples` of the film from sample `at` on."""

    name: str
    at: int
    samples: int


Part = Sound | Mixed


@dataclass(frozen=True)
class Step:
    """One run of ffmpeg: `parts` become what `mixed` says."""

    mixed: Mixed
    parts: tuple[Part, ...]


@dataclass(frozen=True, order=True)
class Bus:
    """What is treated alike: the voices, or what steps back for them by `duck` (0 to 1)."""

    is_voice: bool
    duck: float


@dataclass(frozen=True)
class Scheme:
    """What to do in order, and what the film is then mixed from."""

    steps: tuple[Step, ...]
    buses: dict[Bus, tuple[Part, ...]]

    def used_up(self, parts: Iterable[Part]) -> list[str]:
        """The files of steps that these parts play, which nothing else does."""
        made = {step.mixed.name for step in self.steps}
        names = [part.name if isinstance(part, Mixed) else str(part.source.path) for part in parts]
        return [name for name in names if name in made]


def scheme(film: Film) -> Scheme:
    """How the sounds of the film come together."""
    steps = _Steps()
    buses: dict[Bus, list[Part]] = {}
    has_voice = any(sound.role == "voice" for sound in film.sounds)
    for sound in film.sounds:
        is_voice = sound.role == "voice"
        bus = Bus(is_voice, sound.duck if has_voice and not is_voice else 0.0)
        buses.setdefault(bus, []).append(steps.made_ready(sound))
    fits = len(film.sounds) <= MOST_OPEN
    share = MOST_OPEN if fits else max(1, MOST_OPEN // len(buses))
    few = {bus: steps.reduced(parts, share) for bus, parts in sorted(buses.items())}
    return Scheme(tuple(steps.taken), few)


class _Steps:
    """Steps as they are found to be needed."""

    def __init__(self) -> None:
        self.taken: list[Step] = []

    def made_ready(self, sound: Sound) -> Sound:
        """The sound, or one like it that plays a file of ours where its own cannot be played in one go."""
        heard = stretch_seconds(sound)
        if sound.loop and sound.samples * sound.speed > heard * RATE:
            return self._replaced(replace(sound, reverse=False), [_seamed(sound, heard)])
        if sound.reverse and heard > _MOST_REVERSED:
            return self._replaced(replace(sound, reverse=False), list(_backwards(sound, heard)))
        return replace(sound, loop=False)

    def reduced(self, parts: Sequence[Part], most: int) -> tuple[Part, ...]:
        """At most so many parts that sound the same together."""
        while len(parts) > most:
            parts = [self._mixed(bundle) for bundle in _bundles(parts)]
        return tuple(parts)

    def _replaced(self, sound: Sound, pieces: Sequence[Part]) -> Sound:
        form, codec = ("wav", "pcm_f32le") if sound.loop else ("flac", "flac")
        mixed = self._mixed(self.reduced(pieces, MOST_OPEN), form)
        seconds = mixed.samples / RATE
        media = MediaInfo("audio", form, seconds, audio_stream=0, audio_codec=codec, channels=2)
        return replace(
            sound, source=Source(Path(mixed.name), media), start=0.0, end=seconds, volume=sound.volume * HEADROOM
        )

    def _mixed(self, parts: Sequence[Part], form: str = "flac") -> Mixed:
        at = min(part.at for part in parts)
        end = max(part.at + part.samples for part in parts)
        mixed = Mixed(f"mix{len(self.taken)}.{form}", at, end - at)
        self.taken.append(Step(mixed, tuple(parts)))
        return mixed


def _bundles(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    """Parts that sound near each other; few of the bundles are long, as long ones go with long ones."""
    whole = max(part.at + part.samples for part in parts)
    ordered = sorted(parts, key=lambda part: (part.samples * MOST_OPEN > whole, part.at))
    count = ceil(len(ordered) / MOST_OPEN)
    edges = [n * len(ordered) // count for n in range(count + 1)]
    for first, last in pairwise(edges):
        yield ordered[first:last]


def _seamed(sound: Sound, seconds: float) -> Sound:
    """The stretch once, soft at both ends."""
    samples = max(1, round(seconds * RATE))
    edge = min(_SEAM_SAMPLES, samples // 4)
    once = Sound(sound.source, sound.role, 0, samples, sound.start, sound.start + seconds, reverse=sound.reverse)
    return replace(once, fade_in=edge, fade_out=edge)


def _backwards(sound: Sound, seconds: float) -> Iterator[Sound]:
    """The stretch in pieces, each of them played backwards, the last first."""
    end = sound.start + seconds
    at, last = 0, round(seconds * RATE)
    while at < last:
        samples = min(last - at, round(_MOST_REVERSED * RATE))
        until = end - at / RATE
        start = max(0.0, until - samples / RATE)
        yield Sound(sound.source, sound.role, at, samples, start, until, reverse=True)
        at += samples
