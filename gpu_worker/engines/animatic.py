"""RENDER without a GPU or weights: a storyboard animatic of the prompt. It stands in for a film and says so."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines.animatic_scene import Camera, Scene
from gpu_worker.engines.animatic_text import Stamp, beats, typeset
from gpu_worker.engines.typeface import Mask, Typeface, drawable, is_right_to_left, undrawable
from gpu_worker.media.frames import Frame, FrameEncoder
from shared.job_types import RenderParams
from shared.timeline import frame_size

NAME = "animatic"
FPS = 24
_PAPER = np.array([250, 246, 238], dtype=np.float32)


def render(params: RenderParams, context: JobContext) -> Produced:
    """`video.mp4`: the prompt, beat by beat, at 24 frames per second; the same seed draws the same frames."""
    seed = secrets.randbelow(2**32) if params.seed is None else params.seed
    width, height = frame_size(params.resolution, params.aspect_ratio)
    total = max(1, round(params.duration * FPS))
    context.report("rendering", 0, "drawing the storyboard")
    board = Storyboard(params.prompt, seed, width, height, total / FPS)
    with FrameEncoder(context.workdir / "video.mp4", width, height, FPS) as film:
        film.write_all(board.frames(total), total, context.report)
    return Produced([film.produced()], _engine(params, seed))


def _engine(params: RenderParams, seed: int) -> dict[str, Any]:
    engine: dict[str, Any] = {"name": NAME, "device": "cpu", "seed": seed}
    if params.model is None:
        engine["fallback_for"] = "cogvideox-5b"
        engine["reason"] = "This worker has no GPU or weights for a video model, so the prompt is shown as an animatic."
    given = {"negative_prompt": params.negative_prompt, "steps": params.steps, "guidance": params.guidance}
    if ignored := [name for name, value in given.items() if value not in (None, "")]:
        engine["ignored"] = ignored
    if undrawn := undrawable(params.prompt):
        engine["undrawn"] = undrawn
    return engine


@dataclass(frozen=True)
class _Shot:
    start: float
    end: float
    camera: Camera
    label: Stamp
    lines: list[Stamp]
    at: list[tuple[int, int]]  # where each line comes to rest


class Storyboard:
    """The shots of a prompt; `frames` draws them."""

    def __init__(self, prompt: str, seed: int, width: int, height: int, duration: float) -> None:
        self._size, self._duration = (width, height), duration
        self._unit = min(width, height)
        self._margin = round(0.075 * self._unit)
        self._small = Typeface(max(9, round(0.025 * self._unit)))
        rng = np.random.default_rng([seed, zlib.crc32(prompt.encode())])
        self._scene = Scene(prompt, rng, width, height)
        self._shots = self._plan(beats(drawable(prompt), duration) or [""], rng)
        self._corners = _corner_marks(self._unit)
        self._mark = Stamp(_pill(NAME, self._small.size), _PAPER)

    def frames(self, total: int) -> Iterator[Frame]:
        """`total` frames from the first moment to the last."""
        for number in range(total):
            yield self._frame(number * self._duration / total)

    def _plan(self, texts: list[str], rng: np.random.Generator) -> list[_Shot]:
        weights = np.cumsum([0] + [14 + len(text) for text in texts])
        ends = self._duration * weights / weights[-1]
        shots, x = [], 0.0
        for number, text in enumerate(texts):
            camera = Camera(x, (-1) ** number * rng.uniform(0.02, 0.12), rng.uniform(1.0, 1.2) + 0.4 * (number % 2))
            x += rng.uniform(0.7, 1.0)
            label = Stamp(_spaced(f"SHOT {number + 1:02d} / {len(texts):02d}", self._small), _PAPER)
            lines, at = self._typeset(text)
            shots.append(_Shot(ends[number], ends[number + 1], camera, label, lines, at))
        return shots

    def _typeset(self, text: str) -> tuple[list[Stamp], list[tuple[int, int]]]:
        width, height = self._size
        room = min(width - 2 * self._margin, round(1.7 * self._unit))
        largest, smallest = round(0.1 * self._unit), max(10, round(0.034 * self._unit))
        lines = typeset(text, room, round(0.5 * height), largest, smallest)
        face = lines[0][1]
        lefts = [
            width - self._margin - round(face.width(line)) if is_right_to_left(line) else self._margin
            for line, face in lines
        ]
        top = height - round(1.5 * self._margin) - len(lines) * face.line_height
        places = [(left, top + row * face.line_height) for row, left in enumerate(lefts)]
        return [Stamp(face.line(line), _PAPER) for line, face in lines], places

    def _frame(self, time: float) -> Frame:
        index = next(index for index, shot in enumerate(self._shots) if time < shot.end or shot is self._shots[-1])
        frame = self._scene.frame(self._camera(index, time), time)
        self._draw_furniture(frame, index, time)
        _draw_words(frame, self._shots[index], time, last=index == len(self._shots) - 1)
        return frame

    def _camera(self, index: int, time: float) -> Camera:
        """The shot's own place, reached by an eased move from the one before; never quite at rest."""
        here = self._shots[index]
        before = self._shots[max(0, index - 1)].camera
        done = _ease((time - here.start) / min(1.2, 0.7 * (here.end - here.start))) if index else 1.0
        x, y, zoom = (old + (new - old) * done for old, new in zip(before, here.camera, strict=True))
        return Camera(x + 0.04 * time, y, zoom + 0.008 * time)

    def _draw_furniture(self, frame: Frame, index: int, time: float) -> None:
        width, height = self._size
        inset = self._margin // 2
        for stamp, right, bottom in self._corners:
            x = width - inset - stamp.width if right else inset
            stamp.lay(frame, x, height - inset - stamp.height if bottom else inset, 0.7)
        self._shots[index].label.lay(frame, self._margin, self._margin, 0.95)
        middle = self._margin + round(0.59 * self._small.size - self._mark.height / 2)
        self._mark.lay(frame, width - self._margin - self._mark.width, middle, 0.85)
        self._draw_progress(frame, time)

    def _draw_progress(self, frame: Frame, time: float) -> None:
        width, height = self._size
        thick, gap = max(1, self._unit // 240), max(2, self._unit // 90)
        y, span = height - self._margin, width - 2 * self._margin
        for shot in self._shots:
            left = self._margin + round(span * shot.start / self._duration)
            right = max(left + 1, self._margin + round(span * shot.end / self._duration) - gap)
            done = left + round((right - left) * min(1, max(0, (time - shot.start) / (shot.end - shot.start))))
            bar = frame[y : y + thick, left:right]
            bar += (255 - bar) // 4
            frame[y : y + thick, left:done] = self._scene.accent


def _draw_words(frame: Frame, shot: _Shot, time: float, last: bool) -> None:
    pace = min(1.0, (shot.end - shot.start) / 1.6)
    leaving = 1.0 if last else _ease((shot.end - time) / (0.25 * pace))
    for row, (stamp, (x, y)) in enumerate(zip(shot.lines, shot.at, strict=True)):
        arriving = _ease_out((time - shot.start - pace * (0.1 + 0.09 * row)) / (0.6 * pace))
        stamp.lay(frame, x, y + (1 - arriving) * 0.5 * stamp.height, arriving * leaving)


def _ease(t: float) -> float:
    t = min(1.0, max(0.0, t))
    return t * t * t * (t * (6 * t - 15) + 10)


def _ease_out(t: float) -> float:
    return 1 - (1 - min(1.0, max(0.0, t))) ** 3


def _spaced(text: str, face: Typeface) -> Mask:
    """Small capitals want air: one letter after the other with a tenth of the size between."""
    letters = [face.line(letter)[:, : round(face.width(letter) + 0.1 * face.size)] for letter in text]
    return np.concatenate(letters, axis=1)


def _pill(text: str, size: int) -> Mask:
    """`text` in a rounded outline, drawn four times as large and reduced for clean curves."""
    word = Typeface(4 * size).line(text)
    height, width = 8 * size, word.shape[1] + 4 * size
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).rounded_rectangle(
        (2, 2, width - 3, height - 3), height // 2, outline=255, width=max(4, size // 3)
    )
    image.paste(255, (2 * size + size // 2, round(1.65 * size)), Image.fromarray(word))
    return np.asarray(image.reduce(4))


def _corner_marks(unit: int) -> list[tuple[Stamp, bool, bool]]:
    """The four corners of a storyboard frame: the stamp, whether it sits right, whether at the bottom."""
    length, thick = round(0.03 * unit), max(1, unit // 400)
    corner = np.zeros((length, length), dtype=np.uint8)
    corner[:thick], corner[:, :thick] = 255, 255
    return [
        (Stamp(corner[:: -1 if bottom else 1, :: -1 if right else 1], _PAPER), right, bottom)
        for right in (False, True)
        for bottom in (False, True)
    ]
