"""The animatic's backdrop: a sky, drifting light and parallax ridges in a palette drawn from the prompt and the seed.

It is computed small and enlarged: everything in it is soft, so a quarter of the frame's sides is enough, and slow
moves stay sub-pixel smooth because nothing in it is ever placed on whole pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.media.frames import Frame

Field = NDArray[np.float32]
PERIOD = 8.0
"""Ridges repeat after this many of the frame's short sides."""


@dataclass(frozen=True)
class Mood:
    """A look: the hues of sky and horizon (OKLCH degrees), the sky's lightness, and the land, or None for any."""

    sky: float
    horizon: float
    light: float
    land: str | None = None


# A mood is taken when one of its words stands in the prompt; earlier ones win.
_MOODS = {
    r"night|midnight|moon|neon|cyber|space|star|galaxy|dream": Mood(280, 335, 0.36),
    r"sunset|sunrise|dusk|dawn|golden|autumn|fire|warm": Mood(325, 55, 0.58),
    r"horror|dark|storm|thunder|blood|ghost": Mood(300, 20, 0.34),
    r"snow|winter|ice|frost|arctic": Mood(250, 225, 0.74, "peaks"),
    r"ocean|sea|wave|beach|river|lake|boat|ship|underwater|island": Mood(240, 190, 0.62, "waves"),
    r"forest|tree|jungle|garden|grass|meadow|spring|leaf": Mood(190, 125, 0.64, "hills"),
    r"desert|sand|dune|mars|canyon": Mood(35, 75, 0.68, "hills"),
    r"city|street|tokyo|york|building|urban|rooftop|office|car|train": Mood(265, 345, 0.50, "city"),
    r"mountain|peak|alps|cliff|climb": Mood(245, 300, 0.62, "peaks"),
}
_ANY = [Mood(262, 35, 0.52), Mood(290, 0, 0.48), Mood(240, 80, 0.64), Mood(215, 165, 0.56), Mood(330, 50, 0.54)]
_ANY += [Mood(250, 205, 0.60), Mood(15, 65, 0.58), Mood(275, 320, 0.42)]
_LANDS = ("hills", "peaks", "waves")


def oklch(lightness: float, chroma: float, hue: float) -> Field:
    """sRGB 0-255 of an OKLCH colour, hue in degrees, clipped to what a screen shows.

    The matrices are Björn Ottosson's, https://bottosson.github.io/posts/oklab/.
    """
    a, b = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    mixed = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
    )
    cones = (mixed @ np.array([lightness, a, b])) ** 3
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.707614701],
        ]
    )
    linear = np.clip(to_linear @ cones, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(255 * encoded, dtype=np.float32)


class Camera(NamedTuple):
    """Where the scene is looked at from: sideways in short sides, up in heights, and how close (1 is the widest)."""

    x: float
    y: float
    zoom: float


@dataclass(frozen=True)
class _Ridge:
    profile: Field  # heights over one PERIOD
    depth: float  # 0 far, 1 near: how much of the camera's move it takes part in
    level: float  # its mean height in the frame, 0 top, 1 bottom
    speed: float  # of its own, in short sides per second
    top: Field  # colour at its edge ...
    base: Field  # ... and below, where the mist lies


class Scene:
    """The backdrop of one animatic; `frame` draws it at a moment."""

    def __init__(self, prompt: str, rng: np.random.Generator, width: int, height: int) -> None:
        self._size = (width, height)
        small = 4 if min(width, height) >= 480 else 2
        rows, columns, unit = -(-height // small), -(-width // small), min(width, height)
        self._v = ((np.arange(rows, dtype=np.float32) + 0.5) / np.float32(rows))[:, None]
        self._u = ((np.arange(columns, dtype=np.float32) + 0.5) / columns - 0.5) * np.float32(width / unit)
        self._tall = np.float32(height / unit)
        self._edge = np.float32(rows / 2.2)
        mood = _mood(prompt, rng)
        self.accent = oklch(0.90, 0.09, rng.uniform(45, 95))
        self._sky = _sky(self._v, mood)
        self._lights = [
            (oklch(mood.light + 0.14, 0.13, hue), rng.uniform(-1, 1, 4)) for hue in (mood.horizon, mood.sky)
        ]
        self._sun = (rng.uniform(-0.42, 0.42) * width / unit, rng.uniform(0.2, 0.38), rng.uniform(0.09, 0.16))
        self._ridges = _ridges(mood, rng, wall=1.1 * small / unit / PERIOD)
        # A still grain hides the steps of 8-bit gradients and costs the encoder nothing.
        self._grain = rng.integers(0, 4, (height, width, 1), dtype=np.uint8).repeat(3, axis=2)
        self._shade = (1 - 0.30 * np.clip((self._v - 0.35) / 0.65, 0, 1) ** 1.2).astype(np.float32)

    def frame(self, camera: Camera, time: float) -> Frame:
        """The backdrop `time` seconds in: a frame that the caller may draw on."""
        picture = np.repeat(self._sky, self._u.size, axis=2)
        self._draw_lights(picture, time)
        self._draw_sun(picture, camera)
        for ridge in self._ridges:
            self._draw_ridge(picture, ridge, camera, time)
        picture *= self._shade
        small = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)).astype(np.uint8))
        frame: Frame = np.array(small.resize(self._size, Image.Resampling.BILINEAR))
        frame += self._grain
        return frame

    def _draw_lights(self, picture: Field, time: float) -> None:
        for colour, (x, y, wander, phase) in self._lights:
            u = x * 0.8 + 0.18 * np.sin(0.25 * time + 3 * phase)
            v = 0.35 + 0.3 * y + 0.08 * np.sin(0.21 * time + 3 * wander)
            across, down = np.exp(-(((self._u - u) / 0.55) ** 2)), np.exp(-(((self._v - v) / 0.34) ** 2))
            _mix(picture, colour[:, None, None], (0.5 * across * down).astype(np.float32))

    def _draw_sun(self, picture: Field, camera: Camera) -> None:
        x, y, radius = self._sun
        # It wanders off one side and comes back on the other.
        span = 2 * float(self._u[-1]) + 8 * radius
        x = (x - 0.22 * camera.x + span / 2) % span - span / 2
        away = np.hypot(self._u - np.float32(x), (self._v - np.float32(y - 0.6 * camera.y)) * self._tall)
        glow = np.float32(0.35) * np.exp(-((away / np.float32(3.2 * radius)) ** 2))
        disc = np.float32(0.92) * np.clip((np.float32(radius) - away) * self._edge / self._tall, 0, 1)
        _mix(picture, self.accent[:, None, None], np.maximum(glow, disc))

    def _draw_ridge(self, picture: Field, ridge: _Ridge, camera: Camera, time: float) -> None:
        zoom = 1 + (camera.zoom - 1) * ridge.depth
        x = (self._u / zoom + camera.x * ridge.depth + ridge.speed * time) % PERIOD
        heights = np.interp(x, np.linspace(0, PERIOD, ridge.profile.size), ridge.profile)
        edge = (0.5 + (ridge.level - 0.5 + heights - camera.y * ridge.depth) * zoom).astype(np.float32)
        first = max(0, int((edge.min() - 0.02) * self._v.size))
        below = self._v[first:] - edge
        mist = np.clip((self._v[first:] - np.float32(edge.mean())) / 0.3, 0, 1)
        colour = ridge.top[:, None, None] + (ridge.base - ridge.top)[:, None, None] * mist
        _mix(picture[:, first:], colour, np.clip(below * self._edge + 0.5, 0, 1))


