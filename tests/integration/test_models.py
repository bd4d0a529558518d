"""What jobs can be made with, as clients see it, and what is refused before money is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from control_plane.settings import Settings
from tests.integration.served import served

PICTURE = "https://media.example/face.jpg"


async def test_models_are_listed_with_licence_and_needs(tmp_path: Path) -> None:
    async with served(tmp_path) as plane:
        listed = {model["id"]: model for model in (await plane.client.get("/models")).json()}
    cog, lips = listed["cogvideox-5b"], listed["wav2lip"]
    assert cog["job_types"] == cog["default_for"] == ["RENDER", "TRAIN_TWIN"]
    assert cog["needs"] == {"gpu_gb": 33.0, "gpu_gb_off_loaded": 11.0, "disk_gb": 21.6}
    assert cog["video"]["longest_seconds"] > 60
    assert cog["video"]["profiles"].keys() == {"exact", "fast", "draft"}
    assert (lips["licence"]["commercial"], lips["video"]) == ("no", None)
    assert "sdxl" not in listed, "it draws for others; no job can name it"


async def test_the_default_is_one_setting_and_is_written_out(tmp_path: Path) -> None:
    async with served(tmp_path, model_render="svd") as plane:
        listed = {model["id"]: model for model in (await plane.client.get("/models")).json()}
        assert (listed["svd"]["default_for"], listed["cogvideox-5b"]["default_for"]) == (["RENDER"], ["TRAIN_TWIN"])
        body = {"type": "RENDER", "params": {"prompt": "x"}}
        submitted = await plane.submit(body, **{"Idempotency-Key": "k"})
        job_id = submitted.json()["job_id"]
        assert (await plane.get(job_id))["params"]["model"] == "svd"
        assert (await plane.runpod.next_job()).input["params"]["model"] == "svd"
        again = await plane.submit(body, **{"Idempotency-Key": "k"})
        assert again.json()["job_id"] == job_id


async def test_what_a_licence_forbids_is_said_before_money_is_spent(tmp_path: Path) -> None:
    lips = {"type": "LIPSYNC", "params": {"video_url": PICTURE, "audio_url": PICTURE}}
    drawn = {"type": "RENDER", "params": {"prompt": "x"}}
    async with served(tmp_path, model_render="svd") as plane:
        model = (await plane.client.post("/estimate", json=lips)).json()["model"]
        assert (model["id"], model["licence"]["commercial"]) == ("wav2lip", "no")
        assert "research and personal use alone" in model["licence"]["says"]
        assert (await plane.client.post("/estimate", json=drawn)).json()["model"]["id"] == "svd"
        named = drawn | {"params": {"prompt": "x", "model": "cogvideox-2b"}}
        assert (await plane.client.post("/estimate", json=named)).json()["model"]["licence"]["commercial"] == "yes"
        unknown = drawn | {"params": {"prompt": "x", "model": "no-such"}}
        assert (await plane.client.post("/estimate", json=unknown)).json()["code"] == "MODEL_REFUSED"


async def test_without_the_setting_the_worker_decides(tmp_path: Path) -> None:
    async with served(tmp_path) as plane:
        answer = await plane.submit({"type": "RENDER", "params": {"prompt": "x"}})
        assert (await plane.get(answer.json()["job_id"]))["params"]["model"] is None


@pytest.mark.parametrize(
    ("job_type", "params", "field", "word"),
    [
        ("RENDER", {"prompt": "x", "model": "no-such"}, "model", "There is no model no-such"),
        ("RENDER", {"prompt": "x", "model": "wav2lip"}, "model", "is for LIPSYNC, not for RENDER"),
        ("RENDER", {"prompt": "x", "model": "hunyuanvideo", "duration": 9}, "duration", "5.375 seconds at most"),
        ("IMG2VID", {"image_url": PICTURE, "model": "svd", "lora": "me"}, "lora", "takes no LoRA"),
        ("IMG2VID", {"image_url": PICTURE, "model": "svd", "profile": "fast"}, "profile", "exact and draft"),
        ("TTS", {"text": "x", "model": "xtts"}, "model", "There is no model xtts"),
    ],
)
async def test_what_no_worker_could_make_is_refused_by_the_field(
    tmp_path: Path, job_type: str, params: dict[str, Any], field: str, word: str
) -> None:
    async with served(tmp_path) as plane:
        answer = await plane.submit({"type": job_type, "params": params})
        assert answer.status_code == 422
        problem = answer.json()
        assert problem["code"] == "MODEL_REFUSED"
        assert problem["errors"][0]["pointer"] == f"/params/{field}"
        assert word in problem["detail"]
        assert (await plane.client.get("/jobs")).json() == []


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [("MODEL_RENDER", "espeak", "no model for it"), ("MODEL_TTS", "no-such", "there are espeak")],
)
def test_a_default_that_is_none_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, word: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=word):
        Settings()


def test_a_wrong_catalog_file_is_named_at_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('id = "mine"')
    monkeypatch.setenv("MODEL_CATALOG_DIR", str(tmp_path))
    with pytest.raises(ValidationError, match="MODEL_CATALOG_DIR: title"):
        Settings()
