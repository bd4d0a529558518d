"""`rushes endpoint` as the owner runs it, against RunPod's deploy API as it is published."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from control_plane.cli import app
from control_plane.cli.words import ApiError, UsageError
from tests.standins.runpod_rest import RunPodRest, problem

ROOT = Path(__file__).parents[2]
IMAGE = "ghcr.io/me/rushes-worker:1.0"
SECRET = "a-very-secret-bucket-key"


@pytest.fixture
def runpod(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunPodRest]:
    with RunPodRest() as there:
        settings = {
            "RUNPOD_API_KEY": there.key, "RUNPOD_API_URL": there.url, "S3_BUCKET": "films", "API_KEY": "mine-alone",
            "S3_ENDPOINT_URL": "https://acc.r2.cloudflarestorage.com", "S3_ACCESS_KEY_ID": "id",
            "S3_SECRET_ACCESS_KEY": SECRET,
        }  # fmt: skip
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield there


def endpoint(*arguments: str, answer: str | None = None) -> Result:
    """The command's end; a sentence of wrong usage is in its `exception`."""
    result = CliRunner().invoke(app, ["endpoint", *arguments], input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit | UsageError | ApiError), result.output
    return result


def create(*more: str) -> Result:
    return endpoint("create", "--image", IMAGE, "--yes", *more)


def only(runpod: RunPodRest) -> dict[str, object]:
    assert len(runpod.endpoints) == 1
    return next(iter(runpod.endpoints.values()))


def test_an_endpoint_is_made_as_our_workers_need_it(runpod: RunPodRest) -> None:
    done = create()
    assert done.exit_code == 0, done.output
    made = only(runpod)
    assert done.stdout == f"RUNPOD_ENDPOINT=https://api.runpod.ai/v2/{made['id']}\n"
    assert made["type"] == "QUEUE"
    assert made["timeout"] == (6 * 3600 + 120) * 1000, "the longest job type and the platform's margin"
    assert made["gpu"]["minCudaVersion"] == "12.6"  # type: ignore[index] # an object
    assert made["workers"] == {"min": 0, "max": 2, "idleTimeout": 10}
    assert made["flashboot"] == "FLASHBOOT"


def test_the_bucket_key_goes_to_the_account_secrets_alone(runpod: RunPodRest) -> None:
    done = create()
    made = only(runpod)
    env = made["env"]
    assert isinstance(env, dict)
    assert env["S3_BUCKET"] == "films"
    assert env["S3_SECRET_ACCESS_KEY"] == "{{ RUNPOD_SECRET_rushes_rushes_s3_secret_access_key }}"
    assert [one["value"] for one in runpod.secrets.values()] == [SECRET]
    assert SECRET not in str(made) + done.output
    assert "mine-alone" not in str(made)
    assert not {"API_KEY", "RUNPOD_API_KEY"} & env.keys()


def test_a_second_create_changes_nothing(runpod: RunPodRest) -> None:
    first = create()
    before = len(runpod.changes)
    second = create()
    assert (second.exit_code, second.stdout) == (0, first.stdout)
    assert "nothing was changed" in second.stderr
    assert len(runpod.changes) == before


def test_create_tells_what_differs_and_leaves_it(runpod: RunPodRest) -> None:
    create()
    before = len(runpod.changes)
    other = create("--max", "5")
    assert other.exit_code == 1
    assert "rushes endpoint update" in other.stderr
    assert len(runpod.changes) == before


def test_the_price_is_told_before_anything_is_done(runpod: RunPodRest) -> None:
    shown = endpoint("create", "--image", IMAGE, "--dry-run", "--min", "1", "--max", "3")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "L40S (ADA_48_PRO): $0.00053 a second, $1.90 an hour" in shown.stderr
    assert "At first: $1.90 an hour, day and night, for 1 workers" in shown.stderr
    assert "At most: $5.70 an hour" in shown.stderr
    assert not runpod.changes


def test_without_a_yes_nothing_is_spent(runpod: RunPodRest) -> None:
    nobody = endpoint("create", "--image", IMAGE)
    assert isinstance(nobody.exception, UsageError)
    assert "--yes" in str(nobody.exception)
    assert not runpod.changes


def test_a_lost_answer_makes_no_second_endpoint(runpod: RunPodRest) -> None:
    runpod.lose_next = True
    done = create()
    assert done.exit_code == 0, done.output
    assert str(only(runpod)["id"]) in done.stdout
    assert runpod.calls.count("POST /serverless") == 1


def test_update_changes_what_is_named_and_keeps_the_rest(runpod: RunPodRest, monkeypatch: pytest.MonkeyPatch) -> None:
    create("--max", "7", "--pool", "ADA_24")
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "another-key")
    done = endpoint("update", "--image", "ghcr.io/me/rushes-worker:1.1", "--yes")
    assert done.exit_code == 0, done.output
    made = only(runpod)
    assert made["image"] == "ghcr.io/me/rushes-worker:1.1"
    assert made["workers"] == {"min": 0, "max": 7, "idleTimeout": 10}
    assert made["gpu"]["pools"] == ["ADA_24"]  # type: ignore[index] # an object
    assert [one["value"] for one in runpod.secrets.values()] == ["another-key"]
    before = len(runpod.changes)
    assert endpoint("update", "--yes").exit_code == 0
    assert len(runpod.changes) == before


def test_scaled_to_zero_is_told_and_mended(runpod: RunPodRest) -> None:
    create()
    only(runpod)["workers"] = {"min": 0, "max": 0, "idleTimeout": 10}
    told = endpoint("status")
    assert '"max": 0' in told.stdout
    woken = endpoint("scale-up", "--max", "3", "--yes")
    assert "At most: $5.70 an hour" in woken.stderr
    assert only(runpod)["workers"] == {"min": 0, "max": 3, "idleTimeout": 10}
    before = len(runpod.changes)
    assert endpoint("scale-up", "--max", "3", "--yes").exit_code == 0
    assert len(runpod.changes) == before


