"""RENDER and IMG2VID by diffusion, on tiny models: what is made, what is said, and every way it can fail."""

from __future__ import annotations

import gc
import io
import json
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from diffusers import CogVideoXPipeline, CogVideoXTransformer3DModel
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import T5EncoderModel

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines.device import HostMemory
from gpu_worker.engines.diffusion import clip, tuning
from gpu_worker.engines.diffusion.choice import Ready, ready
from gpu_worker.engines.diffusion.loading import Loaded, recipe
from gpu_worker.engines.diffusion.prompts import PromptCache
from gpu_worker.engines.diffusion.shots import Order, shoot
from gpu_worker.engines.diffusion.steps import StepWatch, glimpse
from gpu_worker.engines.pool import EnginePool, MemoryExhausted
from gpu_worker.job_types import run_job
from gpu_worker.models.files import BadWeights
from gpu_worker.settings import WorkerSettings
from shared.catalog import catalog
from shared.catalog.model import Memory, Profile
from shared.errors import EngineUnavailable, InvalidParams, JobCanceled
from shared.job_types import JobType, parse_params
from shared.references import lora_reference
from tests.engines import tiny

PICTURE = "storage://uploads/picture.png"
SMALL = {"duration": 1, "resolution": "240p", "seed": 7}


class Studio:
    """Runs jobs in this process, with a pool of its own."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.workdir, self.models = folder / "work", models
        self.workdir.mkdir()
        self.pool = EnginePool(HostMemory())
        self.inputs = {PICTURE: folder / "picture.png"}
        self.reports: list[tuple[str, int, str]] = []
        self.previews: list[bytes] = []
        pixels = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(self.inputs[PICTURE])

    def run(self, job_type: str, report: Callable[..., None] | None = None, **params: Any) -> Produced:
        kind = JobType(job_type)
        asked = parse_params(kind, SMALL | params)
        context = JobContext(self.workdir, self.inputs, report or self._report, preview=self.previews.append)
        return clip.make(asked, context, self.ready(kind, asked), self.pool)  # type: ignore[arg-type] # one of the two

    def ready(self, kind: JobType, asked: Any) -> Ready:
        settings = WorkerSettings()
        return ready(asked, catalog(settings.model_catalog_dir)[asked.model], settings, self.models)

    def loaded(self, model: str) -> Loaded:
        kind = JobType.IMG2VID if model == "tiny-i2v" else JobType.RENDER
        params = {"image_url": PICTURE} if kind is JobType.IMG2VID else {"prompt": "x"}
        here = self.ready(kind, parse_params(kind, SMALL | params | {"model": model}))
        video = here.model.video
        assert video is not None
        how = recipe(here.model, here.weights[model], video.profiles["exact"], "cpu", self.pool)
        with self.pool.hold(how) as loaded:
            return loaded

    def _report(self, stage: str, progress: int, message: str = "") -> None:
        self.reports.append((stage, progress, message))


@pytest.fixture
def studio(
    tmp_path: Path, tiny_models: Path, tiny_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Studio:
    for name, value in tiny_environment.items():
        monkeypatch.setenv(name, value)
    return Studio(tmp_path, tiny_models / "models")


def frames(produced: Produced) -> NDArray[np.uint8]:
    with av.open(str(produced.files[0].path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]).astype(np.uint8)


def test_a_clip_is_as_long_and_as_large_as_asked_and_says_how(studio: Studio) -> None:
    produced = studio.run("RENDER", prompt="a fox runs", model="tiny-t2v")
    assert frames(produced).shape == (8, 240, 426, 3)
    assert (produced.files[0].fps, produced.files[0].duration_seconds) == (8.0, 1.0)
    engine = produced.engine
    assert (engine["name"], engine["device"], engine["seed"], engine["steps"], engine["guidance"]) == (
        "tiny-t2v", "cpu", 7, 3, 6.0,
    )  # fmt: skip
    assert engine["native"] == {"width": 48, "height": 32, "fps": 8, "shots": [9]}
    assert engine["made"][0] == "9 frames made, the first 8 kept: this model makes certain counts alone"
    assert {"load", "generate", "encode"} == engine["timings"].keys()
    assert json.loads(json.dumps(engine)) == engine
    assert not produced.retire


def test_progress_rises_step_by_step_with_its_pace(studio: Studio) -> None:
    studio.run("RENDER", prompt="a fox runs", model="tiny-t2v", duration=3, steps=4)
    values = [progress for _, progress, _ in studio.reports]
    assert values == sorted(values)
    steps = [message for stage, _, message in studio.reports if stage in ("denoising", "decoding")]
    assert steps[0] == "shot 1/2, step 0/4"
    assert steps[2].startswith("shot 1/2, step 2/4, ")
    assert "s a step, about " in steps[2]
    assert steps[-1].startswith("shot 2/2, step 4/4, ")
    assert [stage for stage, _, _ in studio.reports][-1] == "encoding"


def test_the_same_seed_is_the_same_film_and_another_is_not(studio: Studio) -> None:
    first, again, other = (
        frames(studio.run("RENDER", prompt="a fox", model="tiny-t2v", seed=seed)) for seed in (7, 7, 8)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("model", ["tiny-t2v", "tiny-wan"])
def test_frames_are_those_of_the_pipeline_called_by_itself(studio: Studio, model: str) -> None:
    """Words that were encoded apart are the words the call would have encoded."""
    loaded = studio.loaded(model)
    order = Order("a fox", "", loaded.video.frames.least, (32, 32), seed=7, steps=2, guidance=6.0)
    watch = StepWatch(lambda *_: None, lambda _: None, shots=1, steps=2)
    watch.begin()
    ours = np.stack(shoot(loaded, order, watch, PromptCache()))
    tiny_lengths = {"max_sequence_length": 16} if model == "tiny-t2v" else {}
    [theirs] = loaded.pipe(
        "a fox", height=32, width=32, num_frames=order.frames, num_inference_steps=2, guidance_scale=6.0,
        generator=torch.Generator("cpu").manual_seed(7), output_type="np", **tiny_lengths,
    ).frames  # fmt: skip
    assert np.abs(ours - np.asarray(theirs) * 255).max() < 2


def test_a_long_clip_goes_on_from_its_last_picture(studio: Studio) -> None:
    short = frames(studio.run("RENDER", prompt="a fox", model="tiny-t2v", duration=2.125))
    produced = studio.run("RENDER", prompt="a fox", model="tiny-t2v", duration=3)
    assert produced.engine["native"]["shots"] == [17, 9]
    assert len(frames(produced)) == 24
    assert len(short) == 17
    assert np.abs(frames(produced)[:16].astype(int) - short[:16]).mean() < 2, "the first shot is the short clip's"
    assert len(studio.pool.resident()) == 2


def test_engines_of_a_group_share_their_parts(studio: Studio) -> None:
    text_to_video, image_to_video = studio.loaded("tiny-t2v"), studio.loaded("tiny-i2v")
    assert text_to_video.pipe.text_encoder is image_to_video.pipe.text_encoder
    assert text_to_video.pipe.vae is image_to_video.pipe.vae
    assert text_to_video.pipe.transformer is not image_to_video.pipe.transformer


def test_an_evicted_engine_is_gone(studio: Studio) -> None:
    transformer = weakref.ref(studio.loaded("tiny-t2v").pipe.transformer)
    studio.run("RENDER", prompt="a fox", model="tiny-t2v")
    assert transformer() is not None
    studio.pool.evict_idle()
    gc.collect()
    assert transformer() is None


def test_words_are_encoded_once(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = T5EncoderModel.forward

    def counted(self: T5EncoderModel, *given: Any, **named: Any) -> Any:
        calls.append(1)
        return real(self, *given, **named)

    monkeypatch.setattr(T5EncoderModel, "forward", counted)
    first = frames(studio.run("RENDER", prompt="a word said once", model="tiny-t2v"))
    assert len(calls) == 2, "the prompt and the negative prompt"
    assert np.array_equal(frames(studio.run("RENDER", prompt="a word said once", model="tiny-t2v")), first)
    assert len(calls) == 2


class SmallCard(HostMemory):
    """So many GB in all."""

    def __init__(self, gigabytes: int) -> None:
        self._gigabytes = gigabytes

    def total(self) -> int:
        return self._gigabytes * 10**9


@pytest.mark.parametrize(
    ("gigabytes", "aside", "off_loaded"), [(40, False, False), (25, True, False), (15, False, True)]
)
def test_on_a_small_card_the_text_encoder_stays_away_and_on_a_smaller_one_everything(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, gigabytes: int, aside: bool, off_loaded: bool
) -> None:
    here = studio.ready(JobType.RENDER, parse_params(JobType.RENDER, SMALL | {"prompt": "x", "model": "tiny-t2v"}))
    model = here.model.model_copy(update={"memory": Memory(resident_gb=20, peak_gb=30, offload_gb=5)})
    assert model.video is not None
    pool = EnginePool(SmallCard(gigabytes))
    moved: list[str] = []
    real = T5EncoderModel.to

    def move(self: T5EncoderModel, device: Any, *more: Any, **named: Any) -> Any:
        moved.append(str(device))
        return real(self, device, *more, **named)

    monkeypatch.setattr(T5EncoderModel, "to", move)
    how = recipe(model, here.weights["tiny-t2v"], model.video.profiles["exact"], "cpu", pool)
    with pool.hold(how) as loaded:
        assert (loaded.aside, loaded.cheap) == (aside, off_loaded)
        assert loaded.pipe.vae.use_tiling == (aside or off_loaded)
        assert bool(moved) != aside, "it does not go to the device with the others"
        moved.clear()
        PromptCache().arguments(loaded, "a fox", "", 6.0)
    assert moved == (["cpu", "cpu"] if aside else ["cpu"]), "to the device, and back where there is no room for it"


def test_a_picture_is_set_in_motion(studio: Studio) -> None:
    produced = studio.run("IMG2VID", image_url=PICTURE, prompt="it moves", model="tiny-i2v", fit="pad")
    assert frames(produced).shape == (8, 240, 426, 3)
    assert produced.engine["prompt"] == "it moves. The camera slowly zooms in."
    assert not frames(produced)[0][:, :20].any(), "bars at the side"


def test_a_model_that_hears_no_words_says_so(studio: Studio) -> None:
    produced = studio.run("IMG2VID", image_url=PICTURE, prompt="it moves", model="tiny-svd", duration=0.5)
    assert produced.engine["ignored"] == ["prompt"]
    assert (len(frames(produced)), produced.files[0].fps) == (4, 7.0)


def test_behind_render_it_has_its_first_picture_drawn(studio: Studio) -> None:
    produced = studio.run("RENDER", prompt="a fox", model="tiny-svd", duration=0.5)
    assert produced.engine["first_picture_by"] == "tiny-painter"
    assert "ignored" not in produced.engine
    assert len(frames(produced)) == 4


def test_a_part_may_come_from_elsewhere(studio: Studio) -> None:
    produced = studio.run("RENDER", prompt="a fox", model="tiny-animatediff", duration=0.5)
    assert len(frames(produced)) == 4


def test_a_pipeline_that_calls_nobody_back_is_followed_too(studio: Studio) -> None:
    loud = frames(studio.run("RENDER", prompt="a fox", model="tiny-t2v"))
    studio.reports.clear()
    silent = frames(studio.run("RENDER", prompt="a fox", model="tiny-silent"))
    assert np.array_equal(loud, silent)
    assert [message[:8] for stage, _, message in studio.reports if stage == "denoising"] == [
        "step 0/3", "step 1/3", "step 2/3",
    ]  # fmt: skip


def test_a_profile_changes_the_steps_and_is_named(studio: Studio) -> None:
    engine = studio.run("RENDER", prompt="a fox", model="tiny-t2v", profile="draft").engine
    assert (engine["profile"], engine["steps"]) == ("draft", 2)
    assert studio.run("RENDER", prompt="a fox", model="tiny-t2v", profile="draft", steps=5).engine["steps"] == 5


@pytest.mark.parametrize("cache", ["pyramid", "faster", "first-block", "taylor"])
def test_a_cache_forgets_between_two_films(studio: Studio, cache: Any) -> None:
    here = studio.ready(JobType.RENDER, parse_params(JobType.RENDER, SMALL | {"prompt": "x", "model": "tiny-t2v"}))
    how = recipe(here.model, here.weights["tiny-t2v"], Profile(changes="", cache=cache), "cpu", studio.pool)
    order = Order("a fox", "", 9, (32, 32), seed=7, steps=8, guidance=6.0)

    def film(loaded: Loaded) -> NDArray[np.uint8]:
        watch = StepWatch(lambda *_: None, lambda _: None, shots=1, steps=8)
        watch.begin()
        return np.stack(shoot(loaded, order, watch, PromptCache()))

    assert np.array_equal(studio.pool.run(how, film), studio.pool.run(how, film))


def test_eight_bit_weights_go_into_the_blocks_alone_and_change_the_picture_a_little(studio: Studio) -> None:
    order = Order("a fox", "", 9, (32, 32), seed=7, steps=3, guidance=6.0)
    loaded = studio.loaded("tiny-t2v")

    def film() -> NDArray[np.int16]:
        watch = StepWatch(lambda *_: None, lambda _: None, shots=1, steps=3)
        watch.begin()
        return np.stack(shoot(loaded, order, watch, PromptCache())).astype(np.int16)

    full = film()
    # As on a GPU; this kind of numbers is one that a CPU has too.
    assert tuning.quantize(loaded.pipe.transformer, ("CogVideoXBlock",), "int8", "cuda") == []
    [block, *_] = loaded.pipe.transformer.transformer_blocks
    assert type(block.attn1.to_q.weight).__name__ == "Int8Tensor"
    assert type(loaded.pipe.transformer.proj_out.weight) is torch.nn.Parameter
    narrow = film()
    assert 0 < np.abs(narrow - full).mean() < 3


@pytest.mark.parametrize("cache", ["none", "pyramid"])
def test_compiled_blocks_compute_the_same_with_and_without_a_lora(
    studio: Studio, tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch, cache: Any
) -> None:
    twin = tmp_path / "twin.safetensors"
    tiny.lora(twin, CogVideoXPipeline.from_pretrained(tiny_models / "models" / "tiny-t2v"))
    here = studio.ready(JobType.RENDER, parse_params(JobType.RENDER, SMALL | {"prompt": "x", "model": "tiny-t2v"}))
    how = recipe(here.model, here.weights["tiny-t2v"], Profile(changes="", cache=cache), "cpu", studio.pool)

    def films(loaded: Loaded) -> list[NDArray[np.uint8]]:
        made = []
        for lora in (None, twin, None):
            watch = StepWatch(lambda *_: None, lambda _: None, shots=1, steps=4)
            watch.begin()
            order = Order("a fox", "", 9, (32, 32), seed=7, steps=4, guidance=6.0, lora=lora)
            made.append(np.stack(shoot(loaded, order, watch, PromptCache())))
        return made

    plain = studio.pool.run(how, films)
    studio.pool.evict_idle()
    real = tuning.place

    def compiled(loaded: Loaded) -> None:
        # Before caches are hooked in, as on a GPU; with a backend that needs no C++ compiler.
        real(loaded)
        blocks = ("CogVideoXBlock",)
        tuning.compile_blocks(loaded.pipe.transformer, blocks, whole=cache == "none", backend="aot_eager")

    monkeypatch.setattr(tuning, "place", compiled)
    torch._dynamo.utils.counters.clear()
    assert all(np.array_equal(a, b) for a, b in zip(plain, studio.pool.run(how, films), strict=True))
    assert 0 < torch._dynamo.utils.counters["stats"]["unique_graphs"] < 20, "not one for each block and step"


@pytest.mark.parametrize("model", ["tiny-t2v", "tiny-silent"])
def test_a_cancel_stops_between_two_steps_and_the_engine_goes_on(studio: Studio, model: str) -> None:
    before = frames(studio.run("RENDER", prompt="a fox", model=model))
    said = []

    def report(stage: str, progress: int, message: str = "") -> None:
        said.append(message)
        if message.startswith("step 2/"):
            raise JobCanceled

    with pytest.raises(JobCanceled):
        studio.run("RENDER", report, prompt="a fox", model=model, steps=50)
    assert said[-1].startswith("step 2/50"), "nothing is decoded, nothing more is said"
    assert np.array_equal(frames(studio.run("RENDER", prompt="a fox", model=model)), before)


def test_a_lora_is_there_for_its_job_alone(studio: Studio, tmp_path: Path, tiny_models: Path) -> None:
    tiny.lora(tmp_path / "twin.safetensors", CogVideoXPipeline.from_pretrained(tiny_models / "models" / "tiny-t2v"))
    studio.inputs[lora_reference("me")] = tmp_path / "twin.safetensors"
    plain = frames(studio.run("RENDER", prompt="a fox", model="tiny-t2v"))
    produced = studio.run("RENDER", prompt="a fox", model="tiny-t2v", lora="me")
    assert produced.engine["lora"] == "me"
    assert not np.array_equal(frames(produced), plain)
    assert np.array_equal(frames(studio.run("RENDER", prompt="a fox", model="tiny-t2v")), plain)


def test_a_lora_has_full_weights_under_it_and_the_result_says_so(
    studio: Studio, tmp_path: Path, tiny_models: Path
) -> None:
    tiny.lora(tmp_path / "twin.safetensors", CogVideoXPipeline.from_pretrained(tiny_models / "models" / "tiny-t2v"))
    studio.inputs[lora_reference("me")] = tmp_path / "twin.safetensors"
    plain = studio.run("RENDER", prompt="a fox", model="tiny-t2v", profile="draft")
    assert "made with full weights: 8 bits are for GPUs" in plain.engine["made"]
    with_lora = studio.run("RENDER", prompt="a fox", model="tiny-t2v", profile="draft", lora="me")
    assert with_lora.engine["made"][-1] == "made with full weights: a LoRA does not go onto 8-bit ones"


@pytest.mark.parametrize(
    ("tensors", "word"),
    [
        ({"weight": torch.zeros(1)}, "holds no LoRA"),
        ({"transformer.transformer_blocks.0.attn1.to_q.lora_A.weight": torch.zeros(4, 999)}, "not made for"),
        (None, "not a whole safetensors file"),
    ],
)
def test_a_lora_that_is_none_or_another_models_is_refused(
    studio: Studio, tmp_path: Path, tensors: dict[str, torch.Tensor] | None, word: str
) -> None:
    plain = frames(studio.run("RENDER", prompt="a fox", model="tiny-t2v"))
    path = studio.inputs[lora_reference("uploads/x.safetensors")] = tmp_path / "x.safetensors"
    path.write_bytes(b"PK\x03\x04 a zip") if tensors is None else save_file(tensors, path)
    with pytest.raises(InvalidParams, match=word):
        studio.run("RENDER", prompt="a fox", model="tiny-t2v", lora="uploads/x.safetensors")
    assert np.array_equal(frames(studio.run("RENDER", prompt="a fox", model="tiny-t2v")), plain)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    real, calls = CogVideoXTransformer3DModel.forward, iter(range(times))

    def forward(self: CogVideoXTransformer3DModel, *given: Any, **named: Any) -> Any:
        if next(calls, None) is not None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return real(self, *given, **named)

    monkeypatch.setattr(CogVideoXTransformer3DModel, "forward", forward)


def test_out_of_memory_is_tried_once_more_in_the_cheaper_way(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = studio.run("RENDER", prompt="a fox", model="tiny-t2v")
    assert plain.engine["memory"] == "resident"
    short_of_memory(monkeypatch, 1)
    produced = studio.run("RENDER", prompt="a fox", model="tiny-t2v")
    assert produced.engine["memory"] == "off-loaded"
    assert studio.loaded("tiny-t2v").pipe.vae.use_tiling
    values = [progress for _, progress, _ in studio.reports]
    assert max(values) <= 100


def test_out_of_memory_for_good_asks_for_a_fresh_worker(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    short_of_memory(monkeypatch, 2)
    with pytest.raises(MemoryExhausted) as exhausted:
        studio.run("RENDER", prompt="a fox", model="tiny-t2v")
    assert exhausted.value.refresh_worker
    assert studio.run("RENDER", prompt="a fox", model="tiny-t2v").engine["memory"] == "resident"


def damage(kind: str, folder: Path) -> None:
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    match kind:
        case "cut off":
            file.write_bytes(file.read_bytes()[:-100])
        case "a tensor is missing":
            tensors = load_file(file)
            del tensors["norm_final.weight"]
            save_file(tensors, file)
        case "of another shape":
            save_file(load_file(file) | {"norm_final.weight": torch.zeros(3)}, file)
        case "a text tensor is missing":
            text = folder / "text_encoder" / "model.safetensors"
            tensors = load_file(text)
            del tensors["encoder.final_layer_norm.weight"]
            save_file(tensors, text)
        case "pickled":
            file.rename(file.with_suffix(".bin"))
        case "another pipeline":
            index = folder / "model_index.json"
            index.write_text(index.read_text().replace("CogVideoXPipeline", "FluxPipeline"))
        case "no index":
            (folder / "model_index.json").write_text("{")


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("cut off", "not a whole safetensors file"),
        ("a tensor is missing", "transformer lacks 1 tensors, norm_final.weight for one"),
        ("of another shape", "do not fit the model"),
        ("a text tensor is missing", "text_encoder lacks 1 tensors"),
        ("pickled", "only safetensors are used here"),
        ("another pipeline", "holds a FluxPipeline, not a CogVideoXPipeline"),
        ("no index", "model_index.json is missing or damaged"),
    ],
)
def test_bad_weights_are_refused_in_words(studio: Studio, tmp_path: Path, kind: str, word: str) -> None:
    shutil.copytree(studio.models / "tiny-t2v", tmp_path / "models" / "tiny-t2v")
    studio.models = tmp_path / "models"
    damage(kind, studio.models / "tiny-t2v")
    with pytest.raises(BadWeights, match=word) as refused:
        studio.run("RENDER", prompt="a fox", model="tiny-t2v")
    assert str(tmp_path) not in refused.value.message
    assert not refused.value.retryable_now


def context_of(studio: Studio, model_dir: Path | None) -> JobContext:
    return JobContext(studio.workdir, studio.inputs, lambda *_: None, model_dir)


def test_without_weights_the_default_falls_back_by_name(studio: Studio, tmp_path: Path) -> None:
    asked = parse_params(JobType.RENDER, SMALL | {"prompt": "a fox"})
    engine = run_job(JobType.RENDER, asked, context_of(studio, tmp_path)).engine
    assert (engine["name"], engine["fallback_for"]) == ("animatic", "cogvideox-5b")
    assert "models fetch cogvideox-5b" in engine["missing"]


def test_the_default_is_one_setting(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_RENDER", "tiny-t2v")
    asked = parse_params(JobType.RENDER, SMALL | {"prompt": "a fox"})
    assert run_job(JobType.RENDER, asked, context_of(studio, studio.models)).engine["name"] == "tiny-t2v"


def test_a_gpu_is_asked_for_unless_the_owner_says_otherwise(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_DEVICE", "auto")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    asked = parse_params(JobType.RENDER, SMALL | {"prompt": "a fox", "model": "tiny-t2v"})
    with pytest.raises(EngineUnavailable, match="no GPU"):
        run_job(JobType.RENDER, asked, context_of(studio, studio.models))


@pytest.mark.parametrize("shape", [(1, 3, 16, 8, 12), (1, 16, 3, 8, 12)])
def test_a_glimpse_shows_the_shapes_in_the_latents(shape: tuple[int, ...]) -> None:
    latents = torch.zeros(shape)
    latents[..., :6] = 1.0
    latents += 0.01 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    jpeg = glimpse(latents)
    assert jpeg is not None
    assert len(jpeg) < 8192
    picture = np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)
    assert picture.shape == (107, 160, 3)
    assert np.abs(picture[:, :60].mean((0, 1)) - picture[:, 100:].mean((0, 1))).max() > 60
    assert glimpse(torch.zeros(1, 20, 16)) is None


def test_a_preview_comes_every_few_seconds() -> None:
    now, previews = [0.0], list[bytes]()
    watch = StepWatch(lambda *_: None, previews.append, shots=1, steps=10, clock=lambda: now[0])
    watch.begin()
    for _ in range(10):
        now[0] += 2
        watch.step(torch.randn(1, 3, 4, 8, 8))
    assert len(previews) == 4
    assert watch.seconds_a_step == 2
