"""A drawn person, and weights that let the lip-sync engine see and paint one: for tests, and for measuring.

Wav2Lip's are random: how long it takes does not hang on them. S3FD's are set by hand, so that it finds what is drawn
in the colour of `SKIN` where that is about 64 pixels wide, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from gpu_worker.engines.lipsync.s3fd import S3fd
from gpu_worker.engines.lipsync.wav2lip import Wav2Lip
from gpu_worker.media.frames import Frame, FrameEncoder

SKIN, BACKDROP = (230, 130, 110), (70, 90, 120)
FACE_PIXELS = 72
_CLEAR_OF_GREY, _REDNESS = 54.0, 28.0


def write_weights(folder: Path, lips_base: int = 16, detector_base: int = 64) -> None:
    """Both files, at the published widths unless told otherwise."""
    folder.mkdir(parents=True)
    save_file(random_lips(lips_base), folder / "wav2lip_gan.safetensors")
    save_file(seeing_detector(detector_base), folder / "s3fd.safetensors")


def random_lips(base: int) -> dict[str, torch.Tensor]:
    """A Wav2Lip that paints something, the same every time."""
    torch.manual_seed(0)
    return Wav2Lip(base).state_dict()


def seeing_detector(base: int) -> dict[str, torch.Tensor]:
    """An S3FD whose first channel is how red a place and its surroundings are, held against the second, a constant.
    The head for faces of 64 pixels, and no other, looks at it.
    """
    entries = {name: torch.zeros_like(entry) for name, entry in S3fd(base).state_dict().items()}
    for name, entry in entries.items():
        if name.startswith(("conv1", "conv2")) and entry.ndim == 4:
            entry[0, 0, 1, 1] = 1
        elif name.startswith(("conv3", "conv4", "conv5")) and "mbox" not in name and entry.ndim == 4:
            entry[0, 0] = 1 / 9
        elif name.endswith("_norm.weight"):
            entry[:] = 1
        elif name.endswith("mbox_conf.bias"):
            entry[0] = 20
    entries["conv1_1.weight"][0, :, 1, 1] = torch.tensor([0.0, -1.0, 1.0])
    entries["conv1_1.bias"][0] = 6 - _CLEAR_OF_GREY
    entries["conv5_3.bias"][1] = _REDNESS
    entries["conv5_3_norm_mbox_conf.weight"][1, 0, 1, 1] = 60
    entries["conv5_3_norm_mbox_conf.bias"][:] = torch.tensor([0.0, -45.0])
    return entries


def person(size: tuple[int, int], at: tuple[float, float], seen: int = FACE_PIXELS) -> Frame:
    """A picture with a face `seen` pixels wide around the point `at`, or without one where that is 0."""
    picture = Image.new("RGB", size, BACKDROP)
    if seen:
        draw_face(ImageDraw.Draw(picture), at, seen)
    return np.array(picture)


def draw_face(draw: ImageDraw.ImageDraw, at: tuple[float, float], seen: float) -> None:
    """Skin, two eyes and a closed mouth."""
    x, y, r = *at, seen / 2
    draw.ellipse((x - r, y - 1.2 * r, x + r, y + 1.2 * r), fill=SKIN)
    for side in (-1, 1):
        eye = x + side * 0.4 * r
        draw.ellipse((eye - 0.1 * r, y - 0.45 * r, eye + 0.1 * r, y - 0.25 * r), fill=(20, 20, 30))
    draw.line((x - 0.35 * r, y + 0.55 * r, x + 0.35 * r, y + 0.55 * r), fill=(150, 40, 50), width=max(1, round(r / 10)))


def swaying(size: tuple[int, int], frames: int, seen: int = FACE_PIXELS, without: range = range(0)) -> Iterator[Frame]:
    """A person who sways a little; in the frames `without` nobody is there."""
    for n in range(frames):
        at = size[0] / 2 + size[0] / 20 * math.sin(n / 8), size[1] / 2
        yield person(size, at, 0 if n in without else seen)


def write_film(path: Path, frames: Iterator[Frame], fps: int | Fraction = 25) -> None:
    """The frames as an MP4."""
    first = next(frames)
    with FrameEncoder(path, first.shape[1], first.shape[0], fps) as film:
        film.write(first)
        for frame in frames:
            film.write(frame)


def speech(seconds: float, rate: int = 16_000) -> NDArray[np.float32]:
    """Syllables of a hummed voice with its overtones, four a second."""
    t = np.arange(round(seconds * rate)) / rate
    voice = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 12))
    return (0.2 * voice * np.clip(np.sin(2 * np.pi * 4 * t), 0, 1)).astype(np.float32)
