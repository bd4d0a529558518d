"""S3FD, the face detector that Wav2Lip was trained behind (S. Zhang et al., "S3FD: Single Shot Scale-invariant Face
Detector", ICCV 2017), under the names of the weights that its lip-sync users have (s3fd-619a316812.pth).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import max_pool2d

from gpu_worker.engines.lipsync.tracks import distinct

MEAN_BGR = (104.0, 117.0, 123.0)
VARIANCES = (0.1, 0.2)
# What they look at, and how wide that is.
_HEADS = {"conv3_3_norm": 4, "conv4_3_norm": 8, "conv5_3_norm": 8, "fc7": 16, "conv6_2": 8, "conv7_2": 4}


class Scaled(nn.Module):  # type: ignore[misc] # torch is Any where it is not installed
    """Features of length one, each channel times a learned weight."""

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
        """The same shape."""
        return x / (x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10) * self.weight.view(1, -1, 1, 1)


class S3fd(nn.Module):  # type: ignore[misc] # torch is Any where it is not installed
    """VGG-16 with six heads, one for each size of face from 16 to 512 pixels. `base` 64 is the published width."""

    def __init__(self, base: int = 64) -> None:
        super().__init__()
        before = 3
        for stage, (depth, wide) in enumerate(((2, 1), (2, 2), (3, 4), (3, 8), (3, 8)), start=1):
            for number in range(1, depth + 1):
                setattr(self, f"conv{stage}_{number}", nn.Conv2d(before, wide * base, 3, padding=1))
                before = wide * base
        self.fc6 = nn.Conv2d(8 * base, 16 * base, 3, padding=3)
        self.fc7 = nn.Conv2d(16 * base, 16 * base, 1)
        self.conv6_1 = nn.Conv2d(16 * base, 4 * base, 1)
        self.conv6_2 = nn.Conv2d(4 * base, 8 * base, 3, stride=2, padding=1)
        self.conv7_1 = nn.Conv2d(8 * base, 2 * base, 1)
        self.conv7_2 = nn.Conv2d(2 * base, 4 * base, 3, stride=2, padding=1)
        for name, wide, scale in (("conv3_3", 4, 10.0), ("conv4_3", 8, 8.0), ("conv5_3", 8, 5.0)):
            setattr(self, f"{name}_norm", Scaled(wide * base, scale))
        for name, wide in _HEADS.items():
            # The finest has three kinds of background, of which the likeliest counts.
            kinds = 4 if name == "conv3_3_norm" else 2
            setattr(self, f"{name}_mbox_conf", nn.Conv2d(wide * base, kinds, 3, padding=1))
            setattr(self, f"{name}_mbox_loc", nn.Conv2d(wide * base, 4, 3, padding=1))

    def forward(self, pictures: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - tensors
        """For each head the face's probability, n x h x w, and its place against the anchor, n x 4 x h x w."""
        made = []
        for name, features in zip(_HEADS, self._features(pictures), strict=True):
            kinds = getattr(self, f"{name}_mbox_conf")(features)
            background = kinds[:, :-1].amax(dim=1)
            made.append((torch.sigmoid(kinds[:, -1] - background), getattr(self, f"{name}_mbox_loc")(features)))
        return made

    def _features(self, x: Any) -> list[Any]:  # noqa: ANN401 - tensors
        found = []
        for stage, depth in enumerate((2, 2, 3, 3, 3), start=1):
            for number in range(1, depth + 1):
                x = torch.relu(getattr(self, f"conv{stage}_{number}")(x))
            if stage >= 3:
                found.append(getattr(self, f"conv{stage}_3_norm")(x))
            x = max_pool2d(x, 2, 2)
        for first, second in (("fc6", "fc7"), ("conv6_1", "conv6_2"), ("conv7_1", "conv7_2")):
            x = torch.relu(getattr(self, second)(torch.relu(getattr(self, first)(x))))
            found.append(x)
        return found


def boxes(heads: list[tuple[Any, Any]], least: float) -> list[NDArray[np.float32]]:
    """For each picture its faces of at least that probability: m x 5 of left, top, right, bottom (in pixels) and
    probability. An anchor is four strides wide, and places are told against it as in Faster R-CNN.
    """
    found = [_candidates(2 ** (number + 2), *head, least) for number, head in enumerate(heads)]
    of, rows = (torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True))
    return [distinct(rows[of == picture]) for picture in range(len(heads[0][0]))]


def _candidates(stride: int, chance: Any, place: Any, least: float) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
    of, row, column = torch.nonzero(chance >= least, as_tuple=True)
    told, anchor = place[of, :, row, column], 4.0 * stride
    centre = (torch.stack((column, row), dim=1) + 0.5) * stride + told[:, :2] * VARIANCES[0] * anchor
    half = anchor / 2 * torch.exp((told[:, 2:] * VARIANCES[1]).clamp(max=6))
    return of, torch.cat((centre - half, centre + half, chance[of, row, column][:, None]), dim=1)