def test_delete_takes_the_secrets_along_and_says_what_is_lost(runpod: RunPodRest) -> None:
    runpod.secrets["other"] = {"id": "other", "name": "hf-token", "value": "x", "description": ""}
    create()
    runpod.workers = [{"id": "w1", "status": "RUNNING", "gpuCount": 1, "isStale": False}]
    asked = endpoint("delete", "--dry-run")
    assert "1 of its workers are busy" in asked.stderr
    assert runpod.endpoints
    assert endpoint("delete", "--yes").exit_code == 0
    assert not runpod.endpoints
    assert list(runpod.secrets) == ["other"]
    assert endpoint("delete", "--yes").exit_code == 0, "a second time there is nothing to do"


def test_a_cpu_endpoint_for_exports(runpod: RunPodRest) -> None:
    done = create("--name", "exports", "--cpu", "cpu5c:8")
    assert done.exit_code == 0, done.output
    made = only(runpod)
    assert "gpu" not in made
    assert made["cpu"] == [{"id": "cpu5c", "vcpuCount": 8, "memory": 16}]
    assert "$0.24 an hour" in done.stderr
    assert "nothing was changed" in create("--name", "exports", "--cpu", "cpu5c:8").stderr


def test_workers_may_have_a_bucket_key_of_their_own(runpod: RunPodRest, tmp_path: Path) -> None:
    file = tmp_path / "worker.env"
    file.write_text("S3_ACCESS_KEY_ID=workers\nS3_SECRET_ACCESS_KEY=theirs\nHF_TOKEN=hf_1\n")
    assert create("--env-file", str(file)).exit_code == 0
    assert only(runpod)["env"]["S3_ACCESS_KEY_ID"] == "workers"  # type: ignore[index] # an object
    assert {one["value"] for one in runpod.secrets.values()} == {"theirs", "hf_1"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "--image", "worker", "--yes"), "with a version or a digest"),
        (("create", "--image", IMAGE, "--min", "3", "--max", "2", "--yes"), "is more than"),
        (("create", "--image", IMAGE, "--cpu", "cpu5c:7", "--yes"), "a power of two"),
        (("create", "--image", IMAGE, "--env-file", "nowhere.env", "--yes"), "no file"),
    ],
)
def test_wrong_usage_is_a_sentence(runpod: RunPodRest, arguments: tuple[str, ...], words: str) -> None:
    wrong = endpoint(*arguments)
    assert isinstance(wrong.exception, UsageError)
    assert words in str(wrong.exception)
    assert not runpod.changes


def test_keys_of_the_server_never_reach_a_worker(runpod: RunPodRest, tmp_path: Path) -> None:
    (tmp_path / "worker.env").write_text("API_KEY=mine-alone\n")
    refused = endpoint("create", "--image", IMAGE, "--env-file", "worker.env", "--yes")
    assert "API_KEY must never reach a worker" in str(refused.exception)
    assert not runpod.changes


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (problem(401, "missing bearer token"), "set RUNPOD_API_KEY"),
        (problem(403, "access denied"), "read and write access to Serverless"),
        (problem(402, "no balance"), "add funds"),
        (problem(422, "Request validation failed.", ["disk: too large"]), "disk: too large"),
    ],
)
def test_what_runpod_refuses_is_a_sentence(runpod: RunPodRest, answer: object, words: str) -> None:
    runpod.answers.append(answer)  # type: ignore[arg-type] # a Response
    refused = create()
    assert refused.exit_code == 3
    assert words in refused.stderr
    assert runpod.key not in refused.output


def test_a_limit_is_waited_for(runpod: RunPodRest) -> None:
    runpod.answers.append(problem(429, "rate limit exceeded", Retry_After="0"))
    assert create().exit_code == 0
    assert len(runpod.endpoints) == 1


def test_an_unknown_pool_is_named_with_those_there_are(runpod: RunPodRest) -> None:
    refused = create("--pool", "AMPERE_49")
    assert refused.exit_code == 1
    assert "no GPU pool AMPERE_49; it has ADA_24, ADA_48_PRO, AMPERE_48" in refused.stderr
    assert not runpod.changes


def test_the_stand_in_refuses_what_runpod_refuses(runpod: RunPodRest) -> None:
    import httpx

    def asked(**body: object) -> int:
        headers = {"Authorization": f"Bearer {runpod.key}"}
        return httpx.post(f"{runpod.url}/serverless", json=body, headers=headers, trust_env=False).status_code

    right: dict[str, object] = {
        "name": "n", "type": "QUEUE", "image": "i", "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "gpu": {"pools": ["ADA_24"]},
    }  # fmt: skip
    assert asked(**right) == 201
    assert asked(**right, templateID="t") == 422
    assert asked(**right, cpu=[{"id": "cpu5c", "vcpuCount": 2}]) == 422
    assert asked(**{**right, "gpu": {"pools": []}}) == 422


def test_the_server_does_not_carry_it_along() -> None:
    loaded = "import sys, control_plane.cli; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "control_plane.cli.endpoint" in said.split()
    assert not {"control_plane.endpoints.provision", "control_plane.endpoints.deploy_api"} & set(said.split())


def test_an_endpoint_without_a_cuda_filter_gets_one(runpod: RunPodRest) -> None:
    create()
    only(runpod)["gpu"]["minCudaVersion"] = None  # type: ignore[index] # an object
    assert endpoint("update", "--yes").exit_code == 0
    assert only(runpod)["gpu"]["minCudaVersion"] == "12.6"  # type: ignore[index] # an object
