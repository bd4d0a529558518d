"""Are these weights whole, and of the one kind that cannot run code when it is opened?"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.errors import EngineUnavailable

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_MOST_HEADER = 100 * 2**20


class BadWeights(EngineUnavailable):
    """The weights are damaged, incomplete, or of a kind that is not opened here."""

    code = "BAD_WEIGHTS"


def check_folder(folder: Path, name: str) -> None:
    """Raise BadWeights, naming the model and the file, unless all weights below `folder` are whole safetensors."""
    weights = sorted(folder.rglob("*.safetensors"))
    for path in weights:
        _check_file(path, name)
    _check_shards(folder, name)
    safe = {path.parent for path in weights}
    pickled = [path for path in sorted(folder.rglob("*")) if path.suffix in PICKLES and path.parent not in safe]
    if pickled or not weights:
        raise only_pickles(name) if pickled else BadWeights(f"The folder of {name} holds no weights.")


def only_pickles(name: str) -> BadWeights:
    """The refusal of weights that nobody should open."""
    return BadWeights(
        f"The weights of {name} are pickles, which can run code when they are opened: only safetensors are used here. "
        f"python -m gpu_worker models convert {name} <file> makes them of it without running it."
    )


def leaves(nested: Mapping[Any, Any], *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Everything that a `state_dict` holds, however deep, behind the names that lead to it, `path` before them."""
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from leaves(value, *path, str(name))
        else:
            yield (*path, str(name)), value


def safetensors_header(path: Path) -> dict[str, dict[str, object]]:
    """Names, types, shapes and places of the tensors in a file. ValueError when it is no whole safetensors file.

    The format: https://huggingface.co/docs/safetensors - 8 bytes of length, that much JSON, then the tensors.
    """
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= _MOST_HEADER:
            raise ValueError("no header")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if path.stat().st_size != 8 + length + end:
        raise ValueError("cut off")
    return dict(header)


def _check_file(path: Path, name: str) -> None:
    try:
        safetensors_header(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise BadWeights(
            f"The weights of {name} are damaged: {path.parent.name}/{path.name} is not a whole safetensors file. "
            "Fetch them again."
        ) from wrong


def _check_shards(folder: Path, name: str) -> None:
    """Every file that an index of shards names must be there."""
    for index in sorted(folder.rglob("*.safetensors.index.json")):
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError) as wrong:
            raise BadWeights(f"The weights of {name} are damaged: {index.name} cannot be read.") from wrong
        missing = sorted(shard for shard in shards if not (index.parent / Path(shard).name).exists())
        if missing:
            raise BadWeights(f"The weights of {name} are incomplete: {index.parent.name}/{missing[0]} is missing.")
