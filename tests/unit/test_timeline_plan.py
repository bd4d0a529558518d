from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.plan import Film, Piece, Source, length, plan
from gpu_worker.timeline.runs import groups, join
from shared.errors import InvalidParams
from shared.timeline import Timeline

MEDIA = {
    "video": MediaInfo("video", "mov", 10.0, 1280, 720, 24.0, video_stream=0, audio_stream=1),
    "silent": MediaInfo("video", "mov", 2.0, 1280, 720, 24.0, video_stream=0),
    "still": MediaInfo("image", "png_pipe", 0.0, 1280, 720, video_stream=0),
    "ribbon": MediaInfo("image", "png_pipe", 0.0, 9000, 10, video_stream=0),
    "song": MediaInfo("audio", "mp3", 60.0, audio_stream=0),
}
SOURCES = {f"storage://uploads/{name}": Source(Path(f"/in/{name}"), media) for name, media in MEDIA.items()}


def planned(*clips: dict[str, Any], **rest: Any) -> Film:
    spelled = [{**clip, "url": f"storage://uploads/{clip['url']}"} for clip in clips]
    return plan(Timeline.model_validate({"clips": spelled, **rest}), SOURCES)


def at(name: str, **rest: Any) -> dict[str, Any]:
    return {"url": f"storage://uploads/{name}", **rest}


def test_the_film_is_the_sum_of_its_clips_less_what_they_share() -> None:
    film = planned(
        {"url": "video", "start": 1, "end": 3.5, "transition": {"duration": 0.5}},
        {"url": "still", "end": 2},
        {"url": "silent", "transition": {"type": "cut"}},
        {"url": "silent", "transition": {"duration": 1}},
    )
    assert [p.frames for p in film.pieces] == [75, 60, 60, 60]
    assert [p.overlap for p in film.pieces] == [15, 0, 0, 0], "the last clip has nothing to fade to"
    assert (film.frames, film.duration) == (240, 8.0)


