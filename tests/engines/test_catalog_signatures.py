"""What the catalog says of a pipeline is true of its class."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import diffusers
import pytest

from shared.catalog import catalog
from shared.catalog.model import Model

MODELS = [model for model in catalog().values() if model.video]
# CogVideoX 1.5 was trained on two tokens fewer than 1.0, with which it shares its pipeline.
SHORTER = {"cogvideox-1.5-5b": 224, "cogvideox-1.5-5b-i2v": 224}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_the_call_knows_every_argument(model: Model) -> None:
    video = model.video
    assert video is not None
    pipeline = getattr(diffusers, video.pipeline)
    known = set(inspect.signature(pipeline.__call__).parameters)
    assert set(video.arguments.names) <= known
    assert set(video.constants) <= known
    assert {"generator", "output_type"} <= known
    assert ("callback_on_step_end" in known) == (video.progress == "callback")
    required = [
        name
        for name, parameter in inspect.signature(pipeline.__call__).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name != "self"
    ]
    assert set(required) <= set(video.arguments.names)
    for other in ("negative_prompt", "image", "guidance_scale", "width", "height"):
        assert (other in known) == (other in video.arguments.names), other
    if video.caches_prompt:
        assert {"prompt_embeds", "negative_prompt_embeds"} <= known
        encode = set(inspect.signature(pipeline.encode_prompt).parameters)
        assert {"prompt", "negative_prompt", "do_classifier_free_guidance", "device", *video.constants} - encode <= {
            "guidance_scale_2"
        }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_words_are_as_many_tokens_as_the_model_was_trained_on(model: Model) -> None:
    """Wan's `encode_prompt` alone stops at 226 tokens, its call at 512."""
    video = model.video
    assert video is not None
    pipeline = getattr(diffusers, video.pipeline)
    taken_by = pipeline.encode_prompt if video.caches_prompt else pipeline.__call__
    ours = video.constants.get("max_sequence_length", default_of(taken_by))
    assert ours == SHORTER.get(model.id, default_of(pipeline.__call__))


def default_of(function: Callable[..., object]) -> object:
    parameter = inspect.signature(function).parameters.get("max_sequence_length")
    return None if parameter is None else parameter.default


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_the_pipeline_has_the_parts(model: Model) -> None:
    video = model.video
    assert video is not None
    pipeline = getattr(diffusers, video.pipeline)
    parts = set(inspect.signature(pipeline.__init__).parameters)
    assert set(video.denoisers) <= parts
    assert set(video.component_dtypes) <= parts
    assert set(video.parts) <= parts
    assert all(hasattr(diffusers, part.component_class) for part in video.parts.values())
    assert all(hasattr(diffusers, name) for name in video.also_pipelines)
    assert set(video.share.parts if video.share else ()) <= parts
    assert hasattr(pipeline, "load_lora_weights") or not video.lora


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_the_blocks_to_compile_are_in_the_denoisers_own_module(model: Model) -> None:
    video = model.video
    assert video is not None
    module = inspect.getmodule(getattr(diffusers, video.pipeline))
    denoisers = [
        value
        for name, value in vars(module).items()
        if inspect.isclass(value) and ("Transformer3DModel" in name or name == "SanaVideoTransformer3DModel")
    ]
    homes = [inspect.getmodule(value) for value in denoisers]
    assert all(any(hasattr(home, block) for home in homes) for block in video.blocks)
    caches = {profile.cache for profile in video.profiles.values()} - {"none"}
    assert not caches or all(hasattr(value, "enable_cache") for value in denoisers)
