"""The camera over a picture: where it goes, how evenly, and that it never leaves the picture."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.engines.camera_move import Move, Shot, plan
from gpu_worker.media.frames import Frame
from shared.job_types import Motion

WIDTH, HEIGHT = 320, 180
ASPECT = WIDTH / HEIGHT
MOTIONS: tuple[Motion, ...] = get_args(Motion)


def dots(size: tuple[int, int], *places: tuple[float, float], radius: float = 30) -> Image.Image:
    """Soft white dots on black; a soft dot's centre of mass is known to a hundredth of a pixel."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    light = sum(np.exp(-((x - left) ** 2 + (y - top) ** 2) / radius**2) for left, top in places)
    grey = np.clip(255 * np.asarray(light), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def centre(frame: Frame) -> NDArray[np.float64]:
    light = frame[..., 0].astype(float)
    x, y = np.meshgrid(np.arange(frame.shape[1]) + 0.5, np.arange(frame.shape[0]) + 0.5)
    return np.array([(light * x).sum() / light.sum(), (light * y).sum() / light.sum()])


def shoot(picture: Image.Image, motion: Motion, count: int, strength: float = 0.5) -> list[Frame]:
    shot = Shot(picture, plan(motion, strength, 5.0, picture.size, ASPECT), WIDTH, HEIGHT)
    return [shot.frame(number / (count - 1)) for number in range(count)]


@pytest.mark.parametrize(
    ("motion", "content_goes"),
    [("pan_left", (1, 0)), ("pan_right", (-1, 0)), ("pan_up", (0, 1)), ("pan_down", (0, -1))],
)
def test_the_camera_pans_the_way_it_is_told(motion: Motion, content_goes: tuple[int, int]) -> None:
    film = shoot(dots((1600, 1200), (800, 600)), motion, 2)
    moved = centre(film[1]) - centre(film[0])
    assert (moved * content_goes).sum() > 30
    assert np.abs(moved[::-1] * content_goes).sum() < 0.05


@pytest.mark.parametrize("motion", ["pan_left", "pan_right", "pan_up", "pan_down"])
def test_a_pan_is_smooth_below_the_pixel(motion: Motion) -> None:
    picture = dots((1600, 1200), (800, 600), radius=60)
    move = plan(motion, 0.5, 5.0, picture.size, ASPECT)
    shot, times = Shot(picture, move, WIDTH, HEIGHT), np.linspace(0, 1, 40)
    seen = np.array([centre(shot.frame(t)) for t in times])
    assert np.abs(seen - np.array([_should_be(move, t) for t in times])).max() < 0.02


def _should_be(move: Move, t: float) -> tuple[float, float]:
    view = move.at(t)
    scale = WIDTH / view.width
    return (800 - view.x) * scale + WIDTH / 2, (600 - view.y) * scale + HEIGHT / 2


@pytest.mark.parametrize("motion", ["pan_left", "zoom_in", "rotate"])
@pytest.mark.parametrize("pixels", [(320, 240), (1600, 1200)])
def test_fine_detail_does_not_shimmer(motion: Motion, pixels: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (pixels[1], pixels[0]), dtype=np.uint8)
    picture = Image.fromarray(noise).convert("RGB")
    shot = Shot(picture, plan(motion, 0.25, 5.0, picture.size, ASPECT), WIDTH, HEIGHT)
    detail = [np.abs(np.diff(shot.frame(t)[..., 0].astype(float), axis=1)).mean() for t in np.linspace(0.3, 0.4, 30)]
    assert np.abs(np.diff(detail)).max() < 0.01 * np.mean(detail)


def test_zoom_in_brings_things_apart_evenly_and_zoom_out_undoes_it() -> None:
    picture = dots((1600, 900), (700, 450), (900, 450), radius=20)
    closer = [_spread(frame) for frame in shoot(picture, "zoom_in", 9)]
    assert closer[-1] / closer[0] == pytest.approx(1.25, abs=0.005)
    assert np.diff(closer).min() > 0
    assert closer[4] == pytest.approx((closer[0] * closer[-1]) ** 0.5, rel=0.005)
    assert [_spread(frame) for frame in shoot(picture, "zoom_out", 9)] == pytest.approx(closer[::-1], rel=0.005)


def _spread(frame: Frame) -> float:
    half = frame.shape[1] // 2
    return float(half + centre(frame[:, half:])[0] - centre(frame[:, :half])[0])


def test_rotate_turns_the_picture_clockwise_at_one_size() -> None:
    picture = dots((1600, 900), (500, 450), (1100, 450), radius=20)
    first, last = shoot(picture, "rotate", 2)
    assert _tilt(first) == pytest.approx(-6, abs=0.1)
    assert _tilt(last) == pytest.approx(6, abs=0.1)


def _tilt(frame: Frame) -> float:
    half = frame.shape[1] // 2
    left, right = centre(frame[:, :half]), centre(frame[:, half:])
    return float(np.degrees(np.arctan2(right[1] - left[1], half + right[0] - left[0])))


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_move_eases_in_and_out(motion: Motion) -> None:
    move = plan(motion, 0.5, 5.0, (1600, 1200), ASPECT)
    views = np.array([[v.x, v.y, v.width, v.angle] for v in (move.at(t) for t in np.linspace(0, 1, 21))])
    speed = np.abs(np.diff(views, axis=0)).sum(axis=1)
    assert speed[0] < 0.2 * speed[10]
    assert speed[-1] < 0.2 * speed[10]


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("size", [(1600, 900), (300, 2000), (3000, 200), (16, 16), (517, 389)])
@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_no_black_corner_at_any_moment(motion: Motion, size: tuple[int, int], strength: float) -> None:
    white = Image.new("RGB", size, "white")
    for frame in shoot(white, motion, 5, strength):
        assert frame.shape == (HEIGHT, WIDTH, 3)
        assert frame.min() >= 254


def test_nothing_is_stretched() -> None:
    frame = shoot(dots((900, 1600), (450, 700), radius=80), "zoom_in", 2)[0][..., 0].astype(float)
    x, y = (np.arange(frame.shape[axis]) for axis in (1, 0))
    middle = centre(frame[..., None]) - 0.5
    across = (frame * (x - middle[0]) ** 2).sum()
    down = (frame * (y[:, None] - middle[1]) ** 2).sum()
    assert across == pytest.approx(down, rel=0.02)


def test_more_strength_goes_further() -> None:
    ends = [plan("pan_left", strength, 5.0, (1600, 900), ASPECT) for strength in (0.2, 0.6, 1.0)]
    travels = [(move.start.x - move.end.x) / move.start.width for move in ends]
    assert travels == pytest.approx([0.08, 0.24, 0.4], rel=0.01)
