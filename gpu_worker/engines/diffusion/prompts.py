"""What a text encoder made of a prompt, kept: the same words again cost nothing, and the encoder may stay away."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from gpu_worker.engines.diffusion.loading import Loaded

MOST_PROMPTS = 64
"""CogVideoX's two embeddings of 226 tokens take 3.7 MB in bfloat16."""


@dataclass
class PromptCache:
    """Embeddings in the computer's memory, the most recently used ones."""

    _kept: OrderedDict[Hashable, tuple[Any, Any]] = field(default_factory=OrderedDict)

    def arguments(self, loaded: Loaded, prompt: str, negative: str, guidance: float | None) -> dict[str, Any]:
        """The call's arguments that stand for the words: embeddings where the model can take them, else the text."""
        names = loaded.video.arguments
        if not loaded.video.caches_prompt:
            words = {names.prompt: prompt, names.negative: negative or None}
            return {name: value for name, value in words.items() if name}
        positive_embeds, negative_embeds = self._embeds(loaded, prompt, negative, guided=(guidance or 0) > 1)
        return {"prompt_embeds": positive_embeds, "negative_prompt_embeds": negative_embeds}

    def _embeds(self, loaded: Loaded, prompt: str, negative: str, *, guided: bool) -> tuple[Any, Any]:
        share = loaded.video.share
        key = (share.group if share else loaded.model.id, loaded.weights.revision, prompt, negative, guided)
        if key not in self._kept:
            self._kept[key] = _encode(loaded, prompt, negative, guided=guided)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_PROMPTS:
            self._kept.popitem(last=False)
        return tuple(part if part is None else part.to(loaded.device) for part in self._kept[key])  # type: ignore[return-value] # two of them


def _encode(loaded: Loaded, prompt: str, negative: str, *, guided: bool) -> tuple[Any, Any]:
    import torch

    pipe = loaded.pipe
    length = {k: v for k, v in loaded.video.constants.items() if k == "max_sequence_length"}
    if not loaded.cheap or loaded.device != "cuda":
        pipe.text_encoder.to(loaded.device)
    with torch.no_grad():
        made = pipe.encode_prompt(
            prompt, negative or None, do_classifier_free_guidance=guided, device=loaded.device, **length
        )
    if loaded.aside:
        pipe.text_encoder.to("cpu")
        if loaded.device == "cuda":
            torch.cuda.empty_cache()
    positive, unguided = made[:2]
    return positive.cpu(), None if unguided is None else unguided.cpu()
