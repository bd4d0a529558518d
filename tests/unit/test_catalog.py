"""The catalog's files, and what follows from them for a clip: frames, sizes, shots, refusals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import FOLDER, catalog, default_for, find
from shared.catalog.model import FrameRule, Model
from shared.catalog.rules import MOST_SHOTS, Clip, Refused, check, legal_frames, longest_seconds, nearest_size, plan
from shared.errors import NotFound
from shared.job_types import Img2VidParams, JobType, RenderParams

MODELS = catalog()
VIDEO = [model for model in MODELS.values() if model.video and model.job_types]
PICTURE = "storage://uploads/face.jpg"


def test_every_file_is_a_model_and_every_default_is_clear() -> None:
    assert len(MODELS) == len(list(FOLDER.glob("*.toml"))) > 25
    defaults = {kind: default_for(kind, MODELS) for kind in JobType}
    assert {kind: model and model.id for kind, model in defaults.items()} == {
        JobType.RENDER: "cogvideox-5b",
        JobType.IMG2VID: "cogvideox-5b-i2v",
        JobType.TTS: "espeak",
        JobType.LIPSYNC: "wav2lip",
        JobType.TRAIN_TWIN: "cogvideox-5b",
        JobType.EXPORT: None,
    }
    claimed = [kind for model in MODELS.values() for kind in model.default_for]
    assert len(claimed) == len(set(claimed))


def test_what_must_not_be_sold_says_so() -> None:
    assert MODELS["wav2lip"].licence.commercial == "no"
    assert MODELS["cogvideox-5b"].licence.commercial == "register"
    assert MODELS["hunyuanvideo-1.5"].licence.regions_excluded == ("EU", "UK", "KR")
    assert all(model.licence.says for model in MODELS.values() if model.licence.commercial != "yes")


def test_weights_are_pinned_to_a_commit() -> None:
    sources = {model.id: model.source for model in MODELS.values() if model.engine == "diffusers" and model.source}
    parts = {name: part.source for model in VIDEO if model.video for name, part in model.video.parts.items()}
    loose = {name for name, source in (sources | parts).items() if not re.fullmatch("[0-9a-f]{40}", source.revision)}
    assert loose == {"wan-2.1-i2v-14b"}, "its commit is not known to us: it is pinned when it is fetched"


@pytest.mark.parametrize("model", VIDEO, ids=lambda model: model.id)
def test_who_goes_on_from_a_clip_fits_to_it(model: Model) -> None:
    video = model.video
    assert video is not None
    if video.continued_by is None:
        return
    follower = MODELS[video.continued_by].video
    assert follower is not None
    assert follower.takes_image
    assert follower.fps == video.fps
    assert set(follower.size.buckets) & set(video.size.buckets)


@given(st.integers(1, 40), st.integers(0, 39), st.integers(1, 30), st.integers(0, 30), st.integers(1, 3000))
def test_a_legal_count_is_legal_and_the_least_that_will_do(
    every: int, plus: int, n: int, more: int, wanted: int
) -> None:
    rule = FrameRule(every=every, plus=plus, least=every * n + plus, most=every * (n + more) + plus)
    count = legal_frames(rule, wanted)
    assert (count - plus) % every == 0
    assert rule.least <= count <= rule.most
    assert count >= min(wanted, rule.most)
    assert count == rule.least or count - every < wanted


@pytest.mark.parametrize("model", VIDEO, ids=lambda model: model.id)
@given(duration=st.floats(0.5, 60), width=st.integers(100, 4000), height=st.integers(100, 4000))
def test_a_clip_is_legal_shot_by_shot_or_refused(model: Model, duration: float, width: int, height: int) -> None:
    video = model.video
    assert video is not None
    if round(duration * video.fps) > longest_seconds(model, MODELS) * video.fps + 1e-6:
        with pytest.raises(Refused, match="duration: "):
            plan(model, duration, (width, height), MODELS)
        return
    clip = plan(model, duration, (width, height), MODELS)
    assert len(clip.shots) <= MOST_SHOTS
    assert abs(clip.frames / clip.fps - duration) <= 0.5 / clip.fps + 1e-9 or clip.frames == 1
    for shot in clip.shots:
        rules = shot.model.video
        assert rules is not None
        assert legal_frames(rules.frames, shot.frames) == shot.frames
        assert clip.size in rules.size.buckets
    assert sum(shot.frames for shot in clip.shots) - len(clip.shots) + 1 >= clip.frames


def test_five_seconds_at_1080p_on_a_small_model_says_every_step() -> None:
    clip = plan(MODELS["cogvideox-5b"], 5, (1920, 1080), MODELS)
    assert (clip.size, clip.fps, clip.frames, [shot.frames for shot in clip.shots]) == ((720, 480), 8, 40, [41])
    assert clip.says == (
        "41 frames made, the first 40 kept: this model makes certain counts alone",
        "8 frames a second, the model's own rate",
        "made at 720x480, the nearest size this model makes",
        "16 % of it cut off to meet the aspect",
        "scaled by 2.67 to 1920x1080",
    )


def test_a_longer_clip_goes_on_from_its_last_picture() -> None:
    clip = plan(MODELS["cogvideox-5b"], 15, (1280, 720), MODELS)
    assert [(shot.model.id, shot.frames) for shot in clip.shots] == [
        ("cogvideox-5b", 49), ("cogvideox-5b-i2v", 49), ("cogvideox-5b-i2v", 25),
    ]  # fmt: skip
    assert clip.says[0].startswith("3 shots, ")


@pytest.mark.parametrize(
    ("size", "fit", "said"),
    [
        ((720, 480), "crop", "made at 720x480"),
        ((1080, 1920), "pad", "% bars"),
        ((1080, 1920), "crop", "% of it cut off"),
    ],
)
def test_bars_or_edges(size: tuple[int, int], fit: str, said: str) -> None:
    clip: Clip = plan(MODELS["cogvideox-5b-i2v"], 5, size, MODELS, fit)  # type: ignore[arg-type] # one of the two
    assert any(said in sentence for sentence in clip.says)


def test_the_aspect_counts_for_more_than_the_size() -> None:
    assert nearest_size(((1360, 768), (768, 1360)), 270, 480) == (768, 1360)
    assert nearest_size(((832, 480), (1280, 720)), 854, 480) == (832, 480)
    assert nearest_size(((832, 480), (1280, 720)), 1920, 1080) == (1280, 720)


@pytest.mark.parametrize(
    ("job_type", "params", "model", "field"),
    [
        ("RENDER", RenderParams(prompt="x", duration=6), "hunyuanvideo", "duration"),
        ("RENDER", RenderParams(prompt="x"), "animatediff", "duration"),
        ("RENDER", RenderParams(prompt="x"), "espeak", "model"),
        ("RENDER", RenderParams(prompt="x"), "cogvideox-5b-i2v", "model"),
        ("IMG2VID", Img2VidParams(image_url=PICTURE, duration=42), "svd", "duration"),
        ("IMG2VID", Img2VidParams(image_url=PICTURE, lora="me"), "svd", "lora"),
        ("IMG2VID", Img2VidParams(image_url=PICTURE, profile="fast"), "svd", "profile"),
    ],
)
def test_what_a_model_can_never_do_is_refused_by_the_field(
    job_type: str, params: RenderParams | Img2VidParams, model: str, field: str
) -> None:
    if model == "hunyuanvideo":
        check(JobType.RENDER, RenderParams(prompt="x", duration=5), MODELS[model], MODELS)
    with pytest.raises(Refused) as refused:
        check(JobType(job_type), params, MODELS[model], MODELS)
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: ")


def test_a_model_without_ears_stands_behind_render_with_somebody_who_draws() -> None:
    check(JobType.RENDER, RenderParams(prompt="x"), MODELS["svd"], MODELS)
    alone = MODELS["svd"].model_copy(update={"video": MODELS["svd"].video.model_copy(update={"first_picture": None})})  # type: ignore[union-attr] # it has
    with pytest.raises(Refused, match="takes no text"):
        check(JobType.RENDER, RenderParams(prompt="x"), alone, MODELS)


def test_an_owner_adds_and_replaces_models_with_files(tmp_path: Path) -> None:
    text = (FOLDER / "cogvideox-2b.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text.replace('"cogvideox-2b"', '"mine"'), encoding="utf-8")
    (tmp_path / "cogvideox-2b.toml").write_text(re.sub('revision = ".*"', f'revision = "{"a" * 40}"', text))
    models = catalog(tmp_path)
    assert find("mine", models).title == "CogVideoX 2B"
    source = find("cogvideox-2b", models).source
    assert source is not None
    assert source.revision == "a" * 40
    with pytest.raises(NotFound, match="Known are: "):
        find("yours", models)


@pytest.mark.parametrize(("old", "new"), [('id = "cogvideox-2b"', 'id = "other"'), ("fps = 8", "fps = 8\nfsp = 9")])
def test_a_wrong_file_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = (FOLDER / "cogvideox-2b.toml").read_text(encoding="utf-8")
    (tmp_path / "cogvideox-2b.toml").write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=r"describes other|fsp"):
        catalog(tmp_path)
