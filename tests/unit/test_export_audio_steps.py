"""How the sounds of a film are shared out among ffmpegs: how many files each opens, what each of them makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain, pairwise
from pathlib import Path

import pytest

from gpu_worker.media.loudness import RATE
from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.audio.mix import lanes
from gpu_worker.timeline.audio.steps import MOST_OPEN, Bus, Mixed, Part, Scheme, scheme
from gpu_worker.timeline.film import Film, Shot, Sound, Source

FILE = Source(
    Path("/in/a.mp4"), MediaInfo("audio", "mov", 600.0, audio_stream=0, audio_codec="aac", channels=2)
)  # fmt: skip
SECOND = RATE


def film(seconds: int, sounds: Iterable[Sound]) -> Film:
    return Film(160, 90, 30, (Shot(None, None, 0.0, 0.0, seconds * 30),), sounds=tuple(sounds))


def clips(count: int, seconds: int = 4) -> list[Sound]:
    """One after another, sharing half a second."""
    step = seconds * SECOND - SECOND // 2
    return [Sound(FILE, "clip", n * step, seconds * SECOND, float(n), n + float(seconds)) for n in range(count)]


def unmixed(part: Part, plan: Scheme) -> list[Sound]:
    """The sounds that a part is made of in the end."""
    by_name = {step.mixed.name: step for step in plan.steps}
    name = part.name if isinstance(part, Mixed) else str(part.source.path)
    if name in by_name:
        return [sound for inner in by_name[name].parts for sound in unmixed(inner, plan)]
    assert isinstance(part, Sound)
    return [part]


@pytest.mark.parametrize("count", [1, 2, 6, 7, 37, 500, 1000])
def test_no_ffmpeg_opens_many_files_and_no_sound_is_lost(count: int) -> None:
    sounds = clips(count)
    plan = scheme(film(4000, sounds))

    last = list(chain.from_iterable(plan.buses.values()))
    assert all(len(step.parts) <= MOST_OPEN for step in plan.steps)
    assert len(last) <= MOST_OPEN
    assert Counter(sound for part in last for sound in unmixed(part, plan)) == Counter(sounds)


def test_few_sounds_need_no_step_of_their_own() -> None:
    assert scheme(film(30, clips(MOST_OPEN))).steps == ()


def test_a_mix_spans_what_is_in_it_and_no_more() -> None:
    for step in scheme(film(4000, clips(500))).steps:
        assert step.mixed.at == min(part.at for part in step.parts)
        assert step.mixed.at + step.mixed.samples == max(part.at + part.samples for part in step.parts)


def test_files_on_the_way_add_up_to_little_more_than_the_film() -> None:
    """Two beds under 200 clips: mixing them with their neighbours would make every file as long as the film."""
    made = film(700, [*clips(200), Sound(FILE, "sfx", 0, 700 * SECOND), Sound(FILE, "sfx", SECOND, 650 * SECOND)])
    plan = scheme(made)
    first_level = [step for step in plan.steps if any(isinstance(part, Sound) for part in step.parts)]
    assert sum(step.mixed.samples for step in first_level) < 2.5 * made.samples


def test_every_file_of_a_step_is_used_once_and_then_given_up() -> None:
    loops = [Sound(FILE, "music", 0, 100 * SECOND, 0.0, 5.0, loop=True) for _ in range(3)]
    plan = scheme(film(700, clips(100) + loops))
    used = [name for step in plan.steps for name in plan.used_up(step.parts)]
    used += plan.used_up(chain.from_iterable(plan.buses.values()))
    assert sorted(used) == sorted(step.mixed.name for step in plan.steps)


def test_voices_and_what_steps_back_for_them_stay_apart() -> None:
    music = [Sound(FILE, "music", 0, 60 * SECOND, duck=duck) for duck in (0.7, 0.3, 0.7, 0.0)]
    voices = [Sound(FILE, "voice", n * SECOND, SECOND) for n in range(20)]
    buses = scheme(film(60, music + voices)).buses
    assert set(buses) == {
        Bus(is_voice, duck) for is_voice, duck in ((True, 0.0), (False, 0.7), (False, 0.3), (False, 0.0))
    }


def test_without_a_voice_nothing_steps_back() -> None:
    buses = scheme(film(60, [Sound(FILE, "music", 0, 60 * SECOND, duck=0.7), *clips(3)])).buses
    assert set(buses) == {Bus(is_voice=False, duck=0.0)}


def test_a_stretch_that_is_heard_again_becomes_a_file_first() -> None:
    bed = Sound(FILE, "music", SECOND, 30 * SECOND, 1.0, 4.0, 0.3, loop=True, fade_in=99, fade_out=77, duck=0.5)
    plan = scheme(film(60, [bed]))
    (step,) = plan.steps
    (once,) = step.parts
    ((looped,),) = plan.buses.values()
    assert isinstance(once, Sound)
    assert isinstance(looped, Sound)
    assert (once.start, once.end, once.samples, once.loop) == (1.0, 4.0, 3 * SECOND, False)
    assert once.fade_in == once.fade_out == RATE // 200
    assert str(looped.source.path) == step.mixed.name
    assert (looped.at, looped.samples, looped.loop) == (bed.at, bed.samples, True)
    assert (looped.fade_in, looped.fade_out) == (99, 77)


def test_a_stretch_that_is_long_enough_is_not_looped() -> None:
    plan = scheme(film(60, [Sound(FILE, "music", 0, 30 * SECOND, 1.0, 31.0, loop=True)]))
    ((part,),) = plan.buses.values()
    assert plan.steps == ()
    assert isinstance(part, Sound)
    assert not part.loop


def test_a_long_reverse_is_made_of_pieces_that_fit_into_memory() -> None:
    plan = scheme(film(200, [Sound(FILE, "clip", 0, 100 * SECOND, 10.0, 210.0, speed=2.0, reverse=True)]))
    pieces = [part for step in plan.steps for part in step.parts if isinstance(part, Sound)]
    assert all(piece.reverse and piece.samples <= 30 * RATE for piece in pieces)
    assert pieces[0].end == 210.0
    assert pieces[-1].start == 10.0
    assert all(left.start == pytest.approx(right.end, abs=1e-9) for left, right in pairwise(pieces))
    assert all(left.at + left.samples == right.at for left, right in pairwise(pieces))
    ((whole,),) = plan.buses.values()
    assert isinstance(whole, Sound)
    assert (whole.reverse, whole.speed, whole.end) == (False, 2.0, 200.0)


def test_sounds_that_do_not_meet_share_a_lane() -> None:
    rows = lanes(clips(9))
    assert [len(row) for row in rows] == [5, 4]
    assert all(left.at + left.samples <= right.at for row in rows for left, right in pairwise(row))