@given(
    lengths=st.lists(st.integers(15, 300), min_size=1, max_size=60),
    fade=st.integers(0, 5),
    fps=st.sampled_from([7, 23, 25, 30, 60]),
)
def test_roundings_never_add_up(lengths: list[int], fade: int, fps: int) -> None:
    clips = [
        {"url": "still", "end": hundredths / 100, "transition": {"duration": fade / 100} if fade else None}
        for hundredths in lengths
    ]
    film = planned(*clips, output={"fps": fps})
    shared = sum(p.overlap > 0 for p in film.pieces) * fade / 100
    clamped = sum(1 for p, q in pairwise(film.pieces) if p.overlap in (p.frames // 2, q.frames // 2))
    assert abs(film.frames - (sum(lengths) / 100 - shared) * fps) <= 0.5 + clamped + 1e-6
    assert all(p.overlap != 1 for p in film.pieces)


def test_an_end_a_little_past_the_file_is_its_end() -> None:
    assert planned({"url": "silent", "end": 2.09}).frames == 60


def test_a_crossfade_of_less_than_two_frames_is_a_cut() -> None:
    film = planned({"url": "silent", "transition": {"duration": 0.04}}, {"url": "silent"})
    assert film.pieces[0].overlap == 0


def test_a_clip_has_no_volume_when_it_is_muted_or_silent() -> None:
    film = planned({"url": "video", "volume": 0.5}, {"url": "video", "mute": True}, {"url": "silent"})
    assert [p.volume for p in film.pieces] == [0.5, 0, 0]


def test_a_clips_fit_wins_over_the_outputs() -> None:
    film = planned({"url": "video", "fit": "blur"}, {"url": "video"}, output={"fit": "cover"})
    assert [p.fit for p in film.pieces] == ["blur", "cover"]


@pytest.mark.parametrize(
    ("clips", "sentence"),
    [
        ([{"url": "video"}, {"url": "silent", "end": 2.2}], r"clips\[1\] ends at 2.20 s.*only 2.00 s long"),
        ([{"url": "video", "start": 10}], r"clips\[0\] starts at 10.00 s.*only 10.00 s long"),
        ([{"url": "video"}, {"url": "still"}], r"clips\[1\] is a still picture, so it needs an end"),
        ([{"url": "song"}], r"clips\[0\] is a sound without a picture"),
        ([{"url": "ribbon", "end": 1}], r"clips\[0\] is 9000×10 pixels"),
        (
            [{"url": "video", "transition": {"duration": 1.1}}, {"url": "silent"}],
            r"after clips\[0\] takes 1.10 s, which is more than half of clips\[1\] \(2.00 s\)",
        ),
        (
            [{"url": "silent", "transition": {"duration": 1.1}}, {"url": "video"}],
            r"more than half of clips\[0\]",
        ),
    ],
)
def test_what_the_files_cannot_give_is_refused_with_the_clips_index(clips: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(InvalidParams, match=sentence):
        planned(*clips)


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        (
            {"captions": [{"text": "a", "start": 0, "end": 1}, {"text": "b", "start": 1, "end": 2.2}]},
            r"captions\[1\] ends",
        ),
        ({"captions": [{"text": "a", "start": 5, "end": 6}]}, r"captions\[0\] ends at 6.00 s.*only 2.00 s long"),
        ({"voiceover": [at("song"), at("song", start=2)]}, r"voiceover\[1\] starts at 2.00 s"),
        ({"voiceover": [at("silent")]}, r"voiceover\[0\] has no sound"),
        ({"music": at("still")}, r"music has no sound"),
    ],
)
def test_what_lies_outside_the_film_or_has_no_sound_is_refused(rest: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidParams, match=sentence):
        planned({"url": "silent"}, **rest)


@st.composite
def many_pieces(draw: st.DrawFn) -> tuple[Piece, ...]:
    frames = draw(st.lists(st.integers(1, 60), min_size=1, max_size=40))
    most = [min(pair) // 2 for pair in pairwise(frames)]
    overlaps = [*(draw(st.integers(0, most_here)) for most_here in most), 0]
    return tuple(
        Piece(SOURCES["storage://uploads/video"], start=n * 100, frames=f, overlap=o, fit="contain", volume=1)
        for n, (f, o) in enumerate(zip(frames, overlaps, strict=True))
    )


def shown(pieces: tuple[Piece, ...]) -> list[tuple[float, ...]]:
    """For each frame of the film, the moments of the sources (times fps, exact) that it shows."""
    film: list[tuple[float, ...]] = []
    for n, piece in enumerate(pieces):
        shared = pieces[n - 1].overlap if n else 0
        own = [round(piece.start * 10) + k for k in range(piece.frames)]
        film = [*film[: len(film) - shared]] + [(*a, b) for a, b in zip(film[len(film) - shared :], own, strict=False)]
        film += [(b,) for b in own[shared:]]
    return film


@given(pieces=many_pieces(), limit=st.integers(1, 9))
def test_runs_show_the_same_film_and_join_by_cuts(pieces: tuple[Piece, ...], limit: int) -> None:
    runs = groups(pieces, fps=10, limit=limit)
    assert all(len(run) <= limit + 1 for run in runs)
    assert all(run[-1].overlap == 0 for run in runs)
    assert sum(length(run) for run in runs) == length(pieces)
    assert [frame for run in runs for frame in shown(run)] == shown(pieces)


@given(st.integers(1, 70))
def test_every_boundary_is_joined_once_and_in_order(count: int) -> None:
    piece = Piece(SOURCES["storage://uploads/video"], 0, 10, 0, "contain", 1)
    chains, whole = join((piece,) * count, lambda left: f"J{len(left)}")
    content = {f"[c{n}]": [n] for n in range(count)}
    for chain in chains:
        parts = re.fullmatch(r"(\[\w+\])(\[\w+\])(J\d+)(\[\w+\])", chain)
        assert parts
        before, after, joint, label = parts.groups()
        assert joint == f"J{len(content[before])}"
        content[label] = content.pop(before) + content.pop(after)
    assert content == {whole: list(range(count))}
