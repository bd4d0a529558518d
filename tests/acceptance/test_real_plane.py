"""The whole thing as its user has it: server, built-in endpoint, unmodified SDK worker, real engines."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.acceptance.real_plane import all_gone, real_plane
from tests.conftest import wait_until

LONG = {"prompt": "A very long walk along the shore. The tide comes in.", "duration": 60, "resolution": "720p"}


def test_a_job_runs_through_the_sdk_worker_and_leaves_a_film(tmp_path: Path) -> None:
    with real_plane(tmp_path / "data") as plane:
        job_id = plane.submit("RENDER", prompt="Dawn.", duration=1, resolution="240p", seed=7)
        job = plane.until(job_id, "SUCCEEDED", "FAILED")
        assert job["status"] == "SUCCEEDED", job
        assert (job["engine"]["name"], job["engine"]["seed"]) == ("animatic", 7), "the fallback is named"
        output = job["outputs"][0]
        assert (output["kind"], output["height"], output["duration_seconds"]) == ("video", 240, 1.0)
        film = plane.client.get(job["output_urls"][0])
        assert (film.status_code, len(film.content), film.content[4:8]) == (200, output["bytes"], b"ftyp")
        children = plane.processes()
    assert all_gone(children), "nothing outlives the server"


def test_an_engine_that_is_not_there_fails_at_once_in_words(tmp_path: Path) -> None:
    with real_plane(tmp_path / "data") as plane:
        job_id = plane.submit("LIPSYNC", video_url="https://a.example/v.mp4", audio_url="https://a.example/a.wav")
        job = plane.until(job_id, "FAILED", "SUCCEEDED")
        assert job["error_code"] == "ENGINE_UNAVAILABLE"
        assert job["attempts"] == 1
        assert "Traceback" not in job["error"]


def test_a_canceled_job_and_its_processes_are_gone(tmp_path: Path) -> None:
    with real_plane(tmp_path / "data") as plane:
        job_id = plane.submit("RENDER", **LONG)
        plane.until_busy(job_id)
        working = plane.job_processes()
        assert [p for p in working if "ffmpeg" in p.name()], "an encoder runs"
        asked = plane.client.post(f"/jobs/{job_id}/cancel")
        assert asked.status_code in (200, 202)
        canceled = plane.until(job_id, "CANCELED")
        assert all_gone(working), "CANCELED is said only once nothing runs"
        assert canceled["output_urls"] == []
        following = plane.submit("TTS", text="Still here.")
        assert plane.until(following, "SUCCEEDED", "FAILED")["status"] == "SUCCEEDED"


def test_a_killed_control_plane_finishes_its_job_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with real_plane(data) as plane:
        job_id = plane.submit("RENDER", **{**LONG, "duration": 30, "resolution": "480p"})
        plane.until_busy(job_id)
        orphans = plane.processes()
        plane.kill()
    wait_until(lambda: all_gone(orphans), "the end of the first life's workers", 10)
    with real_plane(data) as plane:
        job = plane.until(job_id, "SUCCEEDED", "FAILED")
        assert (job["status"], job["attempts"]) == ("SUCCEEDED", 2)
        assert {output["key"].rsplit("/", 1)[0] for output in job["outputs"]} == {f"jobs/{job_id}/2/1"}
        assert plane.client.get(job["output_urls"][0]).status_code == 200
        assert len(plane.client.get("/jobs").json()) == 1
    films = list((data / "objects/jobs" / job_id).rglob("*.mp4"))
    assert len(films) == 1, "made once"


def test_a_killed_worker_is_replaced_and_its_job_done(tmp_path: Path) -> None:
    # Its successor takes the claim over, if it starts before that has run out.
    with real_plane(tmp_path / "data", CLAIM_LEASE_SECONDS="20") as plane:
        job_id = plane.submit("RENDER", **{**LONG, "duration": 20, "resolution": "480p"})
        plane.until_busy(job_id)
        working = plane.job_processes()
        worker = next(p for p in plane.processes() if "gpu_worker.handler" in " ".join(p.cmdline()))
        worker.kill()
        wait_until(lambda: all_gone(working), "the end of the dead worker's job", 10)
        job = plane.until(job_id, "SUCCEEDED", "FAILED")
        assert job["status"] == "SUCCEEDED", job


def test_two_servers_on_one_database_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with real_plane(data), pytest.raises(AssertionError, match="already running"), real_plane(data):
        pass


def test_media_that_cannot_be_had_is_a_sentence(tmp_path: Path) -> None:
    with real_plane(tmp_path / "data") as plane:
        job = plane.until(plane.submit("IMG2VID", image_url="storage://uploads/none.png"), "FAILED", "SUCCEEDED")
        assert (job["status"], job["error_code"]) == ("FAILED", "NOT_FOUND")
        assert "image_url" in job["error"]
        assert str(tmp_path) not in str(job)


def test_memory_at_rest_is_small(tmp_path: Path) -> None:
    with real_plane(tmp_path / "data") as plane:
        resident = psutil.Process(plane.process.pid).memory_info().rss
        assert resident < 150_000_000, "a 512 MB VPS has room for it"