def _mix(picture: Field, colour: Field, alpha: Field) -> None:
    picture += (colour - picture) * alpha


def _mood(prompt: str, rng: np.random.Generator) -> Mood:
    turn, any_mood, any_land = rng.uniform(-12, 12), _ANY[rng.integers(len(_ANY))], _LANDS[rng.integers(len(_LANDS))]
    hits = [mood for words, mood in _MOODS.items() if re.search(rf"\b(?:{words})(?:e?s|y)?\b", prompt, re.IGNORECASE)]
    mood = (hits or [any_mood])[0]
    land = next((hit.land for hit in hits if hit.land), any_land)
    return Mood(mood.sky + turn, mood.horizon + turn, mood.light, land)


def _sky(v: Field, mood: Mood) -> Field:
    top, low = oklch(mood.light - 0.14, 0.10, mood.sky), oklch(mood.light + 0.16, 0.10, mood.horizon)
    return np.asarray(top[:, None, None] + (low - top)[:, None, None] * (v / 0.75) ** 1.2, dtype=np.float32)


def _ridges(mood: Mood, rng: np.random.Generator, wall: float) -> list[_Ridge]:
    ridges, turn = [], (mood.horizon - mood.sky + 180) % 360 - 180
    for near in (0.0, 0.33, 0.66, 1.0):
        far, hue = 1 - near, mood.sky + turn * (1 - near)
        top = oklch(mood.light * far + 0.23 * near, 0.085 - 0.03 * near, hue)
        base = oklch((mood.light + 0.12) * far + 0.17 * near, 0.085 - 0.04 * near, hue + 0.1 * turn)
        speed = rng.uniform(-1, 1) * 0.06 * (0.4 + near) if mood.land == "waves" else 0.0
        ridges.append(
            _Ridge(_profile(mood.land, near, rng, wall), 0.12 + 0.88 * near, 0.5 + 0.3 * near, speed, top, base)
        )
    return ridges


def _profile(land: str | None, near: float, rng: np.random.Generator, wall: float) -> Field:
    x, amplitude = np.linspace(0, 1, 16385), 1.15 - 0.5 * near
    if land == "city":
        return np.asarray(0.1 * amplitude * _towers(x, rng, wall), dtype=np.float32)
    total = np.zeros_like(x)
    for octave in range(5 if land == "peaks" else 3):
        at = x * int(rng.integers(4, 8)) * 2**octave + rng.uniform(0, 1)
        total += (4 * np.abs(at % 1 - 0.5) - 1 if land == "peaks" else np.sin(2 * np.pi * at)) / 2.1**octave
    return np.asarray({"hills": 0.055, "peaks": 0.10}.get(str(land), 0.02) * amplitude * total, dtype=np.float32)


def _towers(x: NDArray[np.float64], rng: np.random.Generator, wall: float) -> NDArray[np.float64]:
    # Walls lean by one small column, or they would jump from column to column as the camera moves.
    edges = np.sort(rng.uniform(0, 1, 90))
    roofs = rng.uniform(-1, 0.6, 90)
    corners = np.stack([edges, edges + wall], axis=1).ravel()
    return np.asarray(np.interp(x, corners, np.stack([np.roll(roofs, 1), roofs], axis=1).ravel()))
