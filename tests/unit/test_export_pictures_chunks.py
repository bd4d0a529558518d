"""Chunks: every frame of the film once, no cut inside a transition, bounded in sources and in seconds."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_worker.media.probe import MediaInfo
from gpu_worker.timeline.film import Chunk, Film, Layer, Shot, Source
from gpu_worker.timeline.pictures import chunks, cost
from gpu_worker.timeline.pictures.footage import stretch
from gpu_worker.timeline.pictures.spans import laid_out
from shared.timeline import Clip, Overlay

URL = "storage://uploads/a.mp4"
HD = Source(Path("/in/a.mp4"), MediaInfo("video", "mov", 60.0, 1920, 1080, 30.0, video_stream=0, video_codec="h264"))
UHD = replace(HD, media=replace(HD.media, width=3840, height=2160))
STILL = Source(Path("/in/a.png"), MediaInfo("image", "png_pipe", width=640, height=480, video_stream=0))


def film(*shots: Shot, fps: int = 30, layers: tuple[Layer, ...] = ()) -> Film:
    return Film(1280, 720, fps, shots, layers)


def shot(frames: int, overlap: int = 0, source: Source | None = HD, *, reverse: bool = False) -> Shot:
    return Shot(source, Clip(url=URL, reverse=reverse), 0.0, frames / 30, frames, overlap)


def lengths(made: list[Chunk]) -> list[int]:
    return [chunk.frames for chunk in made]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(2, 400), st.integers(0, 60), st.booleans()), min_size=1, max_size=12),
    st.sampled_from([1.0, 4.0, 30.0]),
    st.sampled_from([1, 24, 30, 60]),
)
def test_chunks_show_every_frame_once_and_cut_no_transition(
    parts: list[tuple[int, int, bool]], limit: float, fps: int
) -> None:
    frames = [part[0] for part in parts]
    overlaps = [
        min(wish, one // 2, two // 2) for (one, two), (_, wish, _) in zip(pairwise(frames), parts, strict=False)
    ]
    whole = film(
        *(
            shot(one, overlap, reverse=part[2])
            for one, overlap, part in zip(frames, [*overlaps, 0], parts, strict=True)
        ),
        fps=fps,
    )
    made = chunks(whole, limit, 5)
    assert [chunk.first for chunk in made] == [sum(lengths(made)[:n]) for n in range(len(made))]
    assert sum(lengths(made)) == whole.frames
    shown = [
        (id(piece.shot), frame)
        for c in made
        for piece in c.pieces
        for frame in range(piece.first, piece.first + piece.frames)
    ]
    assert len(shown) == len(set(shown)) == sum(frames)
    for before, after in pairwise(laid_out(whole.shots)):
        assert not any(after.start < chunk.first < before.end for chunk in made)


def test_a_long_clip_becomes_equal_chunks() -> None:
    assert lengths(chunks(film(shot(300_000)))) == [600] * 500


def test_a_chunk_ends_where_the_film_cuts_when_that_is_near() -> None:
    assert lengths(chunks(film(shot(500), shot(700)))) == [500, 700]


def test_many_clips_share_a_chunk_up_to_the_limit() -> None:
    made = chunks(film(*[shot(90, 15)] * 199, shot(90)), limit=4)
    assert max(len(chunk.pieces) for chunk in made) == 4
    assert min(lengths(made)[:-1]) >= 60


def test_chunks_of_short_clips_get_shorter_rather_than_heavier() -> None:
    mixed = [shot(30, 9, source) for source in (HD, HD, UHD)] * 20
    made = chunks(film(*mixed))
    assert max(len(chunk.pieces) for chunk in made) == 2
    assert min(lengths(made)[:-1]) >= 15


def test_a_film_that_is_heavy_all_over_is_not_cut_up_for_that() -> None:
    layers = (Layer(0, 3600, UHD, Overlay(url=URL)),) * 2
    assert min(lengths(chunks(film(shot(3600, source=UHD), layers=layers)))) >= 600


def test_larger_sources_and_overlays_count_too() -> None:
    def pieces(whole: Film) -> int:
        return max(len(chunk.pieces) for chunk in chunks(whole, limit=4))

    plain = [shot(90)] * 40
    layer = Layer(0, 3600, HD, Overlay(url=URL))
    assert pieces(film(*plain)) == 4
    assert pieces(film(*plain, layers=(layer,))) == 3
    assert pieces(film(*[shot(90, source=UHD)] * 40)) == 2
    assert pieces(film(*[shot(30, source=STILL)] * 200)) == 16


def test_a_chunk_costs_more_the_longer_it_is_and_the_larger_its_sources_are() -> None:
    def of(*shots: Shot) -> float:
        return sum(cost(chunk) for chunk in chunks(film(*shots), limit=4))

    assert of(shot(90, source=None)) < of(shot(90, source=STILL)) < of(shot(90)) < of(shot(90, source=UHD))
    assert of(shot(180)) == 2 * of(shot(90))


def test_a_reversed_shot_comes_in_pieces_that_fit_into_memory() -> None:
    made = chunks(film(shot(600, reverse=True)))
    pieces = [piece for chunk in made for piece in chunk.pieces]
    assert max(piece.frames for piece in pieces) * 1280 * 720 * 3 // 2 <= 64_000_000
    assert sum(piece.frames for piece in pieces) == 600


def test_a_reversed_shot_is_read_from_its_end_and_a_held_frame_once() -> None:
    backwards = shot(100, reverse=True)
    assert (stretch(backwards, 0, 10).first, stretch(backwards, 90, 10).first) == (90, 0)
    held = replace(shot(100), hold_at=40, held=30)
    before, inside, across = stretch(held, 0, 40), stretch(held, 45, 10), stretch(held, 30, 50)
    assert (before.first, before.frames, before.extra) == (0, 40, 0)
    assert (inside.first, inside.frames, inside.extra) == (40, 1, 9)
    assert (across.first, across.frames, across.hold, across.extra) == (30, 20, 10, 30)


def test_a_shot_that_ends_in_a_freeze_holds_its_last_moving_frame() -> None:
    held = replace(shot(100), hold_at=70, held=30)
    assert (stretch(held, 80, 20).first, stretch(held, 80, 20).frames) == (69, 1)
