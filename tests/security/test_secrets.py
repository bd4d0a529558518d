"""Secrets stay where they are: not in logs, not in answers, not in files that others can read."""

from __future__ import annotations

import io
import logging
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest

from control_plane import logs
from tests.integration.served import served
from tests.integration.test_keys import OWNER, make
from tests.standins.runpod import refusing

SECRETS = {
    "Authorization: Bearer s3cret-0f-mine": "s3cret-0f-mine",
    "{'authorization': 'Bearer abc.def-123'}": "abc.def-123",
    "x-api-key: hunter2hunter2": "hunter2hunter2",
    "POST https://b.example/k?X-Amz-Credential=AKIA123%2Fauto&X-Amz-Signature=deadbeef01": "deadbeef01",
    "GET https://b.example/k?X-Amz-Credential=AKIA123XYZ&X-Amz-Expires=60": "AKIA123XYZ",
    "GET /files/a.mp4?expires=1&signature=0123456789abcdef": "0123456789abcdef",
    "GET /events?ticket=owner.179.fedcba98": "owner.179.fedcba98",
    "key rushes_0a1b2c3d4e5f_Zm9vYmFy-_x was": "Zm9vYmFy-_x",
    "secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "key rpa_ABCDEFGHIJKLMNOPQRST1234": "ABCDEFGHIJKLMNOPQRST1234",
    "token hf_abcdefghijklmnopqrstuv": "hf_abcdefghijklmnopqrstuv",
    "POST http://h.example/callbacks/Zx81tokentoken": "Zx81tokentoken",
    "POST http://h.example/webhooks/runpod/Zx82tokentoken": "Zx82tokentoken",
    "https://someone:p4ssw0rd@hooks.example/x": "p4ssw0rd",
}


Listen = Callable[[Literal["text", "json"]], io.StringIO]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Configures the logs at DEBUG and gives what they say; the loggers are as they were afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers.clear()

    def listen(form: Literal["text", "json"]) -> io.StringIO:
        logs.configure("DEBUG", form)
        (handler,) = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        stream = io.StringIO()
        handler.setStream(stream)
        return stream

    yield listen
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_logged(listen: Listen, form: Literal["text", "json"]) -> None:
    log = listen(form)
    for line, secret in SECRETS.items():
        logging.getLogger("some.package").info("%s", line)
        logging.getLogger("some.package").error("it broke", exc_info=RuntimeError(line))
        assert secret not in log.getvalue(), line
    assert log.getvalue().count("it broke") == len(SECRETS)
    assert "b.example" in log.getvalue(), "and what is no secret is still there"


async def test_a_whole_run_at_debug_level_logs_no_key_and_answers_tell_none(tmp_path: Path, listen: Listen) -> None:
    log = listen("json")
    async with served(tmp_path, api_key="s3cret-0f-mine") as api:
        owner = {"Authorization": "Bearer s3cret-0f-mine"}
        api.runpod.fail_next("run", refusing(500), refusing(401))
        job = {
            "type": "TTS",
            "params": {"text": "hi"},
            "webhook_url": "https://u:p4ssw0rd@a.invalid/x?token=abcdef0123",
        }
        answers = [
            await api.client.post("/jobs", json=job, headers=owner),
            await api.client.post("/jobs", json={"type": "TTS", "params": {"text": "hi"}}, headers=owner),
            await api.client.get("/jobs", headers={"Authorization": "Bearer s3cret-0f-mine-not"}),
            await api.client.post("/tickets", headers=owner),
            await api.client.get("/jobs", headers=owner),
            await api.client.get("/endpoint", headers=owner),
        ]
        worker = await api.worker()
        await api.client.post(f"/callbacks/{worker.message.token}", content=b"garbage")
        told = "".join(answer.text for answer in answers)
        token, runpod_key = worker.message.token, api.runpod.key
        ticket = answers[3].json()["ticket"]
    secrets = ["s3cret-0f-mine", token, runpod_key, (tmp_path / "webhook_secret").read_text()]
    assert "HTTP Request: POST" in log.getvalue(), "libraries were listened to"
    assert not [secret for secret in [*secrets, ticket] if secret in log.getvalue()]
    assert not [secret for secret in secrets if secret in told]


async def test_a_problem_tells_no_traceback_path_or_secret(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret") as api:

        def broken(*_: object) -> None:
            msg = f"{tmp_path}/rushes.db s3cret"
            raise RuntimeError(msg)

        api.app.state.services.table.ask = broken
        async with httpx.AsyncClient(base_url=api.url, trust_env=False) as client:
            answer = await client.get("/jobs", headers=OWNER)
        del api.app.state.services.table.ask
        assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
        for word in ("Traceback", str(tmp_path), "s3cret", "RuntimeError"):
            assert word not in answer.text


async def test_only_the_owner_can_read_the_data(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with served(folder, api_key="s3cret") as api:
        await make(api)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        kept = [path for path in folder.iterdir() if path.is_file()]
        names = {path.name for path in kept}
        assert {"rushes.db", "rushes.db-wal", "rushes.db-shm", "secret", "webhook_secret"} <= names
        readable = [path.name for path in kept if stat.S_IMODE(path.stat().st_mode) & 0o077]
        assert [name for name in readable if not name.endswith(".lock")] == [], "the lock is empty"
