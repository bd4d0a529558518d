"""From a folder of weights to a pipeline on its device."""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_worker.engines.device import has_torch, is_out_of_memory
from gpu_worker.engines.diffusion import tuning
from gpu_worker.engines.pool import RESERVE_BYTES, EnginePool, Recipe
from gpu_worker.models.files import BadWeights
from gpu_worker.models.store import Weights
from shared.catalog.model import Model, Profile, Video
from shared.errors import EngineUnavailable

GB = 10**9


@dataclass
class Loaded:
    """A pipeline on its device. `aside`: its text encoder leaves the device between prompts.

    `notes` says what of the profile could not be had.
    """

    model: Model
    weights: Weights
    pipe: Any
    device: str
    cheap: bool
    aside: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def video(self) -> Video:
        """The catalog's words on how it is called."""
        return video_of(self.model)


def video_of(model: Model) -> Video:
    """What the catalog says of a video model; EngineUnavailable for any other."""
    if model.video is None:
        raise EngineUnavailable(f"{model.id} is not a video model.")
    return model.video


def recipe(model: Model, weights: Weights, profile: Profile, device: str, pool: EnginePool) -> Recipe[Loaded]:
    """How the pool loads a model under a profile. Profiles that load alike share an engine."""
    key = (model.id, weights.revision, str(weights.folder), profile.weights, profile.cache, profile.compile)
    needed = round(model.memory.peak_gb * GB) if model.memory else 0

    def load(cheap: bool) -> Loaded:
        return _load(model, weights, profile, device, pool, cheap=cheap or _is_too_small(model, pool))

    return Recipe(key, load, needed, _unload)


def _is_too_small(model: Model, pool: EnginePool) -> bool:
    """Whether the model does not fit even with its text encoder put aside: then it is off-loaded from the start."""
    video, memory = video_of(model), model.memory
    if memory is None:
        return False
    without_text = memory.peak_gb - (memory.resident_gb / 2 if video.caches_prompt else 0)
    return without_text * GB > pool.memory.total() - RESERVE_BYTES


def _load(model: Model, weights: Weights, profile: Profile, device: str, pool: EnginePool, *, cheap: bool) -> Loaded:
    if not has_torch():
        raise EngineUnavailable("This worker was installed without torch and diffusers.")
    video = video_of(model)
    keys = {part: (video.share.group, part) for part in video.share.parts} if video.share else {}
    # Off-loading hangs hooks on what it moves, and those must not be on parts that others use.
    common = {} if cheap else pool.known_parts(keys)
    pipe = open_pipeline(model, weights, device, common)
    loaded = Loaded(model, weights, pipe, device, cheap, aside=_is_tight(model, pool) and not cheap)
    tuning.place(loaded)
    loaded.notes += tuning.apply(pipe, video, profile, device)
    if not cheap:
        for part, key in keys.items():
            if getattr(pipe, part) is not None:
                pool.offer(key, getattr(pipe, part))
    return loaded


def _is_tight(model: Model, pool: EnginePool) -> bool:
    needed = model.memory.peak_gb * GB if model.memory else 0
    return video_of(model).caches_prompt and needed > pool.memory.total() - RESERVE_BYTES


def open_pipeline(model: Model, weights: Weights, device: str, common: dict[str, Any]) -> Any:  # noqa: ANN401 - diffusers is untyped here
    """The pipeline in the computer's memory, made of the weights and of `common` parts that are loaded already.

    Raises BadWeights when the files are not those of the model: libraries would fill what is missing with random
    numbers and go on. A CPU computes in float32, whatever the catalog says.
    """
    import diffusers

    _hush()
    video, index = video_of(model), _index(model, weights.folder)
    dtypes = _dtypes(video, device)
    pipeline = getattr(diffusers, video.pipeline)
    wanted = set(inspect.signature(pipeline.__init__).parameters) - set(common)
    try:
        parts = {
            name: _open_part(model, name, getattr(diffusers, part.component_class), weights.parts[name], dtypes)
            for name, part in video.parts.items()
        }
        for name in wanted & set(index):
            parts |= _indexed_part(model, name, index[name], weights.folder / name, dtypes)
        pipe = pipeline.from_pretrained(weights.folder, local_files_only=True, **parts, **common)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as wrong:
        if is_out_of_memory(wrong):
            raise
        raise BadWeights(
            f"The weights of {model.id} do not fit the model: incomplete, or another's. Fetch them again."
        ) from wrong
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _indexed_part(model: Model, name: str, entry: list[str], folder: Path, dtypes: dict[str, Any]) -> dict[str, Any]:
    """A component by the index: None for one the pipeline does without, nothing for one that has no weights."""
    library, class_name = entry
    if library is None:
        return {name: None}
    if library not in ("diffusers", "transformers") or not any(folder.glob("*.safetensors")):
        return {}
    part_class = getattr(importlib.import_module(library), class_name)
    return {name: _open_part(model, name, part_class, folder, dtypes)}


def _open_part(model: Model, name: str, part_class: Any, folder: Path, dtypes: dict[str, Any]) -> Any:  # noqa: ANN401 - untyped libraries
    """One component, every tensor of it from the file."""
    part, info = part_class.from_pretrained(
        folder,
        dtype=dtypes.get(name, dtypes["default"]),
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        # Some repositories have their weights in half precision under names of their own.
        **({"variant": "fp16"} if any(folder.glob("*.fp16.safetensors")) else {}),
    )
    if missing := sorted(info["missing_keys"]):
        raise BadWeights(
            f"The weights of {model.id} are incomplete: {name} lacks {len(missing)} tensors, {missing[0]} for one."
        )
    return part


def _dtypes(video: Video, device: str) -> dict[str, Any]:
    import torch

    named = {"default": video.dtype} | dict(video.component_dtypes)
    return {part: getattr(torch, name) if device == "cuda" else torch.float32 for part, name in named.items()}


def _hush() -> None:
    """Bars are for terminals; here they would fill the worker's log."""
    import diffusers
    import transformers

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


def _index(model: Model, folder: Path) -> dict[str, list[str]]:
    """The components the folder speaks of: name to library and class, both None for one it does without."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        found = str(index["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise BadWeights(
            f"The folder of {model.id} is no pipeline of diffusers: its model_index.json is missing or damaged."
        ) from wrong
    expected = video_of(model)
    if found not in (expected.pipeline, *expected.also_pipelines):
        raise BadWeights(f"The folder of {model.id} holds a {found[:60]}, not a {expected.pipeline}.")
    return {name: part for name, part in index.items() if isinstance(part, list) and len(part) == 2}


def _unload(loaded: Loaded) -> None:
    """A pipeline and its hooks refer to one another: let go of the parts by hand, and the collector finds the rest."""
    if loaded.cheap and loaded.device == "cuda":
        loaded.pipe.remove_all_hooks()
    loaded.pipe = None
