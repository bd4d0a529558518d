from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_worker.timeline.film import Film
from gpu_worker.timeline.pictures import chunks
from gpu_worker.timeline.planner import plan
from shared.timeline import Caption, CaptionStyle, Overlay, Timeline
from tests.unit.planned import SOURCES, at, planned, track


def lengths(film: Film) -> list[int]:
    return [shot.frames for shot in film.shots]


def test_the_film_is_the_sum_of_its_shots_less_what_they_share() -> None:
    film = planned(
        at("video", start=1, end=3.5, transition={"duration": 0.5}),
        at("still", duration=2),
        at("silent", transition={"type": "cut"}),
        at("silent", transition={"type": "wipe_left", "duration": 1}),
    )
    assert lengths(film) == [75, 60, 60, 60]
    assert [shot.overlap for shot in film.shots] == [15, 0, 0, 0], "the last clip has nothing to fade to"
    assert (film.frames, film.duration, film.samples) == (240, 8.0, 8 * 48_000)


def test_speed_and_a_freeze_change_how_long_a_clip_is_shown() -> None:
    film = planned(
        at("video", end=4, speed=2),
        at("video", start=1, end=2, speed=0.5, freeze={"duration": 1, "at": 1.25}),
        at("video", end=1, reverse=True, freeze={"duration": 0.5, "at": 0.2}),
        at("video", end=1, freeze={"duration": 2}),
    )
    assert lengths(film) == [60, 90, 45, 90]
    assert [(shot.hold_at, shot.held) for shot in film.shots] == [(0, 0), (15, 30), (24, 15), (30, 60)]
    assert [shot.seconds for shot in film.shots] == pytest.approx([4, 1, 1, 1])


def test_a_freeze_past_the_end_of_a_reversed_clip_holds_its_first_frame() -> None:
    clip = at("silent", end=9, reverse=True, freeze={"duration": 0.5, "at": 8})
    assert [(shot.hold_at, shot.held) for shot in planned(clip, out_of_range="clamp").shots] == [(0, 15)]


def test_a_preview_is_as_long_as_its_film_though_its_last_clip_is_too_short_to_see() -> None:
    items = [at("video", end=1) | {"at": 0}, at("video", end=1 / 30) | {"at": 3}]
    film = planned(tracks=[{"type": "video", "items": items}], output={"profile": "preview"})
    assert film.duration == 3.0


def test_transitions_carry_the_names_of_xfade() -> None:
    clips = [
        at("silent", transition={"type": name, "duration": 0.4}) for name in ("crossfade", "fade_black", "hlslice")
    ]
    assert [shot.transition for shot in planned(*clips, at("silent")).shots[:3]] == ["fade", "fadeblack", "hlslice"]


def test_a_transition_of_less_than_two_frames_is_a_cut() -> None:
    film = planned(at("silent", transition={"duration": 0.04}), at("silent"))
    assert film.shots[0].overlap == 0
    assert film.frames == 120


def test_an_end_a_little_past_the_file_is_its_end() -> None:
    assert planned(at("silent", end=2.09)).frames == 60


def test_gaps_in_the_first_track_are_black_and_upper_tracks_lie_over_it() -> None:
    film = planned(
        tracks=[
            track(at("video", at=1, end=2), at("video", at=4, end=1)),
            track(
                at("silent", at=0.5, end=1, transition={"duration": 0.5}),
                at("video", at=1, end=1),
                at("still", at=6, duration=2),
            ),
            track(at("still", start=2, end=3), kind="overlay"),
        ]
    )  # fmt: skip
    assert [(shot.source is None, shot.frames) for shot in film.shots] == [
        (True, 30), (False, 60), (True, 30), (False, 30), (True, 90),
    ]  # fmt: skip
    assert film.duration == 8.0, "as long as the longest video track"
    assert [(layer.at, layer.frames) for layer in film.layers] == [(15, 30), (30, 30), (180, 60), (60, 30)]
    assert isinstance(film.layers[3].picture, Overlay)
    first = film.layers[0].picture
    assert not isinstance(first, Overlay)
    assert first.overlap == 15


def test_clips_that_nearly_meet_on_a_track_do_meet() -> None:
    film = planned(tracks=[track(at("silent", at=0, end=0.993), at("silent", at=1, end=1.005), at("silent", at=2))])
    assert lengths(film) == [30, 30, 60]


def test_overlays_stay_to_the_end_unless_they_say_otherwise() -> None:
    film = planned(at("silent"), overlays=[at("still"), at("video", start=0.5, end=1.5)])
    assert [(layer.at, layer.frames) for layer in film.layers] == [(0, 60), (15, 30)]


def test_captions_get_their_style_and_end_with_the_film() -> None:
    film = planned(
        at("silent"),
        caption_style="bold",
        captions=[
            {"text": "b", "start": 1, "end": 2.05, "words": [{"text": "b", "start": 1.5, "end": 2.05}]},
            {"text": "a", "start": 0, "end": 1, "style": {"preset": "neon", "size": 0.1}},
        ],
        titles=[{"text": "t", "end": 2.1}],
        subtitles=(Caption(text="s", start=0.5, end=0.9),),
    )
    assert [caption.text for caption in film.captions] == ["a", "s", "b"]
    assert [caption.end for caption in film.captions] == [1, 0.9, 2.0]
    assert film.captions[2].words[0].end == 2.0
    assert film.captions[1].style == film.captions[2].style == "bold"
    assert film.captions[0].style == CaptionStyle(preset="neon", size=0.1)
    assert film.titles[0].end == 2.0


