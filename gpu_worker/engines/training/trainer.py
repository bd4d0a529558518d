"""The LoRA in its transformer, and one step of it."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from dataclasses import dataclass
from typing import Any

from gpu_worker.engines.training.families import Family
from shared.errors import EngineFailed

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Noise levels at which the loss is judged."""
MOST_JUDGED = 4
EMPTY_CAPTIONS = 0.05
"""So often a picture comes without words, for the sake of guidance."""
WARM_UP = 50
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """What is trained on, in the computer's memory: latents a picture, one caption for all, and no caption."""

    latents: list[Any]
    words: Any
    no_words: Any


def generator(seed: int, *place: object) -> Any:  # noqa: ANN401 - torch is untyped here
    """Random numbers of one place in a run: always the same ones, whatever was drawn elsewhere."""
    import torch

    digest = hashlib.sha256(repr((seed, *place)).encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:7], "big"))


class Trainer:
    """Adam on the LoRA's matrices alone, in float32; the model itself stays as it is."""

    def __init__(
        self,
        transformer: Any,  # noqa: ANN401 - torch is untyped here
        device: str,
        family: Family,
        material: Material,
        *,
        rank: int,
        rate: float,
        steps: int,
        seed: int,
    ) -> None:
        self._transformer, self._family, self._material = transformer, family, material
        self._rate, self._steps, self._seed = rate, steps, seed
        _add_lora(transformer, rank, seed)
        # Not before: numbers drawn on a GPU would be other ones.
        transformer.to(device)
        self.parameters = {name: part for name, part in transformer.named_parameters() if part.requires_grad}
        self.optimizer, self.optimizer_name = optimizer_for(list(self.parameters.values()), rate, device)

    def step(self, number: int) -> float:
        """Step `number`, counted from 0. Returns its loss, which is mostly noise. Raises EngineFailed when it is no
        number any more.
        """
        import torch

        dice = generator(self._seed, "step", number)
        level, lot = torch.rand(2, generator=dice).tolist()
        words = self._material.no_words if lot < EMPTY_CAPTIONS else self._material.words
        loss = self._loss(self._material.latents[self._turn(number)], words, level, dice)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate * min(1.0, (number + 1) / min(WARM_UP, max(1, self._steps // 10)))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        value = float(loss.detach())
        if value != value:
            raise EngineFailed("Training ran out of range: a smaller learning_rate helps.", retryable=False)
        return value

    def judge(self) -> float:
        """The mean loss at fixed noise and fixed levels: what can be compared from one step to another."""
        import torch

        losses = []
        with torch.no_grad():
            for number, latents in enumerate(self._material.latents[:MOST_JUDGED]):
                for level in LEVELS:
                    dice = generator(self._seed, "judge", number, level)
                    losses.append(float(self._loss(latents, self._material.words, level, dice)))
        return sum(losses) / len(losses)

    def weights(self) -> dict[str, Any]:
        """The LoRA as diffusers reads it, as wide as the model it belongs to."""
        from peft import get_peft_model_state_dict

        found = get_peft_model_state_dict(self._transformer)
        dtype = self._transformer.dtype
        return {f"transformer.{name}": part.detach().to("cpu", dtype).contiguous() for name, part in found.items()}

    def _turn(self, number: int) -> int:
        """Which picture: all of them once in each round, in an order of its own."""
        import torch

        count = len(self._material.latents)
        order = torch.randperm(count, generator=generator(self._seed, "round", number // count))
        return int(order[number % count])

    def _loss(self, latents: Any, words: Any, level: float, dice: Any) -> Any:  # noqa: ANN401 - tensors
        import torch

        device, dtype = self._transformer.device, self._transformer.dtype
        clean = latents.to(device, torch.float32)
        # From the CPU: the same on every device.
        noise = torch.randn(latents.shape, generator=dice).to(device)
        noisy, timestep, wanted = self._family.noised(clean, noise, level)
        predicted = self._family.predict(noisy.to(dtype), timestep, words.to(device, dtype))
        return torch.nn.functional.mse_loss(predicted.float(), wanted.float())


def _add_lora(transformer: Any, rank: int, seed: int) -> None:  # noqa: ANN401 - torch is untyped here
    """Its scale (`lora_alpha`) is the rank, which is what readers assume where a file says nothing."""
    import torch
    from peft import LoraConfig

    transformer.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS)))
    for parameter in transformer.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    transformer.enable_gradient_checkpointing()


def optimizer_for(parameters: list[Any], rate: float, device: str) -> tuple[Any, str]:
    """Adam, and what the result calls it: on a GPU the one of bitsandbytes where that is installed and fit for use,
    whose state takes a quarter of the memory.
    """
    import torch

    how: dict[str, Any] = {"lr": rate, "betas": (0.9, 0.95), "weight_decay": 1e-4}
    if device == "cuda" and importlib.util.find_spec("bitsandbytes"):
        try:
            from bitsandbytes.optim import AdamW8bit
        except (ImportError, OSError, RuntimeError) as unfit:
            _log.warning("bitsandbytes is installed but cannot be used here: %s", unfit)
        else:
            return AdamW8bit(parameters, **how), "AdamW, 8 bits"
    return torch.optim.AdamW(parameters, **how), "AdamW"
