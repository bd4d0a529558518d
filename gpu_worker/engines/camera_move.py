"""IMG2VID without a GPU: a camera that pans, zooms or rotates over a picture.

Each frame is sampled between the picture's pixels. Sampling at about the frame's own resolution would be sharp on
whole pixels and soft between them, and so shimmer as the camera moves; the source keeps more pixels a side.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from gpu_worker.context import JobContext, Produced
from gpu_worker.media.frames import Frame, FrameEncoder
from gpu_worker.media.pictures import open_picture
from shared.job_types import Img2VidParams, Motion
from shared.timeline import frame_size

NAME = "camera_move"
_ZOOM = 0.5  # at full strength the view shrinks to 1 / 1.5
_TRAVEL = 0.4  # at full strength a pan crosses at least this part of the view ...
_TRAVEL_A_SECOND = 0.4  # ... and never more than this part in a second
_DEGREES = 24.0  # at full strength
_ABOVE = 1 / 3  # of the height that does not fit, how much is cut off above: faces are seldom in the lower half
_OVERSAMPLING = 1.7  # whole numbers would give every pixel of a frame the same rounding: the picture would tremble
_MOST_PIXELS = 100_000_000  # of the source that is kept: a long strip of a picture could be enlarged without end
_THREADS = 4


@dataclass(frozen=True)
class View:
    """What the camera sees: centre and width in pixels of the picture, turned by `angle` radians counterclockwise."""

    x: float
    y: float
    width: float
    angle: float = 0.0


@dataclass(frozen=True)
class Move:
    """From one view to another, easing in and out."""

    start: View
    end: View

    def at(self, t: float) -> View:
        """The view at `t` from 0 to 1. The zoom is even to the eye: each step multiplies the width by as much."""
        t = (1 - math.cos(math.pi * t)) / 2
        a, b = self.start, self.end
        width = math.exp((1 - t) * math.log(a.width) + t * math.log(b.width))
        # The centre keeps step with the width, so that a zoom has one point that stands still.
        part = t if a.width == b.width else (width - a.width) / (b.width - a.width)
        return View(a.x + (b.x - a.x) * part, a.y + (b.y - a.y) * part, width, a.angle + (b.angle - a.angle) * t)


def render(params: Img2VidParams, context: JobContext) -> Produced:
    """`video.mp4`: the picture under a moving camera.

    The camera goes where `motion` says: on `pan_left` the view moves left over the picture, which thus goes right.
    On `rotate` the picture turns clockwise. Raises MediaRefused for what is not a picture.
    """
    context.report("rendering", 0, "reading the picture")
    picture = open_picture(context.input(params.image_url))
    width, height = frame_size(params.resolution, params.aspect_ratio)
    total = max(2, round(params.duration * params.fps))
    move = plan(params.motion, params.strength, params.duration, picture.size, width / height)
    shot = Shot(picture, move, width, height)
    with FrameEncoder(context.workdir / "video.mp4", width, height, params.fps) as film:
        film.write_all(_ahead(shot, total), total, context.report)
    return Produced([film.produced()], _engine(params))


def _engine(params: Img2VidParams) -> dict[str, Any]:
    ignored = [name for name, value in (("prompt", params.prompt), ("seed", params.seed)) if value not in (None, "")]
    engine: dict[str, Any] = {"name": NAME, "device": "cpu", "motion": params.motion}
    return engine | ({"ignored": ignored} if ignored else {})


def plan(motion: Motion, strength: float, duration: float, size: tuple[int, int], aspect: float) -> Move:
    """The move over a picture of `size` for a frame of `aspect`: it covers the frame at every moment."""
    width, height = size
    widest = min(width, height * aspect)
    middle = View(width / 2, _level_of(widest / aspect, height), widest)
    match motion:
        case "zoom_in" | "zoom_out":
            near = widest / (1 + _ZOOM * strength)
            close = View(middle.x, _level_of(near / aspect, height), near)
            return Move(middle, close) if motion == "zoom_in" else Move(close, middle)
        case "pan_left" | "pan_right":
            view, travel = _travel(width, widest, strength, duration)
            left, right = (View(middle.x + side * travel / 2, middle.y, view) for side in (-1, 1))
            return Move(right, left) if motion == "pan_left" else Move(left, right)
        case "pan_up" | "pan_down":
            view, travel = _travel(height, widest / aspect, strength, duration)
            up, down = (View(middle.x, (height + side * travel) / 2, view * aspect) for side in (-1, 1))
            return Move(down, up) if motion == "pan_up" else Move(up, down)
        case "rotate":
            angle = math.radians(_DEGREES * strength) / 2
            cos, sin = math.cos(angle), math.sin(angle)
            inside = min(width / (cos + sin / aspect), height / (sin + cos / aspect))
            level = _level_of(inside * (sin + cos / aspect), height)
            return Move(View(middle.x, level, inside, -angle), View(middle.x, level, inside, angle))


def _level_of(tall: float, height: float) -> float:
    return tall / 2 + (height - tall) * _ABOVE


def _travel(length: float, widest: float, strength: float, duration: float) -> tuple[float, float]:
    """Along one axis the extent of the view and how far it goes: `strength` of what lies outside, or a closer view."""
    view = min(widest, length / (1 + _TRAVEL * strength))
    travel = max(strength * (length - view), _TRAVEL * strength * view)
    return view, min(travel, length - view, max(_TRAVEL * strength, _TRAVEL_A_SECOND * duration) * view)


class Shot:
    """A picture, made ready for one move and one frame size."""

    def __init__(self, picture: Image.Image, move: Move, width: int, height: int) -> None:
        self._move, self._size = move, (width, height)
        self._turns = move.start.angle != move.end.angle
        left, top, right, bottom = self._seen(picture.size)
        self._left, self._top = left, top
        # Of a zoom this is the middle: its two ends are off by no more than a fifth.
        scale = math.sqrt(move.start.width * move.end.width) / width
        seen = picture.crop((left, top, right, bottom))
        if self._turns and scale > 1:
            # The affine look below does not average what lies between two of its samples: take it out first.
            seen = _resized(seen, 1 / scale)
        fine = _OVERSAMPLING * (right - left) / scale / seen.width
        self._source = _resized(seen, min(fine, math.sqrt(_MOST_PIXELS / (seen.width * seen.height))))
        self._across, self._down = self._source.width / (right - left), self._source.height / (bottom - top)

    def frame(self, t: float) -> Frame:
        """The frame at `t` from 0 to 1 of the move."""
        view = self._move.at(t)
        return np.asarray(self._turned(view) if self._turns else self._level(view))

    def _level(self, view: View) -> Image.Image:
        tall = view.width * self._size[1] / self._size[0]
        left, top = view.x - self._left - view.width / 2, view.y - self._top - tall / 2
        right, bottom = (left + view.width) * self._across, (top + tall) * self._down
        # Rounding may leave a hair's breadth outside, which Pillow refuses.
        box = (max(0.0, left * self._across), max(0.0, top * self._down))
        corner = (min(right, self._source.width), min(bottom, self._source.height))
        return self._source.resize(self._size, Image.Resampling.HAMMING, (*box, *corner))

    def _turned(self, view: View) -> Image.Image:
        width, height = self._size
        cos, sin = (view.width / width * turn(view.angle) for turn in (math.cos, math.sin))
        x = view.x - self._left - cos * width / 2 - sin * height / 2
        y = view.y - self._top + sin * width / 2 - cos * height / 2
        across = (self._across * cos, self._across * sin, self._across * x)
        down = (-self._down * sin, self._down * cos, self._down * y)
        return self._source.transform(self._size, Image.Transform.AFFINE, (*across, *down), Image.Resampling.BILINEAR)

    def _seen(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """All that the camera will see, in whole pixels with room for the filters: the rest need not be kept."""
        boxes = [_bounds(view, self._size[1] / self._size[0]) for view in (self._move.start, self._move.end)]
        left, top = (max(0, math.floor(min(box[side] for box in boxes)) - 8) for side in (0, 1))
        right, bottom = (min(size[side], math.ceil(max(box[side + 2] for box in boxes)) + 8) for side in (0, 1))
        return left, top, right, bottom


def _resized(picture: Image.Image, factor: float) -> Image.Image:
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _bounds(view: View, tall: float) -> tuple[float, float, float, float]:
    cos, sin = abs(math.cos(view.angle)), abs(math.sin(view.angle))
    across, down = view.width * (cos + tall * sin) / 2, view.width * (sin + tall * cos) / 2
    return view.x - across, view.y - down, view.x + across, view.y + down


def _ahead(shot: Shot, total: int) -> Iterator[Frame]:
    """The frames in order, a few drawn ahead by other threads: Pillow leaves the interpreter free while it samples."""
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        waiting: deque[Future[Frame]] = deque()
        for number in range(total):
            waiting.append(pool.submit(shot.frame, number / (total - 1)))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
