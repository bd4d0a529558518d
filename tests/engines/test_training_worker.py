"""A twin through the whole worker: trained, lost in the middle and gone on with, named, worn, refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import load

from tests.acceptance.real_plane import RealPlane, real_plane
from tests.conftest import wait_until

IMAGES = [f"storage://uploads/{number}.png" for number in range(6)]
CONSENT = {"who": "Ada Byron", "when": "2026-11-21", "what_for": "films of mine"}
FAST = {"images": IMAGES, "model": "tiny-t2v", "rank": 4, "learning_rate": 0.01}
FILM = {"prompt": "ohwx person", "model": "tiny-t2v", "duration": 1, "resolution": "240p", "seed": 7}


@pytest.fixture
def plane(tmp_path: Path, tiny_environment: dict[str, str]) -> Iterator[RealPlane]:
    uploads = tmp_path / "data" / "objects" / "uploads"
    uploads.mkdir(parents=True)
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((96, 64)).save(uploads / f"{number}.png")
    Image.new("RGB", (20, 14)).save(uploads / "small.png")
    with real_plane(tmp_path / "data", **tiny_environment) as plane:
        yield plane


def tensors(plane: RealPlane, job: dict[str, Any]) -> dict[str, torch.Tensor]:
    assert job["status"] == "SUCCEEDED", job
    assert (job["outputs"][0]["kind"], job["outputs"][0]["content_type"]) == ("model", "application/octet-stream")
    return dict(load(plane.client.get(job["output_urls"][0]).content))


def film(plane: RealPlane, **params: Any) -> bytes:
    job = plane.until(plane.submit("RENDER", **FILM, **params), "SUCCEEDED", "FAILED")
    assert job["status"] == "SUCCEEDED", job
    return plane.client.get(job["output_urls"][0]).content


def lose_the_worker(plane: RealPlane) -> None:
    """The worker and its job process, as when the machine goes dark."""
    [working, *_] = plane.job_processes()
    worker = working.parent()
    assert isinstance(worker, psutil.Process)
    for process in (worker, working):
        process.kill()


def test_a_lost_worker_costs_no_bit_and_its_twin_is_worn_by_name(plane: RealPlane, tmp_path: Path) -> None:
    lost = plane.submit("TRAIN_TWIN", name="ada", steps=160, consent=CONSENT, **FAST)
    kept = tmp_path / "data" / "objects" / "jobs" / lost / "checkpoints" / "training.safetensors"
    wait_until(kept.exists, "a checkpoint", 90)
    lose_the_worker(plane)
    resumed = plane.until(lost, "SUCCEEDED", "FAILED")
    assert resumed["engine"]["resumed_from_step"] in range(20, 160, 20)
    assert (resumed["engine"]["lora"], list(resumed["engine"]["losses"])[:3]) == ("ada", ["0", "20", "40"])
    assert len(resumed["outputs"]) == 1 + 8, "samples of both workers"
    assert not kept.exists(), "nobody goes on from a finished job"

    whole = plane.until(plane.submit("TRAIN_TWIN", name="bea", steps=160, **FAST), "SUCCEEDED", "FAILED")
    mine, theirs = tensors(plane, resumed), tensors(plane, whole)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert resumed["engine"]["losses"] == whole["engine"]["losses"]

    listed = plane.client.get("/twins").json()
    assert [(twin["name"], twin["consent"]) for twin in listed] == [("bea", None), ("ada", CONSENT)]
    assert (listed[1]["base_model"], listed[1]["job_id"], listed[1]["trigger"]) == ("tiny-t2v", lost, "ohwx")
    plain, worn = film(plane), film(plane, lora="ada")
    assert worn != plain
    plane.client.delete(f"/jobs/{lost}")
    assert film(plane, lora="ada") == worn, "a twin outlives its job"


def test_pictures_that_will_not_do_end_the_job_in_words(plane: RealPlane) -> None:
    images = [*IMAGES[:5], "storage://uploads/small.png"]
    job = plane.until(plane.submit("TRAIN_TWIN", name="ada", **FAST | {"images": images}), "SUCCEEDED", "FAILED")
    assert (job["status"], job["error_code"]) == ("FAILED", "INVALID_PARAMS")
    assert "images[5]: This picture is too small" in job["error"]
    assert plane.client.get("/twins").json() == []


def test_a_cancel_between_two_steps_leaves_no_twin(plane: RealPlane) -> None:
    job_id = plane.submit("TRAIN_TWIN", name="ada", steps=10_000, **FAST)
    plane.until_busy(job_id, progress=12)
    job = plane.get(job_id)
    assert job["stage"] in ("training", "looking"), job
    plane.client.post(f"/jobs/{job_id}/cancel")
    plane.until(job_id, "CANCELED")
    assert plane.client.get("/twins").json() == []
