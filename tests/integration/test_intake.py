"""A submission is the same job, or the same refusal, whether it is taken before the router or by the route."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.served import Served, served

TTS = {"type": "TTS", "params": {"text": "hi"}}
BY_THE_ROUTE = {"Content-Type": "application/json; charset=utf-8"}
BODIES = [
    json.dumps(TTS),
    json.dumps({**TTS, "priority": 7, "labels": {"scene": "3 – 世界"}, "max_cost_usd": 0.5}),
    json.dumps({**TTS, "priority": "7"}),
    json.dumps({**TTS, "priority": 7.5}),
    json.dumps({**TTS, "priority": True}),
    json.dumps({**TTS, "webhook_url": "http://127.0.0.1/hook"}),
    json.dumps({**TTS, "params": {"text": "hi", "speed": "1.5"}}),
    json.dumps({"type": "RENDER", "params": {"prompt": "a sea", "resolution": "480p"}}),
    json.dumps({"type": "IMG2VID", "params": {"image_url": "storage://uploads/a.png"}}),
    json.dumps({"type": "IMG2VID", "params": {"image_url": "http://127.0.0.1/x.png"}}),
    json.dumps({"type": "NOPE", "params": {}}),
    '{"type": "TTS", "type": "RENDER", "params": {"text": "hi"}}',
    '{"type": "TTS", "params": {"text": "\\ud800"}}',
    '{"type": "TTS", "params": {"text": "hi", "speed": NaN}}',
    '{"type": "TTS", "params": {"text": "hi"}',
    '[{"type": "TTS", "params": {"text": "hi"}}]',
    "[" * 30_000,
    "null",
    "",
    "\ufeff" + json.dumps(TTS),
]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


async def post(api: Served, body: str, **headers: str) -> httpx.Response:
    return await api.client.post("/jobs", content=body.encode("utf-8", "surrogatepass"), headers=headers)


async def meaning(api: Served, answer: httpx.Response) -> dict[str, Any]:
    """What does not differ between two equal submissions."""
    body: dict[str, Any] = answer.json()
    if answer.status_code == 202:
        job = await api.get(body["job_id"])
        body["job"] = {name: job[name] for name in ("type", "params", "labels", "priority", "max_cost_usd")}
        assert answer.headers["location"] == f"/jobs/{body['job_id']}"
    changing = ("job_id", "created_at", "request_id", "instance")
    kept = {name: value for name, value in body.items() if name not in changing}
    return {"status": answer.status_code, "type": answer.headers["content-type"], **kept}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:50] or "nothing")
async def test_both_ways_say_the_same(api: Served, body: str) -> None:
    straight = await post(api, body, **{"Content-Type": "application/json"})
    assert await meaning(api, straight) == await meaning(api, await post(api, body, **BY_THE_ROUTE))


async def test_a_key_means_the_same_job_both_ways(api: Served) -> None:
    first = await api.submit(**{"Idempotency-Key": "key-1"})
    again = await post(api, json.dumps(TTS), **BY_THE_ROUTE, **{"Idempotency-Key": "key-1"})
    once_more = await api.submit(**{"Idempotency-Key": "key-1"})
    assert first.status_code == again.status_code == once_more.status_code == 202
    assert first.json() == again.json() == once_more.json()
    assert [answer.headers.get("idempotent-replayed") for answer in (first, again, once_more)] == [None, "true", "true"]
    other = await api.submit({"type": "TTS", "params": {"text": "other"}}, **{"Idempotency-Key": "key-1"})
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_of_no_use_is_refused(api: Served, key: str) -> None:
    assert (await api.submit(**{"Idempotency-Key": key})).status_code == 422


async def test_a_body_in_pieces_is_one_body(api: Served) -> None:
    body = json.dumps(TTS).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(len(body)):
            yield body[at : at + 1]

    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    answer = await api.client.post("/jobs", content=pieces(), headers=headers)
    assert answer.status_code == 202
    wrong = await api.client.post("/jobs", content=pieces(), headers={"Content-Type": "application/json"})
    assert wrong.status_code == 202, "chunked: no length was declared"
