"""Where a pipeline's parts lie, and how fast it runs: off-loading, tiling, compilation, 8-bit weights, caches."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from shared.catalog.model import Profile, Video

if TYPE_CHECKING:
    from gpu_worker.engines.diffusion.loading import Loaded

# Ranges of attention layers and of the 0-999 timesteps within which attention is reused, as the method's authors chose
# for CogVideoX (Pyramid Attention Broadcast, https://arxiv.org/abs/2408.12588; diffusers pull request 9562).
_PYRAMID: dict[str, Any] = {
    "spatial_attention_block_skip_range": 2,
    "spatial_attention_timestep_skip_range": (100, 800),
}
_FIRST_BLOCK_THRESHOLD = 0.07
_MOST_VARIANTS = 64


def place(loaded: Loaded) -> None:
    """Bring the pipeline to its device: whole, without its text encoder, or piece by piece when it must be cheap."""
    pipe, device, vae = loaded.pipe, loaded.device, getattr(loaded.pipe, "vae", None)
    short = loaded.cheap or loaded.aside
    if loaded.video.tiling == "always" or (loaded.video.tiling == "when_short" and short):
        for way in ("enable_tiling", "enable_slicing"):
            getattr(vae, way, _nothing)()
    if loaded.cheap and device == "cuda":
        pipe.enable_model_cpu_offload()
    elif loaded.aside:
        for name, part in pipe.components.items():
            if name != "text_encoder" and hasattr(part, "parameters"):
                part.to(device)
    else:
        pipe.to(device)


def apply(pipe: Any, video: Video, profile: Profile, device: str) -> list[str]:  # noqa: ANN401 - diffusers is untyped here
    """Tune the denoisers by the profile. Returns, for a person, what of it this machine could not do."""
    notes = []
    for name in video.denoisers:
        denoiser = getattr(pipe, name, None)
        if denoiser is None:
            continue
        if profile.weights != "full":
            notes += quantize(denoiser, video.blocks, profile.weights, device)
        if profile.compile and device == "cuda":
            compile_blocks(denoiser, video.blocks, whole=profile.cache == "none")
        if profile.cache != "none":
            _cache(pipe, denoiser, profile.cache)
    return list(dict.fromkeys(notes))


def compile_blocks(denoiser: Any, blocks: tuple[str, ...], *, whole: bool, **how: Any) -> None:  # noqa: ANN401 - torch is untyped here
    """Compile the classes that repeat, each once for all its copies; `how` goes to torch.compile.

    Not `whole`: the parts inside the blocks instead. Caches hook into those afterwards and keep a state of their own
    for each, on which a compiled block would be compiled anew at every step.
    """
    import torch

    # A warm worker sees several sizes, with and without LoRA: each is a variant, and past the limit a call fails.
    torch._dynamo.config.recompile_limit = _MOST_VARIANTS
    for module in denoiser.modules():
        if type(module).__name__ in blocks:
            for part in (module,) if whole else tuple(module.children()):
                part.forward = torch.compile(part.forward, fullgraph=whole, **how)


def quantize(denoiser: Any, blocks: tuple[str, ...], weights: str, device: str) -> list[str]:  # noqa: ANN401 - torch is untyped here
    """Make narrow what repeats: the first and last layers are small, and the picture hangs on them. Returns what could
    not be had, for a person.
    """
    if importlib.util.find_spec("torchao") is None:
        return ["made with full weights: torchao, which makes them 8 bits wide, is not installed"]
    if device != "cuda":
        return ["made with full weights: 8 bits are for GPUs"]
    import torch
    from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, Int8WeightOnlyConfig, quantize_

    too_old = weights == "fp8" and torch.cuda.get_device_capability() < (8, 9)
    narrow = Int8WeightOnlyConfig if weights == "int8" or too_old else Float8DynamicActivationFloat8WeightConfig
    for module in denoiser.modules():
        if type(module).__name__ in blocks:
            quantize_(module, narrow())
    return ["made with 8-bit whole-number weights: this GPU is too old for 8-bit floats"] if too_old else []


def _cache(pipe: Any, denoiser: Any, kind: str) -> None:  # noqa: ANN401 - diffusers is untyped here
    from diffusers import (
        FasterCacheConfig,
        FirstBlockCacheConfig,
        PyramidAttentionBroadcastConfig,
        TaylorSeerCacheConfig,
    )

    def timestep() -> Any:  # noqa: ANN401 - diffusers is untyped here
        return pipe.current_timestep

    match kind:
        case "pyramid":
            config: Any = PyramidAttentionBroadcastConfig(**_PYRAMID, current_timestep_callback=timestep)
        case "faster":
            config = FasterCacheConfig(
                **_PYRAMID, attention_weight_callback=lambda _: 0.3, current_timestep_callback=timestep
            )
        case "first-block":
            config = FirstBlockCacheConfig(threshold=_FIRST_BLOCK_THRESHOLD)
        case _:
            config = TaylorSeerCacheConfig()
    denoiser.enable_cache(config)


def _nothing() -> None:
    """For a part that has no such way."""
