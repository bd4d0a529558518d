"""What is said while a model denoises: the step, its pace, the time left, and now and then a small picture."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
from PIL import Image

from gpu_worker.context import Preview, Report

PREVIEW_SECONDS = 3.0
PREVIEW_WIDTH = 160


class StepWatch:
    """Follows the denoising of a clip's shots; 5 to 90 % of the run are theirs. `clock` in seconds.

    Whatever `report` raises stops the pipeline there and then, between two steps.
    """

    def __init__(
        self,
        report: Report,
        preview: Preview,
        *,
        shots: int,
        steps: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report, self._preview, self._clock = report, preview, clock
        self._shots, self._steps = shots, steps
        self._shot, self._done = -1, 0
        self._first_at = self._last_at = self._shown_at = clock()
        self._paced = 0

    @property
    def seconds_a_step(self) -> float | None:
        """The mean over all steps but each shot's first, in which kernels are compiled and memory is found."""
        return (self._last_at - self._first_at) / self._paced if self._paced else None

    @property
    def progress(self) -> int:
        """How far the run is, 0 to 100."""
        return 1 if self._shot < 0 else 5 + 85 * self._whole // (self._shots * self._steps)

    @property
    def _whole(self) -> int:
        return self._shot * self._steps + self._done

    def begin(self) -> None:
        """Once before each shot; again where a shot has to be begun anew."""
        if self._shot < 0 or self._done == self._steps:
            self._shot += 1
        self._done = 0
        self._say()

    def step(self, latents: Any = None) -> None:  # noqa: ANN401 - a tensor
        """One more step is done."""
        now = self._clock()
        self._done += 1
        if self._done == 1:
            # Shift the origin, so that what lies between two shots is in no step.
            self._first_at += now - self._last_at
        else:
            self._paced += 1
        self._last_at = now
        self._say()
        if latents is not None and now - self._shown_at >= PREVIEW_SECONDS and self._done < self._steps:
            self._shown_at = now
            if (picture := glimpse(latents)) is not None:
                self._preview(picture)

    def callback(self, _pipe: Any, _step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - diffusers' own signature
        """`callback_on_step_end` of a pipeline."""
        self.step(tensors.get("latents"))
        return {}

    @contextmanager
    def on_scheduler(self, scheduler: Any) -> Iterator[None]:  # noqa: ANN401 - diffusers is untyped here
        """For pipelines that call nobody back: every step of theirs goes through the scheduler."""
        real = scheduler.step

        # `wraps`, because pipelines look at the signature before they pass their generator on.
        @wraps(real)
        def step(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on as it came
            made = real(*given, **named)
            self.step(made[0] if isinstance(made, tuple) else made.prev_sample)
            return made

        scheduler.step = step
        try:
            yield
        finally:
            del scheduler.step

    def _say(self) -> None:
        shot = f"shot {self._shot + 1}/{self._shots}, " if self._shots > 1 else ""
        # The pipeline tells nobody when it turns to decoding, but it does so after the last step.
        stage = "decoding" if self._done == self._steps else "denoising"
        self._report(stage, self.progress, f"{shot}step {self._done}/{self._steps}{self._pace()}")

    def _pace(self) -> str:
        pace = self.seconds_a_step
        if pace is None:
            return ""
        left = pace * (self._shots * self._steps - self._whole)
        return f", {pace:.3g} s a step" + (f", about {in_words(left)} left" if left else "")


def in_words(seconds: float) -> str:
    """`40 s`, `3 min`."""
    return f"{math.ceil(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"


def glimpse(latents: Any) -> bytes | None:  # noqa: ANN401 - a tensor
    """A small JPEG of the middle frame: the three directions in which its latents differ most, as colours.

    Needs no decoder and so no time and no memory; shapes can be told, colours are not the film's. None for latents
    that are not laid out as frames.
    """
    if latents.ndim != 5:
        return None
    clip = latents[0].detach().float().cpu().numpy()
    # Frames come first or channels do; latents have a power of two of channels, clips an odd count of frames.
    if _is_power_of_two(clip.shape[0]) and not _is_power_of_two(clip.shape[1]):
        clip = clip.transpose(1, 0, 2, 3)
    frame = clip[len(clip) // 2]
    flat = frame.reshape(len(frame), -1)
    if not np.isfinite(flat).all():
        return None
    flat = flat - flat.mean(axis=1, keepdims=True)
    directions = np.linalg.svd(flat @ flat.T)[0][:, :3]
    seen = directions.T @ flat
    low, high = np.percentile(seen, (2, 98), axis=1, keepdims=True)
    scaled = np.clip(255 * (seen - low) / np.maximum(high - low, 1e-6), 0, 255).astype(np.uint8)
    pixels = scaled.reshape(len(scaled), *frame.shape[1:]).transpose(1, 2, 0)
    picture = Image.fromarray(np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]))
    height = max(1, round(PREVIEW_WIDTH * picture.height / picture.width))
    jpeg = io.BytesIO()
    picture.resize((PREVIEW_WIDTH, height), Image.Resampling.BICUBIC).convert("RGB").save(jpeg, "JPEG", quality=60)
    return jpeg.getvalue()


def _is_power_of_two(count: int) -> bool:
    return count & (count - 1) == 0
