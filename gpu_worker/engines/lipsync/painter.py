"""Wav2Lip and its face detector on a device: frames in, frames out. torch lives in here."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from gpu_worker.engines.device import Memory
from gpu_worker.engines.lipsync import s3fd, wav2lip
from gpu_worker.engines.lipsync.blend import feather
from gpu_worker.engines.lipsync.mel import Floats, mel, windows
from gpu_worker.engines.lipsync.tracks import Boxes
from gpu_worker.engines.lipsync.weights import Found, load
from gpu_worker.engines.pool import Recipe
from gpu_worker.media.frames import Frame
from gpu_worker.models.store import Weights
from shared.catalog.model import Model

LEAST_CHANCE = 0.5
_BYTES_A_FACE = 40 * 10**6
_BYTES_A_PIXEL = 900
_MOST_FACES, _MOST_PICTURES, _MOST_WHEN_CHEAP = 128, 32, 4
_LESS_ON_CPU = 8
Place = tuple[int, int, int, int]


class Lips(Protocol):
    """What a lip-sync model has to be; docs/models.md says what else a second one takes."""

    side: int
    """Of the square face it takes and makes, in pixels."""

    def listen(self, samples: Floats) -> Floats:
        """What the model makes of the whole sound, once: mono, 16 kHz, -1 to 1."""
        ...

    def hear(self, sound: Floats, fps: float, frames: range) -> Floats:
        """Of that, what it is told for each of these frames; the frames come first."""
        ...

    def speak(self, faces: Any, heard: Floats) -> Any:  # noqa: ANN401 - tensors
        """n x 3 x side x side of faces, RGB from 0 to 1, as they say what is heard; the same shape."""
        ...


class Wav2LipLips:
    """Wav2Lip: hears a fifth of a second of mel spectrogram for each frame."""

    side = wav2lip.SIDE

    def __init__(self, model: Any, device: str) -> None:  # noqa: ANN401 - a torch module
        self._model, self._device = model, device

    def listen(self, samples: Floats) -> Floats:
        """80 x steps."""
        return mel(samples)

    def hear(self, sound: Floats, fps: float, frames: range) -> Floats:
        """frames x 80 x 16."""
        return windows(sound, fps, frames)

    def speak(self, faces: Any, heard: Floats) -> Any:  # noqa: ANN401 - tensors
        """The lower half is painted from nothing, the whole face is what it is painted after."""
        bgr = faces.flip(1)
        hidden = bgr.clone()
        hidden[:, :, self.side // 2 :] = 0
        sound = torch.from_numpy(np.ascontiguousarray(heard)).to(self._device)[:, None]
        return self._model(sound, torch.cat((hidden, bgr), dim=1)).flip(1)


@dataclass
class Painter:
    """Both models, loaded. `cheap`: after running out of memory, in small batches."""

    lips: Lips
    detector: Any
    device: str
    cheap: bool

    def faces_at_once(self, memory: Memory) -> int:
        """A batch for `paint`."""
        return self._batch(memory, _BYTES_A_FACE, _MOST_FACES)

    def pictures_at_once(self, memory: Memory, size: tuple[int, int]) -> int:
        """A batch for `find`, of pictures of that width and height."""
        return self._batch(memory, _BYTES_A_PIXEL * size[0] * size[1], _MOST_PICTURES)

    def _batch(self, memory: Memory, bytes_each: int, most: int) -> int:
        """As many as fit into half of what is free."""
        if self.cheap:
            return _MOST_WHEN_CHEAP
        most = most if self.device == "cuda" else most // _LESS_ON_CPU
        return max(1, min(most, (memory.total() - memory.used()) // 2 // bytes_each))

    @torch.inference_mode()  # type: ignore[untyped-decorator] # torch is Any where it is not installed
    def find(self, pictures: Sequence[Frame]) -> list[Boxes]:
        """The faces in each of some pictures of one size."""
        rgb = torch.from_numpy(np.stack(pictures)).to(self.device).permute(0, 3, 1, 2)
        mean = torch.tensor(s3fd.MEAN_BGR, device=self.device)[:, None, None]
        return s3fd.boxes(self.detector(rgb.flip(1).float() - mean), LEAST_CHANCE)

    @torch.inference_mode()  # type: ignore[untyped-decorator] # torch is Any where it is not installed
    def paint(self, frames: Sequence[Frame], places: Sequence[Place], heard: Floats) -> None:
        """Make the face at each frame's place say what is heard, in the frame itself."""
        crops = [self._crop(frame, place) for frame, place in zip(frames, places, strict=True)]
        side = (self.lips.side, self.lips.side)
        small = torch.cat([interpolate(crop, side, mode="bilinear", align_corners=False) for crop in crops])
        made = self.lips.speak(small / 255, heard) * 255
        for frame, place, crop, face in zip(frames, places, crops, made.split(1), strict=True):
            left, top, right, bottom = place
            frame[top:bottom, left:right] = self._blended(crop, face)

    def _crop(self, frame: Frame, place: Place) -> Any:  # noqa: ANN401 - a tensor
        left, top, right, bottom = place
        crop = torch.from_numpy(np.ascontiguousarray(frame[top:bottom, left:right])).to(self.device)
        return crop.permute(2, 0, 1)[None].float()

    def _blended(self, crop: Any, face: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - tensors
        size = tuple(crop.shape[2:])
        large = interpolate(face, size, mode="bicubic", align_corners=False)
        mask = torch.from_numpy(feather(*size)).to(self.device)
        mixed = (crop + mask * (large - crop)).clamp(0, 255).round().byte()
        return np.asarray(mixed[0].permute(1, 2, 0).cpu().numpy(), np.uint8)


def recipe(model: Model, weights: Weights, device: str) -> Recipe[Painter]:
    """How the pool loads it."""
    needed = round(model.memory.peak_gb * 10**9) if model.memory else 0

    def open_both(cheap: bool) -> Painter:
        found: Found = load(model.id, weights.folder, device)
        return Painter(Wav2LipLips(found.lips, device), found.detector, device, cheap)

    return Recipe((model.id, weights.revision, str(weights.folder)), open_both, needed, _unload)


def _unload(painter: Painter) -> None:
    painter.detector = None
    gc.collect()
