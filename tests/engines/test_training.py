"""TRAIN_TWIN on a tiny CogVideoX: what is made, how it is resumed, what RENDER makes of it, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from gpu_worker.context import Checkpoints, JobContext, Produced
from gpu_worker.engines.device import HostMemory
from gpu_worker.engines.diffusion import clip
from gpu_worker.engines.diffusion.choice import ready
from gpu_worker.engines.lipsync.s3fd import S3fd
from gpu_worker.engines.lipsync.wav2lip import Wav2Lip
from gpu_worker.engines.pool import EnginePool, MemoryExhausted
from gpu_worker.engines.training import checkpoint, trainer, twin
from gpu_worker.engines.training.faces import CountFaces, counter
from gpu_worker.engines.training.families import family_of
from gpu_worker.engines.training.pictures import chosen_pictures
from gpu_worker.engines.training.progress import Pace
from gpu_worker.job_types import train_twin
from gpu_worker.settings import WorkerSettings
from shared.catalog import catalog
from shared.catalog.model import Model, SizeRule
from shared.catalog.rules import Refused
from shared.errors import EngineFailed, EngineUnavailable, InvalidParams, JobCanceled
from shared.job_types import JobType, TrainTwinParams, parse_params
from shared.references import lora_reference

CONSENT = {"who": "Ada Byron", "when": "2026-11-21", "what_for": "films of mine"}
FAST = {"name": "ada", "model": "tiny-t2v", "steps": 20, "rank": 4, "learning_rate": 0.01}


class Studio:
    """Trains in this process; `kept` is what its checkpoints would bring to the next worker."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder, self.models, self.kept = folder, models, folder / "kept"
        self.kept.mkdir()
        self.pool = EnginePool(HostMemory())
        self.inputs: dict[str, Path] = {}
        self.reports: list[tuple[str, int, str]] = []
        self.previews: list[bytes] = []
        self.runs = 0
        for number in range(6):
            self.picture(number, noise(number))

    def picture(self, number: int, picture: Image.Image) -> None:
        path = self.folder / f"{number}.png"
        picture.save(path)
        self.inputs[f"storage://uploads/{number}.png"] = path

    def train(
        self, report: Callable[..., None] | None = None, count_faces: CountFaces | None = None, **params: Any
    ) -> Produced:
        self.runs += 1
        workdir = self.folder / f"work-{self.runs}"
        workdir.mkdir()
        asked = parse_params(JobType.TRAIN_TWIN, FAST | {"images": list(self.inputs)} | params)
        assert isinstance(asked, TrainTwinParams)
        kept = Checkpoints(self.kept, lambda path, name: shutil.copy(path, self.kept / name) and None)
        context = JobContext(
            workdir, self.inputs, report or self._report, checkpoints=kept, preview=self.previews.append
        )
        settings = WorkerSettings()
        here = ready(asked, catalog(settings.model_catalog_dir)[asked.model or ""], settings, self.models)
        return twin.train(asked, context, here, count_faces, self.pool)

    def render(self, **params: Any) -> bytes:
        asked = parse_params(
            JobType.RENDER,
            {"prompt": "ohwx", "model": "tiny-t2v", "duration": 1, "resolution": "240p", "seed": 7} | params,
        )
        workdir = self.folder / "film"
        workdir.mkdir(exist_ok=True)
        settings = WorkerSettings()
        here = ready(asked, catalog(settings.model_catalog_dir)[asked.model or ""], settings, self.models)  # type: ignore[arg-type] # RENDER's
        context = JobContext(workdir, self.inputs, self._report)
        return clip.make(asked, context, here, self.pool).files[0].path.read_bytes()  # type: ignore[arg-type] # RENDER's

    def _report(self, stage: str, progress: int, message: str = "") -> None:
        self.reports.append((stage, progress, message))


