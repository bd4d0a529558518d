"""Where training stands, in one safetensors file that is replaced whole: the LoRA, the optimizer, the step, the losses.

Random numbers and the order of the pictures follow from the seed and the step (`trainer.generator`); of both the file
has all there is to know. `plan` is a hash of everything else: a checkpoint of another plan is none.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_worker.models.files import leaves

NAME = "training.safetensors"
_log = logging.getLogger(__name__)


@dataclass
class State:
    """`done` steps, and the judged losses by the step after which they were measured."""

    plan: str
    seed: int
    done: int = 0
    losses: dict[int, float] = field(default_factory=dict)


def save(path: Path, state: State, parameters: dict[str, Any], optimizer: Any) -> None:  # noqa: ANN401 - torch is untyped here
    """Write the file whole, or leave the one that was there."""
    from safetensors.torch import save_file

    tensors = {f"lora.{name}": value.detach().cpu().contiguous() for name, value in parameters.items()}
    numbers: dict[str, Any] = {}
    # bitsandbytes keeps its 8-bit state one level deeper than torch.
    for names, value in leaves(optimizer.state_dict()["state"], "optimizer"):
        key = ".".join(names)
        if hasattr(value, "detach"):
            # A copy: what a library shares between entries cannot be saved twice.
            tensors[key] = value.detach().cpu().clone().contiguous()
        else:
            numbers[key] = value
    said = {"plan": state.plan, "seed": state.seed, "done": state.done, "losses": state.losses, "numbers": numbers}
    draft = path.with_suffix(".new")
    save_file(tensors, draft, metadata={"state": json.dumps(said)})
    draft.replace(path)


def restore(path: Path, state: State, parameters: dict[str, Any], optimizer: Any) -> State:  # noqa: ANN401 - torch is untyped here
    """The state in the file, its weights put in place; `state` as it is where there is no file of this plan."""
    import torch
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return state
    try:
        with safe_open(path, framework="pt") as file:
            said = json.loads(file.metadata()["state"])
            # Copies: the file may be replaced while the optimizer goes on with what was in it.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - it is no dict
        if said["plan"] != state.plan:
            return state
        found = State(state.plan, said["seed"], said["done"], {int(n): loss for n, loss in said["losses"].items()})
        weights = {name: tensors[f"lora.{name}"] for name in parameters}
        entries = _entries(tensors, said["numbers"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as damaged:
        _log.warning("A checkpoint was left aside: %s", type(damaged).__name__)
        return state
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])
    return found


def _entries(tensors: dict[str, Any], numbers: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The optimizer's state of what `save` has written of it, by its path."""
    entries: dict[int, dict[str, Any]] = {}
    for key, value in (tensors | numbers).items():
        place, index, *folders = key.split(".")
        if place == "optimizer":
            entry = entries.setdefault(int(index), {})
            for folder in folders[:-1]:
                entry = entry.setdefault(folder, {})
            entry[folders[-1]] = value
    return entries
