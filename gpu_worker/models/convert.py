"""Pickled checkpoints made into safetensors, without running what a pickle may hold.

PyTorch's reader of `weights_only` builds tensors and plain containers and nothing else
(https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only).
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gpu_worker.models.files import PICKLES, BadWeights, leaves
from shared.errors import EngineUnavailable

_PARALLEL = "module."
LONE = "tensor"
"""The name of the one in a file that is a tensor and nothing else."""


def convert_all(folder: Path, name: str) -> None:
    """Put a safetensors file in the place of every pickle below `folder`. Raises BadWeights, the pickle left alone."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in PICKLES:
            convert(path, path.with_suffix(".safetensors"), name)
            path.unlink()


def convert(source: Path, target: Path, name: str) -> None:
    """Write the tensors of a checkpoint, or of its `state_dict`, to `target`, under the names of a single device.

    Raises BadWeights for a file that holds anything but weights, or none.
    """
    try:
        import torch
        from safetensors.torch import save_file
    except ImportError as missing:
        raise EngineUnavailable("Converting weights needs torch: python tools/engines_env.py installs it.") from missing
    try:
        read = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, OSError, AttributeError) as refused:
        raise BadWeights(
            f"{source.name} of {name} is damaged, or holds more than weights: it was not opened any further."
        ) from refused
    tensors = _tensors(read, torch.Tensor)
    if not tensors:
        raise BadWeights(f"{source.name} of {name} holds no weights.")
    draft = target.with_name(f"{target.name}.partial")
    save_file(tensors, draft)
    draft.replace(target)


def _tensors(read: object, kind: Any) -> dict[str, Any]:  # noqa: ANN401 - torch's tensor
    """What trainers call `state_dict` where there is one; each tensor with memory of its own, as the format wants."""
    if isinstance(read, kind):
        return {LONE: read.contiguous().clone()}
    inner: Any = read.get("state_dict", read) if isinstance(read, Mapping) else None
    if not isinstance(inner, Mapping):
        return {}
    return {name: tensor.contiguous().clone() for name, tensor in _named(inner) if isinstance(tensor, kind)}


def _named(inner: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """What is in there, in parts of a model too, each under the name it has in the whole."""
    for (*parts, name), value in leaves(inner):
        yield ".".join((*parts, name.removeprefix(_PARALLEL))), value
