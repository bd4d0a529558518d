"""What the owner sets, and what is refused at start-up in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from control_plane.settings import ClientSettings, Settings
from shared.job_types import JobType

RUNPOD = {"RUNPOD_ENDPOINT": "https://api.runpod.ai/v2/abc/", "RUNPOD_API_KEY": "k", "S3_BUCKET": "b", "API_KEY": "x"}


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_a_newcomer_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch)
    assert (found.host, found.port, found.uses_runpod, found.database) == (
        "127.0.0.1", 8000, False, Path("data/rushes.db"),
    )  # fmt: skip
    assert found.skew_seconds < 5


@pytest.mark.parametrize("left_out", ["RUNPOD_API_KEY", "S3_BUCKET", "API_KEY"])
def test_runpod_needs_a_key_a_bucket_and_a_guarded_api(monkeypatch: pytest.MonkeyPatch, left_out: str) -> None:
    assert settings(monkeypatch, **RUNPOD).runpod_endpoint == "https://api.runpod.ai/v2/abc"
    monkeypatch.delenv(left_out)
    with pytest.raises(ValidationError, match=left_out):
        Settings()


@pytest.mark.parametrize("exposed", [{"HOST": "0.0.0.0"}, {"PUBLIC_URL": "https://me.example"}])
def test_an_exposed_api_needs_a_key(monkeypatch: pytest.MonkeyPatch, exposed: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="API_KEY"):
        settings(monkeypatch, **exposed)
    assert settings(monkeypatch, API_KEY="x", **exposed)


def test_each_job_type_can_have_an_endpoint_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {f"RUNPOD_ENDPOINT_{kind}": f"https://api.runpod.ai/v2/{kind.lower()}" for kind in JobType}
    assert set(settings(monkeypatch, **RUNPOD, **given).endpoints_by_type) == set(JobType)


def test_local_workers_know_their_store_and_no_key_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, **RUNPOD, SECRET_OF_SOMEBODY="hush").worker_environment()
    assert found["S3_BUCKET"] == "b"
    assert not {"API_KEY", "RUNPOD_API_KEY", "SECRET_OF_SOMEBODY"} & set(found)


def test_an_address_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="full URL"):
        settings(monkeypatch, PUBLIC_URL="me.example", API_KEY="x")


@pytest.mark.parametrize("origin", ["null", "*", "https://*.example", "example.org", "https://a.example/page", "://"])
def test_only_origins_may_be_let_in(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        settings(monkeypatch, CORS_ORIGINS=f"http://localhost:5173, {origin}")
    assert settings(monkeypatch, CORS_ORIGINS="https://a.example, app://").cors_origins == [
        "https://a.example",
        "app://",
    ]


def test_the_owners_key_goes_to_the_owners_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"API_KEY": "mine", "HOST": "::", "PORT": "9000"}.items():
        monkeypatch.setenv(name, value)
    near = ClientSettings()
    assert (near.url, near.key) == ("http://[::1]:9000", "mine")
    monkeypatch.setenv("RUSHES_URL", "https://rushes.example/")
    far = ClientSettings()
    assert (far.url, far.key) == ("https://rushes.example", None)
