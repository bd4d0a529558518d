"""What a worker reads from its environment, and what its jobs may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.settings import WorkerSettings, job_environment


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIM_LEASE_SECONDS", "15")
    monkeypatch.setenv("RUSHES_LOCK_FD", "7")
    monkeypatch.setenv("S3_BUCKET", "")
    settings = WorkerSettings()
    assert (settings.claim_lease_seconds, settings.rushes_lock_fd, settings.s3_bucket) == (15, 7, None)


@pytest.mark.parametrize(("allowed", "offline"), [("", "1"), ("true", "0")])
def test_libraries_in_a_job_ask_the_hub_only_where_jobs_may_fetch(
    monkeypatch: pytest.MonkeyPatch, allowed: str, offline: str
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("MODEL_DOWNLOAD", allowed)
    assert job_environment()["HF_HUB_OFFLINE"] == offline
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert job_environment()["HF_HUB_OFFLINE"] == "1", "the owner's own word"


def test_what_was_compiled_once_is_kept_on_the_volume(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr("gpu_worker.settings._VOLUME", tmp_path / "none")
    assert "TORCHINDUCTOR_CACHE_DIR" not in job_environment()
    monkeypatch.setattr("gpu_worker.settings._VOLUME", tmp_path)
    assert job_environment()["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "compile-cache")


def test_a_job_sees_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("S3_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RUNPOD_AI_API_KEY", "API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = job_environment()
    assert "secret" not in environment.values()
    assert environment["LANG"] == "C.UTF-8"
