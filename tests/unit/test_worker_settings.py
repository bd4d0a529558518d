"""What a worker reads from its environment, and what its jobs may not."""

from __future__ import annotations

import pytest

from gpu_worker.settings import WorkerSettings, job_environment


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIM_LEASE_SECONDS", "15")
    monkeypatch.setenv("RUSHES_LOCK_FD", "7")
    monkeypatch.setenv("S3_BUCKET", "")
    settings = WorkerSettings()
    assert (settings.claim_lease_seconds, settings.rushes_lock_fd, settings.s3_bucket) == (15, 7, None)


def test_a_job_sees_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("S3_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RUNPOD_AI_API_KEY", "API_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = job_environment()
    assert "secret" not in environment.values()
    assert environment["LANG"] == "C.UTF-8"
