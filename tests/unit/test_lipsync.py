"""What lip-sync computes without torch: what is heard, who speaks, what is painted, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_worker.engines.lipsync.blend import feather
from gpu_worker.engines.lipsync.length import Span, in_order, wanted
from gpu_worker.engines.lipsync.mel import BINS, RATE, STEPS_A_SECOND, WIDTH, mel, windows
from gpu_worker.engines.lipsync.tracks import Boxes, cut_out, distinct, speaker
from gpu_worker.media.frames import Frame
from shared.job_types import SyncMode

# Of librosa 0.11.0 with Wav2Lip's settings, for `sound()`: bins 0, 7, 13, 22, 40, 61, 79 at some steps.
LIBROSA = {
    0: (-0.91986, 0.4138, 0.22486, 0.04528, -0.40576, -1.0465, -1.33604),
    1: (-1.47176, -0.06403, -0.26468, -0.409, -0.88511, -1.52552, -1.81501),
    40: (-4.0, -4.0, -4.0, -4.0, -4.0, -4.0, -4.0),
    80: (-0.29745, 0.43847, 0.33887, -0.35558, -0.54637, -0.1377, -1.08757),
}


def sound() -> NDArray[np.float32]:
    """A second of a tone and a sweep."""
    n = np.arange(RATE)
    tone = 0.5 * np.sin(2 * np.pi * 440 * n / RATE)
    return (tone + 0.25 * np.sin(2 * np.pi * (1000 + n / 8) * n / RATE)).astype(np.float32)


def test_the_mel_is_that_of_librosa() -> None:
    heard = mel(sound())
    assert heard.shape == (BINS, 81)
    for step, values in LIBROSA.items():
        assert heard[[0, 7, 13, 22, 40, 61, 79], step] == pytest.approx(values, abs=1e-4)


def test_a_long_sound_is_heard_as_its_parts_are() -> None:
    long = np.tile(sound(), 60)
    heard = mel(long)
    assert heard.shape == (BINS, 60 * STEPS_A_SECOND + 1)
    assert heard[:, 4081:4119] == pytest.approx(heard[:, 4001:4039], abs=1e-5), "across the seam of two blocks"


@pytest.mark.parametrize("samples", [0, 1, 300])
def test_hardly_any_sound_is_silence_around_it(samples: int) -> None:
    heard = windows(mel(np.zeros(samples, np.float32)), 25, range(3))
    assert heard.shape == (3, BINS, WIDTH)
    assert (heard == -4).all()


@pytest.mark.parametrize("fps", [12.5, 24000 / 1001, 25, 60, 120])
def test_a_frame_hears_the_fifth_of_a_second_from_its_own_time_on(fps: float) -> None:
    steps = np.arange(400, dtype=np.float32)
    heard = windows(np.tile(steps, (BINS, 1)), fps, range(round(5 * fps)))
    for n in (0, 1, round(2 * fps)):
        assert heard[n, 0].tolist() == list(range(int(n * 80 / fps), int(n * 80 / fps) + WIDTH))
    assert heard[-1, 0, -1] == 399, "at the end the last there is"
    assert (windows(np.tile(steps, (BINS, 1)), fps, range(3, 5)) == heard[3:5]).all()


def face(left: float, top: float, side: float, chance: float = 1.0) -> list[float]:
    return [left, top, left + side, top + side, chance]


def boxes(*faces: list[float]) -> Boxes:
    return np.array(faces, np.float32).reshape(-1, 5)


def test_of_boxes_on_one_face_the_likeliest_stays() -> None:
    found = distinct(boxes(face(0, 0, 100, 0.8), face(5, 5, 100, 0.9), face(300, 0, 50, 0.7)))
    assert found[:, 4].tolist() == pytest.approx([0.9, 0.7])


def test_the_largest_face_speaks_and_is_followed_though_another_grows() -> None:
    film = [boxes(face(10 + n, 10, 60), face(300, 10, 40 + 5 * n)) for n in range(10)]
    assert all(box is not None and box[0] < 40 for box in speaker(film, 25))


def test_the_chosen_face_speaks() -> None:
    film = [boxes(face(10, 10, 90), face(300, 10, 40))] * 3
    assert all(box is not None and box[0] == 300 for box in speaker(film, 25, near=(310, 60)))


def test_a_face_that_blinks_out_of_sight_is_where_its_neighbours_say_and_a_long_absence_is_one() -> None:
    film = [boxes(face(4 * n, 0, 100)) if n not in (10, 11) and n < 30 else boxes() for n in range(60)]
    spoken = speaker(film, 25)
    assert spoken[10] is not None
    assert spoken[10][0] == pytest.approx(4 * 12), "smoothed forward over five frames"
    assert [box is None for box in spoken] == [n >= 30 for n in range(60)]
    gone = speaker([film[0], *[boxes()] * 20, film[0]], 25)
    assert [n for n, box in enumerate(gone) if box is not None] == [0, 21]


def test_what_trembles_is_held_still_but_never_across_a_cut() -> None:
    film = [boxes(face(100 + 4 * (n % 2), 50, 80)) for n in range(20)] + [boxes(face(400, 50, 80))] * 20
    left = [box[0] for box in speaker(film, 25) if box is not None]
    assert np.ptp(left[:20]) < 1
    assert set(left[20:]) == {400.0}


def test_a_cut_out_is_in_the_frame_and_has_the_chin() -> None:
    assert cut_out(np.array([-5.0, 10.0, 55.0, 110.0], np.float32), (50, 300), 0.1) == (0, 10, 50, 120)
    assert cut_out(np.array([0.0, 0.0, 4.0, 4.0], np.float32), (50, 300), 0.1) is None


@given(st.integers(8, 400), st.integers(8, 400))
def test_the_paint_ends_softly_and_leaves_the_eyes(height: int, width: int) -> None:
    mask = feather(height, width)
    assert mask.shape == (height, width)
    assert (mask[: int(0.4 * height)] == 0).all()
    assert mask[round(0.75 * height), width // 2] > 0.95
    edges = np.concatenate([mask[-1], mask[:, 0], mask[:, -1]])
    assert edges.max() < 0.7
    assert 0 <= mask.min() <= mask.max() <= 1


@pytest.mark.parametrize(
    ("mode", "film", "sound", "sources", "spoken"),
    [
        ("loop", 3, 7, [0, 1, 2, 0, 1, 2, 0], 7),
        ("loop", 5, 2, [0, 1], 2),
        ("freeze", 3, 5, [0, 1, 2, 2, 2], 5),
        ("freeze", 3, 2, [0, 1], 2),
        ("cut_off", 3, 5, [0, 1, 2], 3),
        ("cut_off", 5, 2, [0, 1], 2),
        ("silence", 4, 2, [0, 1, 2, 3], 2),
        ("silence", 2, 4, [0, 1], 2),
        ("loop", 1, 3, [0, 0, 0], 3),
    ],
)
def test_how_long_it_is(mode: SyncMode, film: int, sound: int, sources: list[int], spoken: int) -> None:
    def read() -> Iterator[Frame]:
        for n in range(film):
            yield np.full((2, 2, 3), n, np.uint8)

    span = Span(film, sound, mode)
    made = []
    for source, frame in in_order(span, read):
        made.append((source, int(frame[0, 0, 0])))
        frame[:] = 255  # whoever gets a frame paints in it
    assert made == [(n, n) for n in sources]
    assert (span.made, span.spoken) == (len(sources), spoken)
    assert bool(span.says) == (film != sound)
    assert wanted(mode, sound) == (None if mode == "silence" else sound + 1)


def test_a_film_that_is_shorter_the_second_time_still_ends() -> None:
    reads = iter([3, 0])

    def read() -> Iterator[Frame]:
        for _ in range(next(reads)):
            yield np.zeros((2, 2, 3), np.uint8)

    assert len(list(in_order(Span(4, 9, "loop"), read))) == 3
