"""The animatic's frames: seeded, of the exact size, with the words of any prompt on them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gpu_worker.engines.animatic import Storyboard
from gpu_worker.engines.animatic_scene import Camera, Scene
from gpu_worker.engines.animatic_text import Stamp, beats, typeset
from gpu_worker.engines.typeface import Typeface, drawable, is_right_to_left, undrawable
from gpu_worker.media.frames import Frame
from shared.timeline import AspectRatio, Resolution, frame_size

PROMPT = "A keeper climbs the stairs at dusk. She strikes a match, and the whole bay turns gold."


def frames(prompt: str, seed: int, width: int = 426, height: int = 240, duration: float = 2.0) -> list[Frame]:
    return list(Storyboard(prompt, seed, width, height, duration).frames(round(duration * 6)))


def test_the_same_seed_draws_the_same_frames() -> None:
    once, again = frames(PROMPT, 7), frames(PROMPT, 7)
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


@pytest.mark.parametrize(("prompt", "seed"), [(PROMPT, 8), ("A city at night.", 7)])
def test_another_seed_or_prompt_draws_another_film(prompt: str, seed: int) -> None:
    assert np.abs(frames(prompt, seed)[0].astype(int) - frames(PROMPT, 7)[0]).mean() > 5


def test_the_look_depends_on_the_prompt_even_without_a_word_it_knows() -> None:
    skies = [frames(prompt, 7)[0][80:120].astype(int) for prompt in ("One thought", "Another idea")]
    assert np.abs(skies[1] - skies[0]).mean() > 2


def test_every_frame_moves_but_none_jumps() -> None:
    steps = [np.abs(np.diff(pair, axis=0)).mean() for pair in _pairs(frames("One quiet thought", 3, duration=4.0))]
    assert min(steps) > 0
    assert max(steps) < 12


def _pairs(film: list[Frame]) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int16]]]:
    return [np.stack([a, b]).astype(np.int16) for a, b in pairwise(film)]


def test_the_land_slides_less_than_a_pixel_a_frame_without_ticking() -> None:
    scene = Scene("quiet hills", np.random.default_rng(1), 640, 360)
    film = [scene.frame(Camera(0.0005 * number, 0, 1), 0)[:, 320].astype(int) for number in range(24)]
    changes = [np.abs(b - a).sum() for a, b in pairwise(film)]
    assert min(changes) > 0


@pytest.mark.parametrize("aspect", ["16:9", "9:16", "1:1", "21:9", "3:4"])
@pytest.mark.parametrize("resolution", ["240p", "480p"])
def test_any_size_is_exact(resolution: Resolution, aspect: AspectRatio) -> None:
    width, height = frame_size(resolution, aspect)
    film = frames(PROMPT, 1, width, height, duration=0.5)
    assert {frame.shape for frame in film} == {(height, width, 3)}


@pytest.mark.parametrize(
    "prompt",
    [
        "word " * 400,
        "a" * 2000,
        "\n\n\n",
        "😀😀😀",
        "中文",
        "שלום עולם, זה סרט",
        "القمر فوق الجبل",
        "\x00\x1b[31m\u202e",
        "a, " * 600,
    ],
)
@pytest.mark.parametrize("duration", [0.5, 60.0])
def test_any_prompt_gives_a_film(prompt: str, duration: float) -> None:
    board = Storyboard(prompt, 1, 240, 426, duration)
    assert all(frame.shape == (426, 240, 3) for frame in board.frames(3))


def test_beats_keep_every_word_in_order() -> None:
    assert " ".join(beats(PROMPT, 6.0)) == PROMPT


def test_beats_are_phrases_and_no_more_than_there_is_time_for() -> None:
    assert beats(PROMPT, 6.0) == [
        "A keeper climbs the stairs at dusk.",
        "She strikes a match,",
        "and the whole bay turns gold.",
    ]
    assert len(beats(PROMPT, 3.0)) == 2
    assert beats(PROMPT, 0.5) == [PROMPT]


def test_words_are_not_broken_while_a_smaller_size_keeps_them_whole() -> None:
    lines = typeset("Extraordinary congratulations", 300, 400, 80, 20)
    assert [line for line, _ in lines] == ["Extraordinary", "congratulations"]
    assert all(face.width(line) <= 300 for line, face in lines)


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    lines = typeset("word " * 300, 200, 100, 40, 20)
    assert lines[-1][0].endswith("word…")
    assert len(lines) * lines[0][1].line_height <= 100


def test_characters_without_a_glyph_are_left_out_and_named() -> None:
    assert drawable("Sun 😀 rises\n中 and\tsets\x00") == "Sun rises\nand sets"
    assert undrawable("Sun 😀😀 rises\n中") == "😀中"


@pytest.mark.parametrize("heavy_word_first", ["שששש י", "שששש, י, י"])
def test_right_to_left_lines_read_from_the_right(heavy_word_first: str) -> None:
    face = Typeface(40)
    ink = face.line(heavy_word_first).astype(float).sum(axis=0)
    assert is_right_to_left(heavy_word_first)
    assert (ink * np.arange(ink.size)).sum() / ink.sum() > 0.52 * face.width(heavy_word_first)


def test_arabic_letters_join() -> None:
    face = Typeface(40)
    apart = sum(face.width(letter) for letter in "قمر")
    assert face.width("قمر") < 0.9 * apart


def test_arabic_letters_join_across_their_vowel_signs() -> None:
    face = Typeface(40)
    assert face.width("مُحَمَّد") == pytest.approx(face.width("محمد"), abs=1)


@pytest.mark.parametrize(
    ("line", "leftmost"),
    [
        ("سنة 1999", "1999"),
        ("العدد ٣٫١٤", "٣٫١٤"),
        ("שלום 12:30", "12:30"),
        ("שלום, 5%", "5%"),
        ("שלום (עולם)", "("),
        ("«שלום»", "«"),
        ("שלום Hello, World", "Hello, World"),
        ("Hello שלום, עולם", "Hello"),
    ],
)
def test_what_stands_at_the_left_of_a_mixed_line(line: str, leftmost: str) -> None:
    face = Typeface(40)
    width = int(face.width(leftmost)) - 2
    seen, expected = face.line(line)[:, 1:width], face.line(leftmost)[:, 1:width]
    assert np.abs(seen.astype(int) - expected).mean() < 5


def test_a_stamp_blends_between_rows_and_stays_inside_the_frame() -> None:
    stamp = Stamp(np.full((4, 4), 255, np.uint8), np.array([255.0, 255, 255], np.float32))
    frame = np.zeros((10, 10, 3), np.uint8)
    stamp.lay(frame, 2, 3.5)
    assert [int(value) for value in frame[2:9, 3, 0]] == [0, 127, 255, 255, 255, 127, 0]
    stamp.lay(frame, 2, 8)
    stamp.lay(frame, 2, -3)
    stamp.lay(frame, 2, 40)
    assert frame[0, 3, 0] == frame[9, 3, 0] == 255


def test_a_faint_stamp_never_darkens() -> None:
    stamp = Stamp(Typeface(40).line("Hello"), np.array([250.0, 246, 238], np.float32))
    for opacity in (0.01, 0.1, 0.5):
        frame = np.full((80, 300, 3), 90, np.uint8)
        stamp.lay(frame, 5, 7.3, opacity)
        assert frame.min() == 90
        assert frame.max() > 90 or opacity == 0.01
