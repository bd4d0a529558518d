"""Frames as arrays, and bringing them to a size without stretching them."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from gpu_worker.media.frames import Frame
from shared.job_types import FrameFit

_BARS = (0, 0, 0)


def fitted(picture: Image.Image, size: tuple[int, int], fit: FrameFit) -> Image.Image:
    """The picture at `size`: its edges cut off around the middle, or bars added."""
    if picture.size == size:
        return picture
    if fit == "pad":
        return ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=_BARS)
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def frames_of(made: Any) -> list[Frame]:  # noqa: ANN401 - what a pipeline returns
    """The frames of a pipeline's one clip: a list of pictures, or an array of frames x height x width x 3 from 0 to 1.
    A pipeline for stills gives its one picture.

    ValueError when some are no numbers: half precision ran over.
    """
    clip = [made[0]] if isinstance(made[0], Image.Image) else made[0]
    if isinstance(clip, list):
        return [np.asarray(picture.convert("RGB")) for picture in clip]
    pixels = np.asarray(clip)
    if not np.isfinite(pixels).all():
        raise ValueError("not finite")
    return list((pixels.clip(0, 1) * 255).round().astype(np.uint8))
