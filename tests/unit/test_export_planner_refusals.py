from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gpu_worker.timeline.film import Source
from gpu_worker.timeline.planner import plan
from shared.errors import InvalidParams
from shared.timeline import Caption, Timeline
from tests.unit.planned import SOURCES, at, planned, track

NAN, INF = float("nan"), float("inf")
A_FADE = {"duration": 0.5}


def caption(start: float, end: float) -> dict[str, Any]:
    return {"text": "a", "start": start, "end": end}


@pytest.mark.parametrize(
    ("timeline", "place", "sentence"),
    [
        ({"clips": []}, ("clips",), "at least one clip"),
        ({"tracks": [track()]}, ("clips",), "at least one clip"),
        ({"clips": [at("a")], "tracks": [track(at("a", at=0))]}, ("clips",), "clips or tracks"),
        ({"clips": [at("a", start=2, end=1)]}, ("clips", 0), "end must be later"),
        ({"clips": [at("a")] * 10_000}, ("clips",), "at most 500 items"),
        ({"clips": [at("a", speed=NAN)]}, ("clips", 0, "speed"), "finite"),
        ({"clips": [at("a", end=INF)]}, ("clips", 0, "end"), "finite"),
        ({"clips": [at("a")], "music": at("b", fade_in=NAN)}, ("music", "fade_in"), "finite"),
        ({"clips": [at("a", fitt="cover")]}, ("clips", 0, "fitt"), "not permitted"),
        ({"clips": [at("a", end=0.3, speed=10)]}, ("clips", 0), r"clips\[0\] is 0.030 s long, less than one frame"),
        ({"clips": [at("a", end=9), at("b", start=0, end=80_000)]}, ("clips", 1), "22.2 hours long; at most 6"),
        (
            {"clips": [at("a", start=2, freeze={"duration": 1, "at": 1})]},
            ("clips", 0, "freeze", "at"),
            "no second 1.00 to freeze",
        ),
        (
            {"clips": [at("a", transition={"duration": 1.2}), at("b", end=2), at("c")]},
            ("clips", 0, "transition"),
            r"after clips\[0\] takes 1.20 s, which is more than half of clips\[1\] \(2.00 s\)",
        ),
        (
            {"clips": [at("a", end=2, speed=2, transition={"duration": 0.6}), at("b")]},
            ("clips", 0, "transition"),
            r"more than half of clips\[0\] \(1.00 s\)",
        ),
        (
            {"clips": [at("a", end=2)], "captions": [caption(0, 1), caption(1.5, 2.2)]},
            ("captions", 1, "end"),
            r"captions\[1\] ends at 2.20 s, but the film is only 2.00 s long",
        ),
        ({"clips": [at("a", end=2)], "titles": [caption(2, 3)]}, ("titles", 0, "start"), "starts at 2.00 s"),
        ({"clips": [at("a", end=2)], "overlays": [at("b", start=3)]}, ("overlays", 0, "start"), "starts at 3.00 s"),
        ({"clips": [at("a", end=2)], "sfx": [at("b", start=3)]}, ("sfx", 0, "start"), "starts at 3.00 s"),
        ({"clips": [at("a", end=2)], "music": at("b", end=3)}, ("music", "end"), "ends at 3.00 s"),
        ({"clips": [at("a", end=2)], "output": {"poster": 3}}, ("output", "poster"), "only 2.00 s long"),
        (
            {"tracks": [track(at("a", at=0, end=2), at("b", at=1.5))]},
            ("tracks", 0, "items", 1, "at"),
            r"tracks\[0\].items\[1\] overlaps tracks\[0\].items\[0\] by 0.50 s without a transition",
        ),
        (
            {"tracks": [track(at("a", at=0, end=2, transition=A_FADE), at("b", at=1.2))]},
            ("tracks", 0, "items", 1, "at"),
            "by 0.80 s, but the transition takes 0.50 s",
        ),
        (
            {"tracks": [track(at("a", at=0, end=2, transition=A_FADE), at("b", at=3))]},
            ("tracks", 0, "items", 1, "at"),
            "by 0.00 s, but the transition takes 0.50 s",
        ),
        (
            {"tracks": [track(at("a", at=3), at("b", at=2))]},
            ("tracks", 0, "items", 1, "at"),
            "begins before .*; write them in order",
        ),
        (
            {"tracks": [track(at("a", at=0, end=1)), track(caption(0, 2), kind="caption")]},
            ("tracks", 1, "items", 0, "end"),
            "only 1.00 s long",
        ),
        (
            {"clips": [at("a")], "output": {"quality": "high", "also": [{"format": "gif"}, {"quality": "high"}]}},
            ("output",),
            r"also\[1\] is the same file",
        ),
        (
            {"clips": [at("a")], "output": {"also": [{"format": "webm"}, {"format": "webm", "codec": "vp9"}]}},
            ("output",),
            r"also\[1\] is the same file",
        ),
    ],
)
def test_what_the_params_alone_show_is_refused_at_the_field(
    timeline: dict[str, Any], place: tuple[str | int, ...], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence) as refusal:
        Timeline.model_validate(timeline)
    [error] = refusal.value.errors()
    assert error["loc"] == place


@pytest.mark.parametrize(
    "timeline",
    [
        {"clips": [at("a", end=2)], "captions": [caption(1, 2.1)]},
        {"clips": [at("a", end=2), at("b")], "captions": [caption(1, 200)]},
        {"clips": [at("a", end=2)], "captions": [caption(1, 200)], "out_of_range": "clamp"},
        {"clips": [at("a", end=1, transition={"duration": 5, "type": "cut"}), at("b", end=1)]},
        {"clips": [at("a", end=1), at("b", end=1, transition={"duration": 5})]},
        {"tracks": [track(at("a", at=0, end=1.001), at("a", at=1))]},
        {"clips": [at("a")], "output": {"also": [{"resolution": "360p"}, {"resolution": "480p"}]}},
    ],
)
def test_what_may_be_meant_is_taken(timeline: dict[str, Any]) -> None:
    Timeline.model_validate(timeline)


