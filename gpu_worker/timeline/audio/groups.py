"""The parts of a film in groups that one ffmpeg mixes at a time: memory and open files stay bounded. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from gpu_worker.media.graph import Stream, apply, join
from gpu_worker.timeline.audio.parts import part
from gpu_worker.timeline.film import Film, Sound

MOST_PARTS = 12


@dataclass(frozen=True, order=True)
class Bus:
    """What is treated alike: the voices, or what steps back for them by `duck` (0 to 1)."""

    is_voice: bool
    duck: float


@dataclass(frozen=True)
class Group:
    """Parts of one bus that sound near each other; their mix begins at sample `at` of the film."""

    bus: Bus
    at: int
    samples: int
    sounds: tuple[Sound, ...]


def groups(film: Film) -> list[Group]:
    """Every sound of the film in one group, those of a bus in the order of their beginnings."""
    by_bus = sorted(film.sounds, key=lambda sound: (_bus(film, sound), sound.at))
    made = []
    for bus, sounds in groupby(by_bus, key=lambda sound: _bus(film, sound)):
        made += [_group(bus, some) for some in _dozens(sounds)]
    return made


def mixed(group: Group) -> Stream:
    """The mix of a group, exactly as long as it says."""
    streams = [part(sound, sound.at - group.at) for sound in group.sounds]
    return fitted(added(streams), group.samples)


def added(streams: list[Stream]) -> Stream:
    """The sum, without making anything quieter."""
    return streams[0] if len(streams) == 1 else join(streams, "amix", inputs=len(streams), normalize=0)


def fitted(stream: Stream, samples: int) -> Stream:
    """Exactly so many samples, silence after what there is."""
    return apply(apply(stream, "apad"), "atrim", end_sample=samples)


def _bus(film: Film, sound: Sound) -> Bus:
    if sound.role == "voice":
        return Bus(is_voice=True, duck=0.0)
    has_voice = any(other.role == "voice" for other in film.sounds)
    return Bus(is_voice=False, duck=sound.duck if has_voice else 0.0)


def _group(bus: Bus, sounds: tuple[Sound, ...]) -> Group:
    at = min(sound.at for sound in sounds)
    return Group(bus, at, max(sound.at + sound.samples for sound in sounds) - at, sounds)


def _dozens(sounds: Iterable[Sound]) -> Iterator[tuple[Sound, ...]]:
    held: list[Sound] = []
    for sound in sounds:
        held.append(sound)
        if len(held) == MOST_PARTS:
            yield tuple(held)
            held = []
    if held:
        yield tuple(held)