def noise(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def studio(
    tmp_path: Path, tiny_models: Path, tiny_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Studio:
    for name, value in tiny_environment.items():
        monkeypatch.setenv(name, value)
    return Studio(tmp_path, tiny_models / "models")


def weights(produced: Produced) -> dict[str, torch.Tensor]:
    return dict(load_file(produced.files[0].path))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_twin_learns_says_how_and_changes_the_film(studio: Studio) -> None:
    produced = studio.train(steps=100, consent=CONSENT)
    engine = produced.engine
    losses = list(engine["losses"].values())
    assert list(engine["losses"]) == ["0", "12", "24", "36", "48", "60", "72", "84", "96", "100"]
    assert losses[-1] < losses[0], "judged at the same noise"
    assert (engine["name"], engine["device"], engine["steps"], engine["rank"], engine["images"]) == (
        "tiny-t2v", "cpu", 100, 4, 6,
    )  # fmt: skip
    assert (engine["optimizer"], engine["caption"]) == ("AdamW", "a photo of ohwx person")
    assert json.loads(json.dumps(engine)) == engine
    assert [file.kind for file in produced.files] == ["model", *["image"] * 9]
    assert len(studio.previews) == 9
    assert not produced.retire
    card = produced.twin
    assert card is not None
    assert (card.name, card.base_model, card.trigger, card.images) == ("ada", "tiny-t2v", "ohwx", 6)
    assert card.consent is not None
    assert card.consent.who == "Ada Byron"
    plain = studio.render()
    studio.inputs[lora_reference("ada")] = produced.files[0].path
    assert studio.render(lora="ada") != plain
    assert studio.render() == plain


def test_the_file_says_what_it_is(studio: Studio) -> None:
    made = studio.train(consent=CONSENT).files[0].path
    with safe_open(made, framework="pt") as file:
        said = file.metadata()
    assert {name: said[name] for name in ("base_model", "base_repo", "trigger", "rank", "steps", "images")} == {
        "base_model": "tiny-t2v", "base_repo": "tiny/tiny-t2v", "trigger": "ohwx", "rank": "4", "steps": "20",
        "images": "6",
    }  # fmt: skip
    assert len(said["consent_sha256"]) == 64
    assert "Ada" not in json.dumps(said), "the statement itself does not travel with the file"


def test_progress_rises_with_pace_and_time_left(studio: Studio) -> None:
    studio.train()
    values = [progress for _, progress, _ in studio.reports]
    assert values == sorted(values)
    steps = [message for stage, _, message in studio.reports if stage == "training"]
    assert len(steps) == 20
    assert steps[0].startswith("step 1/20, loss ")
    assert " s a step, about " in steps[5]
    assert [stage for stage, _, _ in studio.reports][-1] == "looking"


def test_the_time_left_is_that_of_the_steps_alone() -> None:
    now, said = [0.0], list[str]()
    pace = Pace(lambda _stage, _progress, message="": said.append(message), steps=10, done=4, clock=lambda: now[0])
    for seconds in (60.0, 2.0, 4.0):
        pace.begin()
        now[0] += seconds
        pace.end(0.5)
        now[0] += 1000
    assert said == [
        "step 5/10, loss 0.500",
        "step 6/10, loss 0.500, 2 s a step, about 8 s left",
        "step 7/10, loss 0.500, 3 s a step, about 9 s left",
    ]


@pytest.mark.parametrize("lost_at", ["step 7/20", "step 13/20", "step 10/20: a sample"])
def test_a_lost_worker_costs_no_bit(studio: Studio, lost_at: str) -> None:
    whole = studio.train()
    shutil.rmtree(studio.kept)
    studio.kept.mkdir()

    def lose(_stage: str, _progress: int, message: str = "") -> None:
        if message.startswith(lost_at):
            raise JobCanceled

    with pytest.raises(JobCanceled):
        studio.train(lose)
    # Whatever else the process drew in between must not matter.
    torch.manual_seed(99)
    resumed = studio.train()
    assert resumed.engine["resumed_from_step"] == (10 if "13" in lost_at else 5)
    assert same(weights(resumed), weights(whole))
    assert resumed.engine["losses"] == whole.engine["losses"]
    assert [file.path.name for file in resumed.files] == [file.path.name for file in whole.files]
    assert [f.path.read_bytes() for f in resumed.files[1:]] == [f.path.read_bytes() for f in whole.files[1:]]


def test_another_seed_is_another_twin(studio: Studio) -> None:
    first = studio.train()
    other = studio.train(seed=1)
    assert "resumed_from_step" not in other.engine, "a checkpoint of another plan is none"
    assert not same(weights(first), weights(other))


def test_a_damaged_checkpoint_is_none(studio: Studio) -> None:
    whole = studio.train()
    kept = studio.kept / checkpoint.NAME
    kept.write_bytes(kept.read_bytes()[:-10])
    again = studio.train()
    assert "resumed_from_step" not in again.engine
    assert same(weights(again), weights(whole))


def test_pictures_that_will_not_do_are_named(studio: Studio) -> None:
    studio.picture(1, noise(1, (40, 15)))
    studio.inputs["storage://uploads/2.png"].write_bytes(b"GIF89a and no more")
    with pytest.raises(InvalidParams) as refused:
        studio.train()
    assert "images[1]: This picture is too small" in str(refused.value)
    assert "images[2]: This file is not a picture" in str(refused.value)


def test_a_picture_much_smaller_than_the_models_is_refused_with_the_least(studio: Studio) -> None:
    for number in range(6):
        studio.picture(number, noise(number, (720, 480)))
    studio.picture(2, noise(2, (900, 239)))
    asked = TrainTwinParams(images=list(studio.inputs), name="ada")
    sizes = SizeRule(multiple=16, buckets=((720, 480), (480, 720)))
    with pytest.raises(InvalidParams, match=r"^images\[2\]: 900x239 is too small: 240 pixels a side are the least\.$"):
        chosen_pictures(asked, JobContext(studio.folder, studio.inputs, lambda *_: None), sizes, None)


def test_the_same_picture_twice_is_left_out_and_too_few_are_refused(studio: Studio) -> None:
    with Image.open(studio.inputs["storage://uploads/0.png"]) as first:
        first.resize((192, 128)).save(studio.folder / "copy.jpg", quality=40)
    studio.inputs["storage://uploads/copy.jpg"] = studio.folder / "copy.jpg"
    produced = studio.train()
    assert "images[6] was left out: it is the same picture as images[0]" in produced.engine["made"]
    assert produced.engine["images"] == 6
    with pytest.raises(InvalidParams, match=r"only 4 different pictures are left, and 5 are needed; images\[4\]"):
        studio.train(images=[*list(studio.inputs)[:4], "storage://uploads/copy.jpg"])


def test_a_person_needs_a_face_and_a_thing_does_not(studio: Studio) -> None:
    counts = iter([1, 0, 2, 1, 1, 1])
    with pytest.raises(InvalidParams, match=r"images\[1\]: no face is to be seen; for what is no person, say"):
        studio.train(count_faces=lambda _: next(counts))
    produced = studio.train(count_faces=lambda picture: picture.getpixel((0, 0))[0] % 2 + 1)  # type: ignore[index] # RGB
    shown = [note for note in produced.engine["made"] if "shows 2 faces" in note]
    assert len(shown) == sum(noise(n).getpixel((0, 0))[0] % 2 for n in range(6))  # type: ignore[index,misc] # RGB
    assert studio.train(count_faces=lambda _: 0, subject="teapot").engine["made"] == []
    assert "faces were not looked for" in studio.train().engine["made"][0]


def test_faces_are_counted_by_the_detector_of_wav2lip_where_it_is(studio: Studio) -> None:
    assert counter(WorkerSettings(), "cpu", studio.models) is None
    folder = studio.folder / "models" / "wav2lip"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    save_file(Wav2Lip(4).state_dict(), folder / "wav2lip_gan.safetensors")
    save_file(S3fd(4).state_dict(), folder / "s3fd.safetensors")
    count = counter(WorkerSettings(), "cpu", folder.parent)
    assert count is not None
    picture = noise(0)
    assert isinstance(count(picture), int)
    assert picture.size == (96, 64), "the picture itself is left as it was"


def test_portraits_and_landscapes_are_cut_to_their_own_buckets(studio: Studio) -> None:
    studio.picture(3, noise(3, (64, 64)))
    assert studio.train().engine["sizes"] == ["32x32", "48x32"]


def test_numbers_out_of_range_end_it_in_words(studio: Studio) -> None:
    material = trainer.Material(
        [torch.full((1, 1, 4, 4, 4), float("nan"))], torch.zeros(1, 16, 32), torch.zeros(1, 16, 32)
    )
    pipe = _tiny_pipe(studio)
    training = trainer.Trainer(pipe.transformer, "cpu", family_of(pipe), material, rank=2, rate=1e-4, steps=5, seed=0)
    with pytest.raises(EngineFailed, match="smaller learning_rate"):
        training.step(0)


def _tiny_pipe(studio: Studio) -> Any:
    from diffusers import CogVideoXPipeline

    return CogVideoXPipeline.from_pretrained(studio.models / "tiny-t2v")


def test_out_of_memory_ends_in_words_and_asks_for_a_fresh_worker(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_given: Any, **_named: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(trainer.Trainer, "step", burst)
    with pytest.raises(MemoryExhausted, match="too small to train"):
        studio.train()


def test_what_this_worker_cannot_train_is_refused_by_the_params_alone(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = list(studio.inputs)
    train_twin.check(TrainTwinParams(images=images, name="me", model="tiny-t2v"))
    with pytest.raises(Refused, match="is for IMG2VID, not for TRAIN_TWIN"):
        train_twin.check(TrainTwinParams(images=images, name="me", model="tiny-i2v"))
    monkeypatch.setenv("MODEL_DIR", str(studio.folder))
    with pytest.raises(EngineUnavailable, match="weights of cogvideox-5b are not on this worker"):
        train_twin.check(TrainTwinParams(images=images, name="me"))


def test_wan_is_trained_by_its_own_objective(studio: Studio) -> None:
    produced = studio.train(model="tiny-wan", steps=60)
    losses = list(produced.engine["losses"].values())
    assert losses[-1] < losses[0]
    plain = studio.render(model="tiny-wan")
    studio.inputs[lora_reference("ada")] = produced.files[0].path
    assert studio.render(model="tiny-wan", lora="ada") != plain


class NestedAdam(torch.optim.AdamW):
    """Keeps its state as bitsandbytes 0.50 does: most of it one level deeper."""

    DEEPER = "__bnb_optimizer_quant_state__"

    def state_dict(self) -> dict[str, Any]:
        whole = super().state_dict()
        return whole | {
            "state": {
                index: {"step": int(entry["step"]), self.DEEPER: {k: v for k, v in entry.items() if k != "step"}}
                for index, entry in whole["state"].items()
            }
        }

    def load_state_dict(self, whole: dict[str, Any]) -> None:
        state = {
            index: {"step": torch.tensor(float(entry["step"]))} | entry[self.DEEPER]
            for index, entry in whole["state"].items()
        }
        super().load_state_dict(whole | {"state": state})


@pytest.fixture
def bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As the package looks to those that import it."""
    package, optim = ModuleType("bitsandbytes"), ModuleType("bitsandbytes.optim")
    package.__spec__ = ModuleSpec("bitsandbytes", None)
    optim.AdamW8bit = NestedAdam  # type: ignore[attr-defined] # a module made by hand
    monkeypatch.setitem(sys.modules, "bitsandbytes", package)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", optim)
    return optim


def optimizer_on(device: str) -> tuple[type, str]:
    made, name = trainer.optimizer_for([torch.nn.Parameter(torch.zeros(2))], 1e-4, device)
    return type(made), name


def test_eight_bit_adam_is_taken_on_a_gpu_where_it_is_installed(bitsandbytes: ModuleType) -> None:
    assert optimizer_on("cuda") == (NestedAdam, "AdamW, 8 bits")
    assert optimizer_on("cpu") == (torch.optim.AdamW, "AdamW")
    del bitsandbytes.AdamW8bit
    assert optimizer_on("cuda") == (torch.optim.AdamW, "AdamW"), "installed, and of no use"


def test_without_it_the_result_names_what_stood_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bitsandbytes", raising=False)
    monkeypatch.setattr(trainer.importlib.util, "find_spec", lambda _name: None)
    assert optimizer_on("cuda") == (torch.optim.AdamW, "AdamW")


def test_a_lost_worker_costs_no_bit_with_an_optimizer_of_another_shape_either(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    eight_bits = lambda parameters, rate, _device: (NestedAdam(parameters, lr=rate), "AdamW, 8 bits")  # noqa: E731 - one line
    monkeypatch.setattr(trainer, "optimizer_for", eight_bits)
    whole = studio.train()
    assert whole.engine["optimizer"] == "AdamW, 8 bits"
    shutil.rmtree(studio.kept)
    studio.kept.mkdir()

    def lose(_stage: str, _progress: int, message: str = "") -> None:
        if message.startswith("step 13/20"):
            raise JobCanceled

    with pytest.raises(JobCanceled):
        studio.train(lose)
    resumed = studio.train()
    assert resumed.engine["resumed_from_step"] == 10
    assert same(weights(resumed), weights(whole))


@pytest.mark.parametrize(
    "model", [m for m in catalog().values() if JobType.TRAIN_TWIN in m.job_types], ids=lambda m: m.id
)
def test_what_the_catalog_calls_trainable_is(model: Model) -> None:
    video = model.video
    assert video is not None
    assert video.lora
    assert video.caches_prompt
    assert family_of(type(video.pipeline, (), {})())
    with pytest.raises(EngineUnavailable, match="does not know how MochiPipeline is trained"):
        family_of(type("MochiPipeline", (), {})())
