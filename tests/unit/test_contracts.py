"""What others build on, pinned: messages on the wire, the API's description, names in the documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from control_plane.app import create_app
from control_plane.settings import Settings
from shared.job_types import PARAMS, JobType
from shared.wire import Claim, Failure, OutputFile, Progress, Result, Tombstone, WorkerInput

ROOT = Path(__file__).parents[2]
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OUTPUT = OutputFile(
    key="jobs/j/1/1/video.mp4", kind="video", content_type="video/mp4", bytes=1, sha256="ab", width=1080, height=1920,
    duration_seconds=30.0, fps=30.0,
)  # fmt: skip
ENGINE = {"name": "animatic", "device": "cpu", "seed": 7}

MESSAGES: list[tuple[BaseModel, str]] = [
    (
        WorkerInput(
            job_id="j", attempt=1, token="t", job_type=JobType.EXPORT, params={}, output_prefix="jobs/j/1/",
            start_before=WHEN, deadline_seconds=600, callback_url="https://plane/callbacks/t",
            settle_seconds=12,
        ),
        '{"protocol":1,"job_id":"j","attempt":1,"token":"t","job_type":"EXPORT","params":{},"output_prefix":"jobs/j/1/",'
        '"start_before":"2026-01-02T03:04:05Z","deadline_seconds":600.0,"callback_url":"https://plane/callbacks/t",'
        '"settle_seconds":12.0}',
    ),
    (
        Claim(token="t", runpod_job_id="r-u1", worker_id="w", run=1, claimed_at=WHEN, expires_at=WHEN),
        '{"token":"t","runpod_job_id":"r-u1","worker_id":"w","run":1,"claimed_at":"2026-01-02T03:04:05Z",'
        '"expires_at":"2026-01-02T03:04:05Z"}',
    ),
    (Tombstone(token="t", at=WHEN), '{"token":"t","canceled":true,"at":"2026-01-02T03:04:05Z"}'),
    (
        Progress(job_id="j", attempt=1, run=1, seq=3, stage="encoding", progress=42, message="frame 9"),
        '{"job_id":"j","attempt":1,"run":1,"seq":3,"stage":"encoding","progress":42,"message":"frame 9"}',
    ),
    (
        Result(job_id="j", attempt=1, run=1, outputs=[OUTPUT], engine=ENGINE, timings={"run": 3.2}),
        '{"protocol":1,"job_id":"j","attempt":1,"run":1,"outputs":[{"key":"jobs/j/1/1/video.mp4","kind":"video",'
        '"content_type":"video/mp4","bytes":1,"sha256":"ab","width":1080,"height":1920,"duration_seconds":30.0,'
        '"fps":30.0}],"engine":{"name":"animatic","device":"cpu","seed":7},"timings":{"run":3.2},"canceled":false}',
    ),
    (
        Result(job_id="j", attempt=1, run=1, error=Failure(code="ENGINE_FAILED", message="It broke.", retryable=True)),
        '{"protocol":1,"job_id":"j","attempt":1,"run":1,"outputs":[],"engine":{},"timings":{},'
        '"error":{"code":"ENGINE_FAILED","message":"It broke.","retryable":true},"canceled":false}',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "text"), MESSAGES, ids=[type(message).__name__ for message, _ in MESSAGES])
def test_messages_on_the_wire_stay_as_they_are(message: BaseModel, text: str) -> None:
    assert message.model_dump_json(exclude_none=True) == text
    assert type(message).model_validate_json(text) == message


@pytest.mark.parametrize(("message", "text"), MESSAGES, ids=[type(message).__name__ for message, _ in MESSAGES])
def test_a_newer_peer_may_say_more(message: BaseModel, text: str) -> None:
    assert type(message).model_validate({**json.loads(text), "invented_later": 1}) == message


def test_the_written_description_of_the_api_is_the_true_one() -> None:
    written = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))
    app = create_app(Settings.model_construct(), base_url="http://127.0.0.1:8000")
    assert app.openapi() == written, "run: make openapi"


def test_every_job_type_has_params_and_a_file_in_the_worker() -> None:
    for kind in JobType:
        assert kind in PARAMS
        assert (ROOT / "gpu_worker/job_types" / f"{kind.lower()}.py").is_file()


def test_readme_names_every_job_type_setting_and_route() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [kind for kind in JobType if f"`{kind}`" not in readme]
    missing += [name.upper() for name in Settings.model_fields if f"`{name.upper()}`" not in readme]
    routes = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))["paths"]
    missing += [path for path in routes if f"{path}`" not in readme]
    assert not missing
