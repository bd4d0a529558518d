"""Keys for others than the owner: scopes, limits, revoking, and what is kept of them."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.served import Served, served
from tests.integration.test_api import assert_problem
from tests.integration.test_clients_api import socket

OWNER = {"Authorization": "Bearer s3cret"}
JOB = {"type": "TTS", "params": {"text": "hi"}}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, api_key="s3cret") as running:
        yield running


async def make(api: Served, **wanted: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A new key, and the header that carries it."""
    answer = await api.client.post("/keys", json={"name": "laptop", **wanted}, headers=OWNER)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return made, {"Authorization": f"Bearer {made['key']}"}


async def status(api: Served, *headers: str) -> int:
    """Of `GET /jobs` with these very bytes as headers: a client library would refuse to send some of them."""
    address = httpx.URL(api.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    lines = ["GET /jobs HTTP/1.1", f"Host: {address.host}", "Connection: close", *headers]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    first = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(first.split()[1])


async def test_a_key_is_shown_once_and_kept_as_a_digest(api: Served, tmp_path: Path) -> None:
    made, headers = await make(api)
    assert made["scopes"] == ["read", "submit"]
    assert (await api.client.get("/jobs", headers=headers)).status_code == 200
    listed = (await api.client.get("/keys", headers=OWNER)).json()
    assert [key["id"] for key in listed] == [made["id"]]
    assert listed[0]["last_used_at"] is not None
    assert "key" not in listed[0]
    secret = made["key"].rpartition(made["id"])[2]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    with sqlite3.connect(tmp_path / "rushes.db") as conn:
        kept = conn.execute("SELECT digest FROM api_keys").fetchone()[0]
    conn.close()
    assert kept == hashlib.sha256(made["key"].encode()).digest()


async def test_a_scope_opens_what_it_says_and_no_more(api: Served) -> None:
    submitted = await api.client.post("/jobs", json=JOB, headers=OWNER)
    job = f"/jobs/{submitted.json()['job_id']}"
    calls = [
        ("GET", "/jobs", None, "read"),
        ("GET", job, None, "read"),
        ("POST", "/estimate", JOB, "read"),
        ("POST", "/tickets", None, "read"),
        ("POST", "/jobs", JOB, "submit"),
        ("POST", "/uploads", {"filename": "a.png", "content_type": "image/png", "bytes": 3}, "submit"),
        ("POST", f"{job}/cancel", None, "submit"),
        ("DELETE", job, None, "admin"),
        ("GET", "/keys", None, "admin"),
        ("POST", "/keys", {"name": "x", "scopes": ["admin"]}, "admin"),
        ("DELETE", "/keys/0", None, "admin"),
        ("POST", "/webhooks/deliveries/1/resend", None, "admin"),
    ]
    for scope in ("read", "submit", "admin"):
        _, headers = await make(api, scopes=[scope])
        opened = socket(api, f"/ws{job}", additional_headers=headers)
        if scope == "submit":
            with pytest.raises(InvalidStatus, match="403"):
                await opened
        else:
            async with opened as websocket:
                await websocket.recv()
        for method, path, body, needed in calls:
            answer = await api.client.request(method, path, json=body, headers=headers)
            if scope in (needed, "admin"):
                assert answer.status_code != 403, (scope, method, path, answer.text)
            else:
                problem = assert_problem(answer, 403, "SCOPE_MISSING")
                assert needed in problem["detail"]


async def test_what_is_no_key_opens_nothing(api: Served) -> None:
    made, _ = await make(api)
    key: str = made["key"]
    for wrong in (
        key[:-1], key + "x", key.upper(), f"rushes_{made['id']}_", f"rushes_{made['id']}", "rushes_", "rushes__", "",
        f"rushes_{'0' * 12}_{key.rpartition('_')[2]}", "rushes_\xff\xfe", "x" * 5000, "s3cre", "s3cret s3cret",
    ):  # fmt: skip
        for header in ("Authorization: Bearer", "X-API-Key:", "Authorization: Basic"):
            assert await status(api, f"{header} {wrong}") == 401, (header, wrong)
    for wrong in ("s3cret\x00", "s3\r cret"):
        assert await status(api, f"Authorization: Bearer {wrong}") in (400, 401)
    assert await status(api, "Authorization: Bearer wrong", f"Authorization: Bearer {key}") == 401
    for right in (f"X-API-Key: {key}", f"authorization: bearer {key}", f"Authorization: Bearer  {key} "):
        assert await status(api, right) == 200


async def test_a_revoked_key_is_dead_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret") as api:
        made, headers = await make(api)
        other, others = await make(api, name="stays")
        ticket = (await api.client.post("/tickets", headers=headers)).json()["ticket"]
        async with api.client.stream("GET", f"/events?ticket={ticket}") as stream:
            assert stream.status_code == 200
            for _ in range(2):
                assert (await api.client.delete(f"/keys/{made['id']}", headers=OWNER)).status_code == 204
            await api.client.post("/jobs", json=JOB, headers=OWNER)
            assert b"data:" not in await stream.aread(), "it ends, and tells nothing more"
        assert_problem(await api.client.get("/jobs", headers=headers), 401, "UNAUTHORIZED")
        assert_problem(await api.client.get(f"/events?ticket={ticket}"), 401, "UNAUTHORIZED")
        assert (await api.client.get("/jobs", headers=others)).status_code == 200
        assert_problem(await api.client.delete("/keys/nobody", headers=OWNER), 404, "NOT_FOUND")
    async with served(tmp_path, api_key="s3cret") as api:
        assert_problem(await api.client.get("/jobs", headers=headers), 401, "UNAUTHORIZED")
        listed = {key["id"]: key for key in (await api.client.get("/keys", headers=OWNER)).json()}
        assert listed[made["id"]]["revoked_at"] is not None
        assert listed[other["id"]]["last_used_at"] is not None, "noted when the server ended"
        assert (await api.client.get("/jobs", headers=others)).status_code == 200


async def test_a_key_has_a_limit_and_every_answer_tells_of_it(tmp_path: Path) -> None:
    now = 1_790_000_000_000
    async with served(tmp_path, api_key="s3cret", clock=lambda: now) as api:
        _, headers = await make(api, requests_per_minute=3)
        _, others = await make(api)
        left = []
        for _ in range(3):
            answer = await api.client.get("/jobs", headers=headers)
            assert answer.headers["ratelimit-policy"] == '"key";q=3;w=60'
            left.append(answer.headers["ratelimit"])
        assert left == [f'"key";r={r};t=60' for r in (2, 1, 0)]
        now += 20_400
        refused = await api.client.get("/jobs", headers=headers)
        assert assert_problem(refused, 429, "RATE_LIMITED")["retryable"] is True
        assert (refused.headers["retry-after"], refused.headers["ratelimit"]) == ("40", '"key";r=0;t=40')
        assert (await api.client.post("/jobs", json=JOB, headers=headers)).status_code == 429
        assert (await api.client.get("/jobs", headers=others)).status_code == 200, "each key has its own"
        owners = await api.client.get("/jobs", headers=OWNER)
        assert (owners.status_code, owners.headers.get("ratelimit")) == (200, None)
        now += 39_600
        again = await api.client.get("/jobs", headers=headers)
        assert (again.status_code, again.headers["ratelimit"]) == (200, '"key";r=2;t=60')
        assert len((await api.client.get("/jobs", headers=OWNER)).json()) == 0


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes[0]"),
        ({"scopes": ["read", "read"]}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"id": "mine"}, "id"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(api: Served, wanted: dict[str, Any], field: str) -> None:
    answer = await api.client.post("/keys", json={"name": "laptop", **wanted}, headers=OWNER)
    assert_problem(answer, 422, "INVALID_REQUEST", field)


async def test_without_an_owners_key_this_machine_is_trusted_and_a_given_key_still_counts(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        made = (await api.client.post("/keys", json={"name": "reader", "scopes": ["read"]})).json()
        reader: dict[str, Any] = {"Authorization": f"Bearer {made['key']}"}
        assert_problem(await api.submit(**reader), 403, "SCOPE_MISSING")
        assert (await api.submit()).status_code == 202
        assert (await api.submit(Authorization="Bearer whatever")).status_code == 202
        assert_problem(await api.submit(Authorization="Bearer rushes_0_x"), 401, "UNAUTHORIZED")
