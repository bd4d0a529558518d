from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_worker.media.loudness import RATE
from gpu_worker.timeline.film import Film, Sound
from tests.unit.planned import SOURCES, at, planned, track, url


def spans(film: Film) -> list[tuple[float, float]]:
    return [(sound.at / RATE, sound.samples / RATE) for sound in film.sounds]


def sources(film: Film) -> list[tuple[float, float | None]]:
    return [(sound.start, sound.end) for sound in film.sounds]


def test_neighbours_fade_into_each_other_as_long_as_their_pictures_do() -> None:
    film = planned(at("video", start=1, end=3, transition={"duration": 0.5}), at("video", end=2), at("video", end=1))
    assert spans(film) == [(0, 2), (1.5, 2), (3.5, 1)]
    assert [(sound.fade_in, sound.fade_out) for sound in film.sounds] == [(0, RATE // 2), (RATE // 2, 0), (0, 0)]
    assert sources(film) == [(1, 3), (0, 2), (0, 1)]
    assert {sound.role for sound in film.sounds} == {"clip"}


def test_clips_without_sound_and_muted_ones_are_silent() -> None:
    film = planned(at("silent"), at("video", mute=True), at("video", volume=0), at("still", duration=1), at("video"))
    assert [sound.at / RATE for sound in film.sounds] == [23]


def test_all_clips_together_have_a_volume() -> None:
    assert planned(at("video", volume=0.5), sound={"clips_volume": 0.5}).sounds[0].volume == 0.25
    assert planned(at("video"), sound={"clips_volume": 0}).sounds == ()


def test_clips_step_back_for_voices_as_far_as_music_does() -> None:
    overlays, asked = [at("video", volume=1)], {"duck_clips": True}
    assert [sound.duck for sound in planned(at("video"), overlays=overlays).sounds] == [0, 0]
    assert [sound.duck for sound in planned(at("video"), overlays=overlays, sound=asked).sounds] == [0.7, 0.7]
    music = at("song", duck_amount=0.4)
    assert [sound.duck for sound in planned(at("video"), music=music, sound=asked).sounds] == [0.4, 0.4]


def test_a_frozen_picture_is_silent_and_its_sound_goes_on_where_it_stopped() -> None:
    film = planned(at("video", start=1, end=5, speed=2, freeze={"duration": 1, "at": 2}))
    assert spans(film) == [(0, 0.5), (1.5, 1.5)]
    assert sources(film) == [(1, 2), (2, 5)]
    assert [sound.speed for sound in film.sounds] == [2, 2]
    assert film.sounds[0].fade_out == film.sounds[1].fade_in == 240


def test_a_clip_frozen_at_its_end_is_heard_while_it_moves() -> None:
    film = planned(at("video", end=2, freeze={"duration": 2}, transition={"duration": 1}), at("silent"))
    assert spans(film) == [(0, 2)]


def test_sound_runs_backwards_with_its_picture() -> None:
    film = planned(at("video", start=1, end=4, reverse=True, freeze={"duration": 1, "at": 2}))
    assert [sound.reverse for sound in film.sounds] == [True, True]
    assert spans(film) == [(0, 2), (3, 1)]
    assert sources(film) == [(2, 4), (1, 2)]


def test_music_lies_under_the_whole_film() -> None:
    [music] = planned(
        at("silent"), music=at("song", source_start=10, source_end=11, fade_in=0.5, fade_out=5, duck_amount=0.4)
    ).sounds
    assert (music.role, music.at, music.samples, music.loop) == ("music", 0, 2 * RATE, True)
    assert (music.start, music.end, music.volume, music.duck) == (10, 11, 0.3, 0.4)
    assert (music.fade_in, music.fade_out) == (RATE // 2, RATE), "no fade is longer than half of it"


def test_music_that_does_not_loop_ends_with_its_recording() -> None:
    [music] = planned(at("video", mute=True), music=at("song", start=3, source_start=55, loop=False, duck=False)).sounds
    assert (music.at, music.samples, music.duck) == (3 * RATE, 5 * RATE, 0)


def test_voices_and_effects_sound_at_their_moment_until_the_film_ends() -> None:
    film = planned(
        at("silent"),
        voiceover=[at("song", start=0.5, source_end=1), at("song", start=1.5)],
        sfx=[at("song", start=1, source_start=59.5, volume=2)],
    )
    assert [sound.role for sound in film.sounds] == ["voice", "voice", "sfx"]
    assert spans(film) == [(0.5, 1), (1.5, 0.5), (1, 0.5)]
    assert film.notes == ("voiceover[1] is longer than the film and ends with it.",)


def test_overlays_are_heard_if_they_have_a_volume() -> None:
    overlays = [
        at("video", volume=0.5, source_start=9), at("video", volume=1, start=1, end=2, loop=True), at("video"),
        at("silent", volume=1),
    ]  # fmt: skip
    film = planned(at("silent"), overlays=overlays)
    assert spans(film) == [(0, 1), (1, 1)]
    assert [sound.loop for sound in film.sounds] == [False, True]


def test_tracks_of_sound() -> None:
    film = planned(
        tracks=[
            track(at("silent", at=0)),
            track(at("song", end=1), at("song", start=1), kind="music"),
            track(at("song", start=0.5, source_end=1), kind="voice"),
            track(at("song", start=1, source_end=0.5), kind="sfx"),
        ]
    )
    assert sorted(sound.role for sound in film.sounds) == ["music", "music", "sfx", "voice"]


MOMENT = st.integers(0, 400).map(lambda n: n / 100)


@st.composite
def sounds(draw: st.DrawFn) -> dict[str, Any]:
    def part(**more: Any) -> dict[str, Any]:
        start = draw(MOMENT)
        return at("song", source_start=start, source_end=draw(st.none() | st.floats(start + 0.1, 59)), **more)

    music = part(loop=draw(st.booleans()), fade_in=draw(MOMENT), fade_out=draw(MOMENT), start=draw(MOMENT))
    voices = [part(start=draw(MOMENT), fade_out=draw(MOMENT)) for _ in range(draw(st.integers(0, 5)))]
    return {"music": music, "voiceover": voices, "overlays": [at("long", start=draw(MOMENT), volume=1)]}


@settings(max_examples=60)
@given(rest=sounds(), fps=st.sampled_from([7, 24, 30, 60]), freeze=st.floats(0.01, 3), hold=st.floats(0, 4))
def test_sound_lies_within_the_film(rest: dict[str, Any], fps: int, freeze: float, hold: float) -> None:
    clips = [
        at("video", end=4, transition={"duration": 1.7}),
        at("video", end=4, reverse=True, speed=1.1, freeze={"duration": freeze, "at": hold}),
        at("video", end=3),
    ]
    film = planned(*clips, **rest, output={"fps": fps})
    for sound in film.sounds:
        assert 0 <= sound.at < sound.at + sound.samples <= film.samples
        assert 0 <= max(sound.fade_in, sound.fade_out) <= sound.samples
        assert sound.end is not None
        assert 0 <= sound.start < sound.end <= sound.source.media.duration + 1e-6
    own = [sound for sound in film.sounds if sound.source == SOURCES[url("video")]]
    assert all(heard_seconds(sound) == pytest.approx(sound.samples / RATE, abs=1 / RATE) for sound in own)


def heard_seconds(sound: Sound) -> float:
    assert sound.end is not None
    return (sound.end - sound.start) / sound.speed
