"""Wav2Lip's generator, from its publication (K R Prajwal et al., "A Lip Sync Expert Is All You Need", ACM MM 2020).

Names and shapes are those of the public checkpoints: 352 entries, 36.3 million weights at `base` 16, the width that
was published. Narrower ones are for tests.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SIDE = 96
"""Of the square face it takes and makes, in pixels."""


class Block(nn.Module):  # type: ignore[misc] # torch is Any where it is not installed
    """A convolution, normalised; `residual` adds what came in."""

    def __init__(self, convolution: nn.Module, channels: int, *, residual: bool = False) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(convolution, nn.BatchNorm2d(channels))
        self.residual = residual

    def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
        """The same size, or smaller by the stride."""
        made = self.conv_block(x)
        return torch.relu(made + x if self.residual else made)


class Wav2Lip(nn.Module):  # type: ignore[misc] # torch is Any where it is not installed
    """Sound and a face in, the face as it says that sound out."""

    def __init__(self, base: int = 16) -> None:
        super().__init__()
        b = base
        self.face_encoder_blocks = nn.ModuleList([
            nn.Sequential(_conv(6, b, 7, pad=3)),
            _stage(_conv(b, 2 * b, stride=2), 2 * b, 2),
            _stage(_conv(2 * b, 4 * b, stride=2), 4 * b, 3),
            _stage(_conv(4 * b, 8 * b, stride=2), 8 * b, 2),
            _stage(_conv(8 * b, 16 * b, stride=2), 16 * b, 2),
            _stage(_conv(16 * b, 32 * b, stride=2), 32 * b, 1),
            nn.Sequential(_conv(32 * b, 32 * b, pad=0), _conv(32 * b, 32 * b, 1, pad=0)),
        ])  # fmt: skip
        self.audio_encoder = nn.Sequential(
            *_stage(_conv(1, 2 * b), 2 * b, 2),
            *_stage(_conv(2 * b, 4 * b, stride=(3, 1)), 4 * b, 2),
            *_stage(_conv(4 * b, 8 * b, stride=3), 8 * b, 2),
            *_stage(_conv(8 * b, 16 * b, stride=(3, 2)), 16 * b, 1),
            _conv(16 * b, 32 * b, pad=0),
            _conv(32 * b, 32 * b, 1, pad=0),
        )
        self.face_decoder_blocks = nn.ModuleList([
            nn.Sequential(_conv(32 * b, 32 * b, 1, pad=0)),
            _stage(_up(64 * b, 32 * b, stride=1, pad=0), 32 * b, 1),
            _stage(_up(64 * b, 32 * b), 32 * b, 2),
            _stage(_up(48 * b, 24 * b), 24 * b, 2),
            _stage(_up(32 * b, 16 * b), 16 * b, 2),
            _stage(_up(20 * b, 8 * b), 8 * b, 2),
            _stage(_up(10 * b, 4 * b), 4 * b, 2),
        ])  # fmt: skip
        self.output_block = nn.Sequential(_conv(5 * b, 2 * b), nn.Conv2d(2 * b, 3, 1), nn.Sigmoid())

    def forward(self, sound: Any, faces: Any) -> Any:  # noqa: ANN401 - tensors
        """n x 1 x 80 x 16 of mel and n x 6 x 96 x 96 of the face without and with its lower half, BGR from 0 to 1;
        n x 3 x 96 x 96 comes out.
        """
        seen, x = [], faces
        for encode in self.face_encoder_blocks:
            x = encode(x)
            seen.append(x)
        x = self.audio_encoder(sound)
        for decode in self.face_decoder_blocks:
            x = torch.cat((decode(x), seen.pop()), dim=1)
        return self.output_block(x)


def _conv(before: int, after: int, size: int = 3, *, stride: int | tuple[int, int] = 1, pad: int = 1) -> Block:
    return Block(nn.Conv2d(before, after, size, stride, pad), after)


def _up(before: int, after: int, *, stride: int = 2, pad: int = 1) -> Block:
    return Block(nn.ConvTranspose2d(before, after, 3, stride, pad, output_padding=pad), after)


def _stage(first: Block, channels: int, repeats: int) -> Any:  # noqa: ANN401 - a Sequential
    same = (Block(nn.Conv2d(channels, channels, 3, 1, 1), channels, residual=True) for _ in range(repeats))
    return nn.Sequential(first, *same)