@pytest.mark.parametrize(
    ("clips", "sentence"),
    [
        ([at("video"), at("silent", end=2.2)], r"^clips\[1\] ends at 2.20 s, but its file is only 2.00 s long.$"),
        ([at("video", start=10)], r"^clips\[0\] starts at 10.00 s.*only 10.00 s long"),
        ([at("video"), at("still")], r"^clips\[1\] is a still picture, so it needs a duration"),
        ([at("song")], r"^clips\[0\] is a sound without a picture"),
        ([at("ribbon", end=1)], r"^clips\[0\] is 9000×10 pixels"),
        ([at("long")], r"would be 11.1 hours long"),
        ([at("silent", start=1.99)], r"^clips\[0\] is 0.010 s long"),
        ([at("silent", freeze={"duration": 1, "at": 2.5})], r"^clips\[0\] freezes at 2.50 s, but its file is only"),
        (
            [at("video", transition={"duration": 1.1}), at("silent")],
            r"after clips\[0\] takes 1.10 s, which is more than half of clips\[1\] \(2.00 s\)",
        ),
    ],
)
def test_what_the_files_cannot_give_is_refused_with_the_clips_index(clips: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(InvalidParams, match=sentence):
        planned(*clips)


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        ({"captions": [caption(0, 1), caption(1, 2.2)]}, r"^captions\[1\] ends at 2.20 s.*film is only 2.00 s"),
        ({"captions": [caption(5, 6)]}, r"^captions\[0\] starts at 5.00 s"),
        ({"voiceover": [at("song"), at("song", start=2)]}, r"^voiceover\[1\] starts at 2.00 s"),
        ({"voiceover": [at("silent")]}, r"^voiceover\[0\] has no sound"),
        ({"music": at("still")}, r"^music has no sound"),
        ({"sfx": [at("song", source_start=60)]}, r"^sfx\[0\] starts at 60.00 s, but its file is only 60.00 s long"),
        ({"music": at("song", source_end=61)}, r"^music ends at 61.00 s of its file"),
        ({"overlays": [at("song")]}, r"^overlays\[0\] is a sound without a picture"),
        ({"overlays": [at("silent", source_start=2)]}, r"^overlays\[0\] starts at 2.00 s, but its file"),
        ({"subtitles": (Caption(**caption(0, 1)), Caption(**caption(1, 3)))}, r"^subtitle_file\[1\] ends at 3.00 s"),
    ],
)
def test_what_lies_outside_the_film_or_has_no_sound_is_refused(rest: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParams, match=sentence):
        planned(at("silent"), **rest)


def test_a_clamp_cuts_and_says_so() -> None:
    film = planned(
        at("video", start=8, end=12),
        at("silent", freeze={"duration": 1, "at": 3}),
        captions=[caption(4, 9), caption(7, 8)],
        subtitles=(Caption(**caption(4, 9)),),
        overlays=[at("still", start=9)],
        music=at("song", end=6, source_end=61),
        sfx=[at("song", start=5)],
        output={"poster": 5.5},
        out_of_range="clamp",
    )
    assert film.frames == 150
    assert (film.shots[1].hold_at, film.shots[1].held) == (60, 30)
    assert [(line.start, line.end) for line in film.captions] == [(4, 5), (4, 5)]
    assert film.layers == ()
    assert [sound.role for sound in film.sounds] == ["clip", "music"]
    assert film.notes == (
        "clips[0] ends at 12.00 s, but its file is only 10.00 s long; it ends there.",
        "clips[1] freezes at 3.00 s, but its file is only 2.00 s long; its last frame is held.",
        "music ends at 61.00 s of its file, but its file is only 60.00 s long; it ends there.",
        "captions[0] ends at 9.00 s, but the film is only 5.00 s long; it ends there.",
        "captions[1] starts at 7.00 s, but the film is only 5.00 s long; it is left out.",
        "overlays[0] starts at 9.00 s, but the film is only 5.00 s long; it is left out.",
        "music ends at 6.00 s, but the film is only 5.00 s long; it ends there.",
        "sfx[0] starts at 5.00 s, but the film is only 5.00 s long; it is left out.",
        "output.poster is at 5.50 s, but the film is only 5.00 s long; it shows the last frame.",
        "subtitle_file[0] ends at 9.00 s, but the film is only 5.00 s long; it ends there.",
    )


def test_what_has_nothing_to_show_cannot_be_clamped() -> None:
    with pytest.raises(InvalidParams, match=r"^clips\[0\] starts at 3.00 s"):
        planned(at("silent", start=3), out_of_range="clamp")


def test_a_hundred_notes_are_a_few() -> None:
    notes = planned(at("silent"), captions=[caption(1, 3)] * 100, out_of_range="clamp").notes
    assert len(notes) == 21
    assert notes[-1] == "And 80 more."


def test_the_largest_timeline_is_planned_in_full() -> None:
    """3 hours of 500 clips and 2,000 captions; how long that takes is in benchmarks/."""
    clips = [at("long", start=n, end=n + 22, transition={"duration": 0.4}) for n in range(500)]
    captions = [caption(5 * n, 5 * n + 4) for n in range(2000)]
    film = plan(Timeline.model_validate({"clips": clips, "captions": captions}), SOURCES)
    assert film.duration == pytest.approx(500 * 22 - 499 * 0.4, abs=1 / 30)
    assert isinstance(film.shots[0].source, Source)
    assert len(film.captions) == 2000