def test_the_captions_of_a_track_have_its_style() -> None:
    captions = track({"text": "a", "start": 0, "end": 1}, kind="caption", style="news")
    assert planned(tracks=[track(at("silent", at=0)), captions]).captions[0].style == "news"


def test_a_preview_is_the_same_film_on_a_coarser_grid() -> None:
    clips = [at("video", end=1.37, transition={"duration": 0.2}), at("video", end=2.61, freeze={"duration": 0.5})] * 5
    captions = [{"text": "a", "start": 1, "end": 2}]
    output = {"resolution": "1080p", "aspect_ratio": "9:16", "also": [{"format": "gif"}]}
    full = planned(*clips, captions=captions, output=output)
    small = planned(*clips, captions=captions, output={**output, "profile": "preview"})
    assert (small.width, small.height, small.fps) == (360, 640, 10)
    assert small.output.size == (360, 640)
    assert abs(small.duration - full.duration) <= 1 / 10
    assert small.captions == full.captions
    assert small.output.also == ()
    assert small.notes == ("A preview is one file; the others in output.also are left out.",)


@given(frames=st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_a_preview_of_clips_shorter_than_its_frames_still_has_the_films_length(frames: list[int]) -> None:
    film = planned(*[at("video", end=n / 60) for n in frames], output={"fps": 60, "profile": "preview"})
    assert film.frames == max(1, int(sum(frames) / 6 + 0.5))


@st.composite
def simple_clips(draw: st.DrawFn) -> list[dict[str, Any]]:
    clips = []
    for _ in range(draw(st.integers(1, 12))):
        start = draw(st.integers(0, 200)) / 100
        clip = at(
            draw(st.sampled_from(["video", "still"])),
            start=start,
            end=start + draw(st.integers(60, 700)) / 100,
            speed=draw(st.sampled_from([1, 1, 0.25, 1.5, 3.7])),
            reverse=draw(st.booleans()),
        )
        if draw(st.booleans()):
            clip["freeze"] = {"duration": draw(st.integers(1, 90)) / 70}
            if draw(st.booleans()):
                clip["freeze"]["at"] = draw(st.floats(clip["start"], clip["end"]))
        clips.append(clip)
    for left, right in pairwise(clips):
        share = draw(st.floats(0, 0.5))
        if longest := min(shown(left), shown(right)) * share:
            left["transition"] = {"duration": min(10, longest), "type": "dissolve"}
    return clips


def shown(clip: dict[str, Any]) -> float:
    return (clip["end"] - clip["start"]) / clip["speed"] + clip.get("freeze", {}).get("duration", 0)


def fades(clips: list[dict[str, Any]], fps: int) -> list[float]:
    found = [clip.get("transition", {}).get("duration", 0) for clip in clips[:-1]]
    return [fade if fade * fps >= 2 else 0 for fade in found]


FPS = st.sampled_from([7, 24, 25, 30, 50, 60])


@settings(max_examples=60)
@given(clips=simple_clips(), fps=FPS, profile=st.sampled_from(["full", "preview"]))
def test_roundings_never_add_up(clips: list[dict[str, Any]], fps: int, profile: str) -> None:
    film = planned(*clips, output={"fps": fps, "profile": profile})
    seconds = sum(map(shown, clips)) - sum(fades(clips, fps))
    assert abs(film.frames - seconds * film.fps) <= 0.5 + 1e-5
    assert film.frames == sum(lengths(film)) - sum(shot.overlap for shot in film.shots)
    for before, shot in pairwise(film.shots):
        assert before.overlap != 1
        assert before.overlap + shot.overlap <= shot.frames
    for shot in film.shots:
        assert 0 <= shot.hold_at <= shot.frames - shot.held
        assert shot.held < shot.frames


@settings(max_examples=60)
@given(clips=simple_clips(), fps=FPS)
def test_the_same_clips_on_a_track_make_the_same_film(clips: list[dict[str, Any]], fps: int) -> None:
    simple = planned(*clips, output={"fps": fps})
    begins, begin = [], 0.0
    for clip, fade in zip(clips, [*fades(clips, fps), 0], strict=True):
        begins.append(begin)
        begin += shown(clip) - fade
    items = [{**clip, "at": begin} for clip, begin in zip(clips, begins, strict=True)]
    placed = planned(tracks=[track(*items)], output={"fps": fps})
    assert [(s.start, s.frames, s.overlap, s.hold_at, s.held) for s in placed.shots] == [
        (s.start, s.frames, s.overlap, s.hold_at, s.held) for s in simple.shots
    ]
    assert placed.sounds == simple.sounds


@settings(max_examples=60)
@given(clips=simple_clips())
def test_a_timeline_survives_json(clips: list[dict[str, Any]]) -> None:
    timeline = Timeline.model_validate({"clips": clips})
    again = Timeline.model_validate_json(timeline.model_dump_json())
    assert plan(again, SOURCES) == plan(timeline, SOURCES)


@settings(max_examples=60)
@given(clips=simple_clips(), limit=st.integers(2, 8), seconds=st.integers(2, 9))
def test_chunks_of_a_film_have_its_frames_and_no_more(clips: list[dict[str, Any]], limit: int, seconds: int) -> None:
    film = planned(*clips)
    parts = chunks(film, limit, seconds)
    assert sum(chunk.frames for chunk in parts) == film.frames
    assert [chunk.first for chunk in parts] == [sum(c.frames for c in parts[:n]) for n in range(len(parts))]
    for chunk in parts:
        for piece in chunk.pieces:
            assert 0 <= piece.first < piece.first + piece.frames <= piece.shot.frames
