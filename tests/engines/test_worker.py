"""Diffusion through the whole worker: server, built-in endpoint, unmodified SDK loop, claim, upload, result.json."""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpu_worker.executor import Executor
from gpu_worker.job_process import JobProcess
from gpu_worker.settings import WorkerSettings
from shared.storage.local import LocalStore
from shared.wire import Result, result_key
from tests.acceptance.real_plane import RealPlane, all_gone, real_plane
from tests.conftest import wait_until
from tests.engines.hub import COMMIT, running

ROOT = Path(__file__).parents[2]
SMALL = {"duration": 1, "resolution": "240p", "seed": 7}
PICTURE = "storage://uploads/picture.png"


@pytest.fixture
def plane(tmp_path: Path, tiny_environment: dict[str, str]) -> Iterator[RealPlane]:
    uploads = tmp_path / "data" / "objects" / "uploads"
    uploads.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(uploads / "picture.png")
    with real_plane(tmp_path / "data", **tiny_environment) as plane:
        yield plane


def check_film(plane: RealPlane, job: dict[str, Any], model: str, seconds: float) -> None:
    assert job["status"] == "SUCCEEDED", job
    assert job["engine"]["name"] == model
    [output] = job["outputs"]
    assert (output["kind"], output["width"], output["height"]) == ("video", 426, 240)
    assert output["duration_seconds"] == pytest.approx(seconds, abs=0.1)
    film = plane.client.get(job["output_urls"][0])
    assert (film.status_code, len(film.content), film.content[4:8]) == (200, output["bytes"], b"ftyp")


def test_every_tiny_model_makes_its_film_in_one_warm_process(plane: RealPlane) -> None:
    jobs = [
        ("tiny-t2v", 1.0, plane.submit("RENDER", prompt="a fox", model="tiny-t2v", **SMALL)),
        ("tiny-i2v", 1.0, plane.submit("IMG2VID", image_url=PICTURE, model="tiny-i2v", **SMALL)),
        ("tiny-svd", 0.57, plane.submit("IMG2VID", image_url=PICTURE, model="tiny-svd", **SMALL | {"duration": 0.5})),
        ("tiny-animatediff", 1.0, plane.submit("RENDER", prompt="a fox", model="tiny-animatediff", **SMALL)),
        ("tiny-t2v", 3.0, plane.submit("RENDER", prompt="a fox", model="tiny-t2v", **SMALL | {"duration": 3})),
    ]
    for model, seconds, job_id in jobs:
        check_film(plane, plane.until(job_id, "SUCCEEDED", "FAILED"), model, seconds)
    last = plane.get(jobs[-1][2])
    assert "load" not in last["engine"]["timings"], "both of its engines were still there"


def test_in_the_worker_image_a_job_fetches_weights_where_the_owner_allows_it(
    tmp_path: Path, tiny_models: Path, tiny_environment: dict[str, str]
) -> None:
    shutil.copytree(tiny_models / "models" / "tiny-t2v", tmp_path / "hub" / "tiny" / "tiny-t2v")
    image = (ROOT / "Dockerfile.worker").read_text(encoding="utf-8")
    of_the_image = dict(re.findall(r"^(?:ENV |    )(HF_[A-Z_]+)=(\S+)", image, re.M))
    (tmp_path / "models").mkdir()
    with running(tmp_path / "hub") as hub:
        allowed = {"MODEL_DIR": str(tmp_path / "models"), "MODEL_DOWNLOAD": "true", "HF_ENDPOINT": hub.url}
        with real_plane(tmp_path / "data", **tiny_environment | of_the_image | allowed) as plane:
            job = plane.until(plane.submit("RENDER", prompt="x", model="tiny-t2v", **SMALL), "SUCCEEDED", "FAILED")
            check_film(plane, job, "tiny-t2v", 1.0)
    assert job["engine"]["revision"] == COMMIT


def test_what_cannot_be_made_is_refused_before_money_is_spent(plane: RealPlane) -> None:
    asked = {"type": "RENDER", "params": {"prompt": "a fox", "model": "tiny-animatediff", "duration": 9}}
    answer = plane.client.post("/jobs", json=asked)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/params/duration"
    assert "makes 1 seconds at most" in answer.json()["detail"]


