"""Twins and consent as clients see them: listed, worn, removed, and what is refused before money is spent."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.settings import Settings
from gpu_worker import twins
from gpu_worker.executor import Executor
from gpu_worker.job_process import JobProcess
from gpu_worker.settings import WorkerSettings
from shared.errors import StorageFailed
from shared.job_types import Consent
from shared.storage.local import LocalStore
from shared.twins import Twin, card_key, consent_hash, weights_key
from shared.wire import Result, result_key
from tests.integration.served import Served, served

CONSENT = {"who": "Ada Byron", "when": "2026-11-21", "what_for": "films for her own channel"}
PICTURES = [f"https://media.example/{number}.jpg" for number in range(5)]
TRAIN: dict[str, Any] = {"type": "TRAIN_TWIN", "params": {"images": PICTURES, "name": "ada"}}
VOICE: dict[str, Any] = {
    "type": "TTS", "params": {"text": "hi", "model": "qwen3-tts", "reference_audio_url": "https://media.example/voice.wav"},
}  # fmt: skip


def twin(name: str = "ada", job_id: str = "job-1", **facts: Any) -> Twin:
    said = {
        "name": name, "job_id": job_id, "created_at": datetime(2026, 11, 21, 9, tzinfo=UTC), "bytes": 4,
        "sha256": "0" * 64, "base_model": "cogvideox-5b", "base_repo": "zai-org/CogVideoX-5b", "base_revision": "abc",
        "trigger": "ohwx", "subject": "person", "rank": 32, "steps": 500, "images": 6, "consent": CONSENT,
    }  # fmt: skip
    return Twin.model_validate(said | facts)


def store(tmp_path: Path, *registered: Twin) -> LocalStore:
    objects, file = LocalStore(tmp_path / "objects"), tmp_path / "lora.safetensors"
    file.write_bytes(b"lora")
    for one in registered:
        assert twins.register(objects, one, file)
    return objects


async def refusal(plane: Served, body: dict[str, Any], **params: Any) -> tuple[int, str, str, str]:
    answer = await plane.submit(body | {"params": body["params"] | params})
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"], problem["detail"]


async def test_twins_are_listed_with_their_consent_and_can_be_fetched(tmp_path: Path) -> None:
    older = twin("bob", created_at=datetime(2026, 11, 20, tzinfo=UTC), consent=None)
    store(tmp_path, older, twin())
    async with served(tmp_path) as plane:
        listed = (await plane.client.get("/twins")).json()
        one = (await plane.client.get("/twins/ada")).json()
        missing = await plane.client.get("/twins/eve")
        file = await plane.client.get(one["url"])
    assert [found["name"] for found in listed] == ["ada", "bob"], "the newest first"
    assert {key: one[key] for key in ("base_model", "trigger", "created_at", "job_id", "bytes", "consent")} == {
        "base_model": "cogvideox-5b", "trigger": "ohwx", "created_at": "2026-11-21T09:00:00.000Z", "job_id": "job-1",
        "bytes": 4, "consent": CONSENT,
    }  # fmt: skip
    assert listed[1]["consent"] is None
    assert file.content == b"lora"
    assert "ada.safetensors" in file.headers["content-disposition"]
    assert (missing.status_code, missing.json()["detail"]) == (404, "There is no twin eve")


async def test_without_twins_the_list_is_empty_and_what_lacks_its_weights_is_none(tmp_path: Path) -> None:
    objects = store(tmp_path)
    async with served(tmp_path) as plane:
        assert (await plane.client.get("/twins")).json() == []
        objects.put_if_absent(card_key("half"), twin("half").model_dump_json().encode())
        assert (await plane.client.get("/twins")).json() == []


async def test_a_render_takes_a_twin_by_name_and_no_other(tmp_path: Path) -> None:
    store(tmp_path, twin())
    render = {"type": "RENDER", "params": {"prompt": "ohwx laughs"}}
    async with served(tmp_path) as plane:
        taken = await plane.submit({"type": "RENDER", "params": render["params"] | {"lora": "ada"}})
        assert taken.status_code == 202
        assert (await plane.runpod.next_job()).input["params"]["lora"] == "ada"
        assert await refusal(plane, render, lora="eve") == (
            422, "UNKNOWN_TWIN", "/params/lora", "lora: There is no twin eve",
        )  # fmt: skip
        status, code, pointer, words = await refusal(plane, render, lora="ada", model="wan-2.1-t2v-1.3b")
        assert (status, code, pointer) == (422, "UNKNOWN_TWIN", "/params/lora")
        assert "trained on cogvideox-5b, not on wan-2.1-t2v-1.3b" in words
        follower = {"image_url": PICTURES[0], "model": "cogvideox-5b-i2v", "lora": "ada"}
        assert (await plane.submit({"type": "IMG2VID", "params": follower})).status_code == 202


async def test_a_name_is_trained_once(tmp_path: Path) -> None:
    store(tmp_path, twin("bob"))
    async with served(tmp_path) as plane:
        first = await plane.submit(TRAIN, **{"Idempotency-Key": "once"})
        assert first.status_code == 202
        taken = (422, "TWIN_EXISTS", "/params/name")
        assert (await refusal(plane, TRAIN))[:3] == taken
        assert (await refusal(plane, TRAIN, name="bob"))[:3] == taken
        again = await plane.submit(TRAIN, **{"Idempotency-Key": "once"})
        assert again.json()["job_id"] == first.json()["job_id"]
        await plane.client.post(f"/jobs/{first.json()['job_id']}/cancel")
        ended = await plane.get(first.json()["job_id"], Prefer="wait=10")
        assert ended["status"] == "CANCELED"
        assert (await plane.submit(TRAIN)).status_code == 202, "nothing of that name is there"


async def test_a_twin_outlives_its_job_and_goes_by_its_own_name(tmp_path: Path) -> None:
    async with served(tmp_path) as plane:
        job_id = (await plane.submit(TRAIN)).json()["job_id"]
        assert (await plane.finish(job_id))["status"] == "SUCCEEDED"
        objects = store(tmp_path, twin(job_id=job_id))
        assert (await plane.client.delete(f"/jobs/{job_id}")).status_code == 204
        assert [found["job_id"] for found in (await plane.client.get("/twins")).json()] == [job_id]
        wearing = await plane.submit({"type": "RENDER", "params": {"prompt": "ohwx", "lora": "ada"}})
        in_use = await plane.client.delete("/twins/ada")
        assert (in_use.status_code, in_use.json()["code"]) == (409, "TWIN_IN_USE")
        await plane.finish(wearing.json()["job_id"])
        assert (await plane.client.delete("/twins/ada")).status_code == 204
        assert (await plane.client.get("/twins")).json() == []
        assert objects.head(weights_key("ada")) is None
        assert (await plane.client.delete("/twins/ada")).status_code == 404


async def test_where_consent_is_required_nobody_is_copied_without_it(tmp_path: Path) -> None:
    async with served(tmp_path, require_consent=True) as plane:
        for body, what in ((TRAIN, "a twin"), (VOICE, "a cloned voice")):
            status, code, pointer, words = await refusal(plane, body)
            assert (status, code, pointer) == (422, "CONSENT_REQUIRED", "/params/consent")
            assert words == f"consent: this server makes {what} only with a statement: who, when, what_for"
            agreed = await plane.submit(body | {"params": body["params"] | {"consent": CONSENT}})
            assert agreed.status_code == 202
            assert (await plane.get(agreed.json()["job_id"]))["params"]["consent"] == CONSENT
            assert (await plane.runpod.next_job()).input["params"]["consent"] == CONSENT
        assert (await plane.submit()).status_code == 202, "a voice of nobody's needs none"


async def test_where_it_is_not_required_nobody_is_asked(tmp_path: Path) -> None:
    async with served(tmp_path) as plane:
        answers = await asyncio.gather(plane.submit(TRAIN), plane.submit(VOICE))
    assert [answer.status_code for answer in answers] == [202, 202]


def test_consent_is_asked_for_by_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Settings().require_consent
    monkeypatch.setenv("REQUIRE_CONSENT", "true")
    assert Settings().require_consent


@pytest.mark.parametrize(
    "consent", [True, {"who": "Ada"}, CONSENT | {"when": "yesterday"}, CONSENT | {"who": ""}, CONSENT | {"also": "x"}]
)
async def test_a_statement_says_who_when_and_what_for(tmp_path: Path, consent: Any) -> None:
    async with served(tmp_path) as plane:
        status, _, pointer, _ = await refusal(plane, TRAIN, consent=consent)
    assert status == 422
    assert pointer.startswith("/params/consent")


def test_of_two_jobs_with_one_name_the_first_has_it(tmp_path: Path) -> None:
    objects, file = store(tmp_path, twin()), tmp_path / "other"
    file.write_bytes(b"other")
    assert not twins.register(objects, twin(job_id="job-2"), file)
    twins.withdraw(objects, "ada", "job-2")
    assert objects.get(weights_key("ada")).body == b"lora"  # type: ignore[union-attr] # it is there
    assert twins.register(objects, twin(), file), "its own job may do it again"
    twins.withdraw(objects, "ada", "job-1")
    assert objects.get(card_key("ada")) is None


def test_a_damaged_card_is_said_to_be_damaged(tmp_path: Path) -> None:
    objects = store(tmp_path)
    objects.put_if_absent(card_key("ada"), b"{}")
    with pytest.raises(StorageFailed, match="damaged"):
        twins.register(objects, twin(), tmp_path / "lora.safetensors")


def test_a_statement_has_one_hash() -> None:
    said = Consent.model_validate(CONSENT)
    assert consent_hash(said) == consent_hash(Consent.model_validate(CONSENT))
    assert consent_hash(said) != consent_hash(Consent.model_validate(CONSENT | {"who": "Eve"}))
    assert consent_hash(None) is None


class Worker:
    """Runs a stand-in for the trainer; as a RENDER, whose checks need nothing."""

    def __init__(self, objects: LocalStore) -> None:
        self.process = JobProcess((sys.executable, str(Path(__file__).parents[1] / "standins" / "twin_job.py")))
        settings = WorkerSettings(fetch_reserve_bytes=0)
        self.executor = Executor(
            store=objects, jobs=self.process, settings=settings, clock=lambda: datetime.now(UTC), address=str
        )

    async def train(self, name: str, job_id: str) -> dict[str, Any]:
        asked = {
            "protocol": 1, "job_id": job_id, "attempt": 1, "token": "t", "job_type": "RENDER",
            "params": {"prompt": name}, "output_prefix": f"jobs/{job_id}/1/",
            "start_before": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(), "deadline_seconds": 60,
        }  # fmt: skip
        return await self.executor.execute({"id": "rp-1", "input": asked})


class CanceledAtTheLast(LocalStore):
    """The plane writes down that the job is canceled a moment before the worker writes down that it is done."""

    def put_if_absent(self, key: str, body: bytes, content_type: str = "application/json") -> str | None:
        if key == result_key("job-1", 1):
            canceled = Result(job_id="job-1", attempt=1, run=1, canceled=True)
            super().put_if_absent(key, canceled.model_dump_json().encode())
        return super().put_if_absent(key, body, content_type)


@pytest.fixture
async def working() -> AsyncIterator[list[Worker]]:
    started: list[Worker] = []
    yield started
    for worker in started:
        await worker.process.kill()


async def test_the_worker_gives_a_twin_its_name_once(tmp_path: Path, working: list[Worker]) -> None:
    objects = store(tmp_path)
    working.append(Worker(objects))
    first, second = [await working[0].train("ada", job_id) for job_id in ("job-1", "job-2")]
    stored = objects.get(card_key("ada"))
    assert stored is not None
    card = Twin.model_validate_json(stored.body)
    assert (card.job_id, card.bytes, card.sha256) == ("job-1", 4, first["outputs"][0]["sha256"])
    assert first["engine"]["lora"] == "ada"
    assert second["engine"]["lora"] == "jobs/job-2/1/1/lora.safetensors"
    assert "use this one by its key" in second["engine"]["name_taken"]


async def test_a_job_canceled_at_the_last_moment_leaves_no_twin(tmp_path: Path, working: list[Worker]) -> None:
    objects = CanceledAtTheLast(tmp_path / "objects")
    working.append(Worker(objects))
    assert (await working[0].train("ada", "job-1"))["canceled"]
    assert objects.get(card_key("ada")) is None
    assert objects.head(weights_key("ada")) is None
