"""Wav2Lip's and S3FD's weights, told apart by what is in the files, not by their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from gpu_worker.engines.device import is_out_of_memory
from gpu_worker.engines.lipsync.s3fd import S3fd
from gpu_worker.engines.lipsync.wav2lip import Wav2Lip
from gpu_worker.models.files import BadWeights, safetensors_header

_LIPS_MARK, _DETECTOR_MARK = "face_encoder_blocks.0.0.conv_block.0.weight", "conv1_1.weight"


@dataclass(frozen=True)
class Found:
    """Both models on their device, ready to run."""

    lips: Any
    detector: Any


def load(name: str, folder: Path, device: str) -> Found:
    """Both models of a folder. Raises BadWeights for files that are missing, damaged or of another model."""
    # Of several checkpoints the one trained with a discriminator: its teeth are sharper.
    files = sorted(folder.rglob("*.safetensors"), key=lambda file: ("gan" not in file.name, file.name))
    try:
        shapes = {file: _shapes(file) for file in files}
        lips = next((file for file in files if _LIPS_MARK in shapes[file]), None)
        detector = next((file for file in files if _DETECTOR_MARK in shapes[file]), None)
        if lips is None or detector is None:
            what = "no checkpoint of Wav2Lip" if lips is None else "no face detector (S3FD)"
            raise BadWeights(f"There is {what} among the weights of {name}. Fetch them again.")
        return Found(
            _filled(Wav2Lip, shapes[lips][_LIPS_MARK][0], lips, device),
            _filled(S3fd, shapes[detector][_DETECTOR_MARK][0], detector, device),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, RuntimeError) as wrong:
        if is_out_of_memory(wrong):
            raise
        raise BadWeights(
            f"The weights of {name} do not fit the model: incomplete, or another's. Fetch them again."
        ) from wrong


def _shapes(file: Path) -> dict[str, list[int]]:
    return {name: [int(n) for n in list(entry["shape"])] for name, entry in safetensors_header(file).items()}  # type: ignore[call-overload] # JSON


def _filled(model_class: Any, base: int, file: Path, device: str) -> Any:  # noqa: ANN401 - a torch module
    """Every entry from the file, and none besides: `strict` says so."""
    with torch.device("meta"):
        model = model_class(base)
    model.load_state_dict(load_file(file), strict=True, assign=True)
    return model.to(device=device, dtype=torch.float32).eval().requires_grad_(requires_grad=False)
