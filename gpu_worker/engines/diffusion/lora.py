"""A LoRA on a pipeline, for the length of one job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpu_worker.engines.diffusion.loading import Loaded
from gpu_worker.models.files import safetensors_header
from shared.errors import InvalidParams

_ADAPTER = "twin"


def check_lora(path: Path) -> None:
    """Raise InvalidParams unless the file is whole safetensors with LoRA matrices in it."""
    try:
        names = safetensors_header(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise InvalidParams("lora: that file is not a whole safetensors file.") from wrong
    if not any("lora" in name.lower() for name in names):
        raise InvalidParams("lora: that file holds no LoRA.")


@contextmanager
def attached(loaded: Loaded, path: Path | None) -> Iterator[None]:
    """The pipeline with the LoRA in `path`, taken off again afterwards. InvalidParams when the two do not fit."""
    if path is None or not loaded.video.lora:
        yield
        return
    from safetensors.torch import load_file

    check_lora(path)
    try:
        loaded.pipe.load_lora_weights(load_file(path), adapter_name=_ADAPTER)
    except (ValueError, LookupError, RuntimeError, AttributeError, TypeError) as wrong:
        loaded.pipe.unload_lora_weights()
        raise InvalidParams(f"lora: it was not made for {loaded.model.title}.") from wrong
    try:
        yield
    finally:
        loaded.pipe.unload_lora_weights()