def test_a_cancel_in_mid_denoise_stops_it_and_the_next_job_finds_a_healthy_worker(plane: RealPlane) -> None:
    long = {"prompt": "a fox", "model": "tiny-animatediff", "duration": 1, "resolution": "240p", "steps": 200}
    job_id = plane.submit("RENDER", **long)
    plane.until_busy(job_id, progress=12)
    assert plane.get(job_id)["stage"] == "denoising"
    working = plane.job_processes()
    assert working
    plane.client.post(f"/jobs/{job_id}/cancel")
    plane.until(job_id, "CANCELED")
    assert all_gone(working), "its memory is free: the process is gone"
    following = plane.submit("RENDER", prompt="a fox", model="tiny-t2v", **SMALL)
    check_film(plane, plane.until(following, "SUCCEEDED", "FAILED"), "tiny-t2v", 1.0)


def test_what_is_being_made_is_seen_while_it_is_made(plane: RealPlane) -> None:
    long = {"prompt": "a fox", "model": "tiny-animatediff", "duration": 1, "resolution": "240p", "steps": 200}
    job_id = plane.submit("RENDER", **long)
    url = wait_until(lambda: plane.get(job_id)["preview_url"], f"a preview of {plane.get(job_id)}", 90)
    seen = plane.client.get(url)
    assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
    assert len(seen.content) < 10_000
    assert Image.open(io.BytesIO(seen.content)).width == 160
    plane.client.post(f"/jobs/{job_id}/cancel")
    assert plane.until(job_id, "CANCELED")["preview_url"] is None
    assert plane.client.get(url).status_code == 404


def test_damaged_weights_fail_the_job_in_words_and_the_worker_goes_on(
    tmp_path: Path, tiny_models: Path, tiny_environment: dict[str, str]
) -> None:
    shutil.copytree(tiny_models / "models", tmp_path / "models")
    cut = tmp_path / "models" / "tiny-animatediff" / "unet" / "diffusion_pytorch_model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-100])
    for pickled in (tmp_path / "models" / "tiny-svd").rglob("*.safetensors"):
        pickled.rename(pickled.with_suffix(".bin"))
    (tmp_path / "data" / "objects" / "uploads").mkdir(parents=True)
    Image.new("RGB", (160, 90)).save(tmp_path / "data" / "objects" / "uploads" / "picture.png")
    with real_plane(tmp_path / "data", **tiny_environment | {"MODEL_DIR": str(tmp_path / "models")}) as plane:
        jobs = {
            "not a whole safetensors file": plane.submit("RENDER", prompt="x", model="tiny-animatediff", **SMALL),
            "pickles": plane.submit("IMG2VID", image_url=PICTURE, model="tiny-svd", **SMALL | {"duration": 0.5}),
        }
        for word, job_id in jobs.items():
            job = plane.until(job_id, "SUCCEEDED", "FAILED")
            assert (job["status"], job["error_code"], job["attempts"]) == ("FAILED", "BAD_WEIGHTS", 1)
            assert word in job["error"]
            assert str(tmp_path) not in job["error"]
        following = plane.submit("RENDER", prompt="x", model="tiny-t2v", **SMALL)
        check_film(plane, plane.until(following, "SUCCEEDED", "FAILED"), "tiny-t2v", 1.0)


async def test_out_of_memory_ends_in_words_and_asks_for_a_fresh_worker(
    tmp_path: Path, tiny_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in tiny_environment.items():
        monkeypatch.setenv(name, value)
    store = LocalStore(tmp_path / "objects")
    process = JobProcess((sys.executable, str(Path(__file__).with_name("short_of_memory.py"))))
    worker = Executor(
        store=store, jobs=process, settings=WorkerSettings(), clock=lambda: datetime.now(UTC), address=str
    )  # fmt: skip
    asked = {
        "protocol": 1, "job_id": "j1", "attempt": 1, "token": "t", "job_type": "RENDER",
        "params": SMALL | {"prompt": "a fox", "model": "tiny-t2v"}, "output_prefix": "jobs/j1/1/",
        "start_before": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(), "deadline_seconds": 60,
    }  # fmt: skip
    try:
        answer = await worker.execute({"id": "rp-1", "input": asked})
    finally:
        await process.kill()
    assert answer["error"].startswith("OUT_OF_MEMORY: The GPU of this worker is too small")
    assert answer["refresh_worker"] is True
    stored = store.get(result_key("j1", 1))
    assert stored is not None
    error = Result.model_validate_json(stored.body).error
    assert error is not None
    assert (error.code, error.retryable) == ("OUT_OF_MEMORY", True)
