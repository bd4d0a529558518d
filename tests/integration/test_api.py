"""The HTTP API as a client meets it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.served import Served, served


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


def assert_problem(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    if field is not None:
        assert field in [error["field"] for error in body["errors"]]
    return body


# Submitting


async def test_a_job_is_taken_and_described(api: Served) -> None:
    answer = await api.submit()
    assert answer.status_code == 202
    body = answer.json()
    assert body["status"] == "QUEUED"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", body["job_id"])
    assert answer.headers["location"] == f"/jobs/{body['job_id']}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["created_at"])


BAD_JOBS = [
    ({"type": "NOPE", "params": {}}, "type"),
    ({"params": {"text": "x"}}, "type"),
    ({"type": "TTS"}, "params"),
    ({"type": "TTS", "params": {}}, "params.text"),
    ({"type": "TTS", "params": {"text": "x", "speeed": 2}}, "params.speeed"),
    ({"type": "TTS", "params": {"text": "x", "speed": 99}}, "params.speed"),
    ({"type": "TTS", "params": {"text": "x"}, "wat": 1}, "wat"),
    ({"type": "RENDER", "params": {"prompt": ""}}, "params.prompt"),
    ({"type": "RENDER", "params": {"prompt": "x", "resolution": "9000p"}}, "params.resolution"),
    ({"type": "EXPORT", "params": {"clips": []}}, "params.clips"),
    (
        {"type": "EXPORT", "params": {"clips": [{"url": "https://a.example/v.mp4", "start": 5, "end": 2}]}},
        "params.clips[0]",
    ),
    ({"type": "EXPORT", "params": {"clips": [{"url": "ftp://a.example/v.mp4"}]}}, "params.clips[0].url"),
    ({"type": "EXPORT", "params": {"clips": [{"url": "file:///etc/passwd"}]}}, "params.clips[0].url"),
    ({"type": "IMG2VID", "params": {"image_url": "storage://../secret"}}, "params.image_url"),
    ({"type": "IMG2VID", "params": {"image_url": "storage://jobs/x/claims/1.json"}}, "params.image_url"),
    ({"type": "IMG2VID", "params": {"image_url": "s3://somebody-else/uploads/a.png"}}, "params.image_url"),
    ({"type": "IMG2VID", "params": {"image_url": "job:0b5a3c52-6d0e-4c0b-9d5e-2f1a7c3b9e10"}}, "params.image_url"),
    ({"type": "IMG2VID", "params": {"image_url": "http://127.0.0.1/x.png"}}, "params.image_url"),
    ({"type": "IMG2VID", "params": {"image_url": "https://169.254.169.254/latest"}}, "params.image_url"),
    ({"type": "TRAIN_TWIN", "params": {"images": ["https://a.example/1.png"], "name": "me"}}, "params.images"),
]


@pytest.mark.parametrize(("body", "field"), BAD_JOBS, ids=lambda value: json.dumps(value)[:60])
async def test_a_wrong_job_is_refused_naming_the_field(api: Served, body: dict[str, Any], field: str) -> None:
    answer = await api.submit(body)
    problem = answer.json()
    assert problem["status"] == 422, problem
    assert_problem(answer, 422, problem["code"], field)
    assert (await api.client.get("/jobs")).json() == [], "nothing half done"


async def test_what_is_not_json_is_refused(api: Served) -> None:
    for body in (b"{", b"\xff\xfe", b""):
        answer = await api.client.post("/jobs", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422)
        assert_problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_a_megabyte_is_refused(api: Served, declared: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    content = b" " * 2_000_000 if declared else pieces()
    answer = await api.client.post("/jobs", content=content, headers={"content-type": "application/json"})
    assert_problem(answer, 413, "BODY_TOO_LARGE")


async def test_the_same_key_and_body_is_the_same_job(api: Served) -> None:
    first = await api.submit(**{"Idempotency-Key": "k1"})
    again = await api.submit(**{"Idempotency-Key": "k1"})
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    other = await api.submit({"type": "TTS", "params": {"text": "other"}}, **{"Idempotency-Key": "k1"})
    assert_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")
    assert len((await api.client.get("/jobs")).json()) == 1


async def test_two_hundred_at_once_with_one_key_make_one_job(api: Served) -> None:
    answers = await asyncio.gather(*(api.submit(**{"Idempotency-Key": "race"}) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1


async def test_a_timeline_is_stitched_by_its_own_call(api: Served) -> None:
    answer = await api.client.post(
        "/timeline/stitch",
        json={"clips": [{"url": "https://a.example/v.mp4", "start": 0, "end": 2}], "captions": []},
    )
    assert answer.status_code == 202
    job = await api.get(answer.json()["job_id"])
    assert (job["type"], job["params"]["clips"][0]["end"]) == ("EXPORT", 2.0)
    assert_problem(await api.client.post("/timeline/stitch", json={"clips": []}), 422, "INVALID_REQUEST", "clips")


# Reading


async def test_a_finished_job_has_fresh_links_that_work(api: Served) -> None:
    job_id = await api.job_id()
    done = await api.finish(job_id)
    assert (done["status"], done["progress"], done["error"]) == ("SUCCEEDED", 100, None)
    key = done["outputs"][0]["key"]
    api.app.state.services.files.put_if_absent(key, b"RIFF")
    assert done["output_urls"] == [done["outputs"][0]["url"]]
    read = await api.client.get(done["output_urls"][0])
    assert (read.status_code, read.content) == (200, b"RIFF")


async def test_an_unknown_job_is_a_404_and_an_odd_id_a_422(api: Served) -> None:
    assert_problem(await api.client.get(f"/jobs/{uuid4()}"), 404, "NOT_FOUND")
    assert_problem(await api.client.get("/jobs/not-an-id"), 422, "INVALID_REQUEST")
    assert_problem(await api.client.get("/nowhere"), 404, "NOT_FOUND")
    refused = await api.client.patch("/jobs")
    assert_problem(refused, 405, "METHOD_NOT_ALLOWED")
    assert refused.headers["allow"] == "GET, POST"
    assert (await api.client.request("TRACE", f"/jobs/{uuid4()}")).headers["allow"] == "GET, DELETE"


async def test_an_unchanged_job_is_a_304(api: Served) -> None:
    job_id = await api.job_id()
    worker = await api.worker()
    worker.claim()
    worker.succeed()
    await api.get(job_id, Prefer="wait=10")
    first = await api.client.get(f"/jobs/{job_id}")
    tag = first.headers["etag"]
    same = await api.client.get(f"/jobs/{job_id}", headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    listed = await api.client.get("/jobs")
    again = await api.client.get("/jobs", headers={"If-None-Match": listed.headers["etag"]})
    assert again.status_code == 304
    await api.job_id()
    assert (await api.client.get("/jobs", headers={"If-None-Match": listed.headers["etag"]})).status_code == 200


async def test_any_way_of_writing_the_etag_is_understood(api: Served) -> None:
    job_id = await api.job_id()
    worker = await api.worker()
    worker.claim()
    worker.succeed()
    await api.get(job_id, Prefer="wait=10")
    path = f"/jobs/{job_id}"
    tag = (await api.client.get(path)).headers["etag"]
    for given in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        assert (await api.client.get(path, headers={"If-None-Match": given})).status_code == 304, given
    assert (await api.client.get(path, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_what_is_read_again_shows_every_change_at_once(api: Served) -> None:
    waits_for_it = {"type": "EXPORT", "params": {"clips": [{"url": f"job:{await api.job_id()}"}]}}
    job_id = (await api.submit(waits_for_it)).json()["job_id"]
    await api.worker()
    for _ in range(3):
        read = await api.client.get(f"/jobs/{job_id}")
        assert (await api.client.get(f"/jobs/{job_id}")).content == read.content
        await api.client.post(f"/jobs/{job_id}/cancel")
        now = await api.get(job_id)
        assert now["cancel_requested_at"] is not None
    other = await api.job_id()
    before = (await api.client.get(f"/jobs/{other}")).headers["etag"]
    await api.finish(other)
    assert (await api.client.get(f"/jobs/{other}", headers={"If-None-Match": before})).status_code == 200


async def test_pages_that_may_read_are_told_so_and_others_are_not(api: Served) -> None:
    path = f"/jobs/{await api.job_id()}"
    tag = (await api.client.get(path)).headers["etag"]
    for way in (path, "/jobs", "/nowhere"):
        allowed = await api.client.get(way, headers={"Origin": "app://rushes", "If-None-Match": tag})
        assert allowed.headers["access-control-allow-origin"] == "app://rushes"
        assert "ETag" in allowed.headers["access-control-expose-headers"]
        foreign = await api.client.get(way, headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers
        assert allowed.headers["vary"] == foreign.headers["vary"] == "Origin"
    ids = {(await api.client.get(path)).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


async def test_wait_returns_when_the_job_finishes(api: Served) -> None:
    job_id = await api.job_id()
    waiting = asyncio.create_task(api.client.get(f"/jobs/{job_id}", headers={"Prefer": "wait=20"}))
    worker = await api.worker()
    worker.claim()
    worker.succeed()
    answer = await waiting
    assert (answer.json()["status"], answer.headers["preference-applied"]) == ("SUCCEEDED", "wait=20")


async def test_wait_with_an_etag_returns_at_the_next_change(tmp_path: Path) -> None:
    async with served(tmp_path, gpu_usd_per_second=0.0) as api:
        await _wait_for_changes(api)


async def _wait_for_changes(api: Served) -> None:
    job_id = await api.job_id()
    worker = await api.worker()
    worker.claim()
    running = await api.client.get(f"/jobs/{job_id}")
    while running.json()["status"] != "RUNNING":
        headers = {"Prefer": "wait=10", "If-None-Match": running.headers["etag"]}
        running = await api.client.get(f"/jobs/{job_id}", headers=headers)
        assert running.status_code == 200
    headers = {"Prefer": "wait=1", "If-None-Match": running.headers["etag"]}
    assert (await api.client.get(f"/jobs/{job_id}", headers=headers)).status_code == 304


async def test_lists_are_newest_first_and_paged(api: Served) -> None:
    ids = [await api.job_id() for _ in range(5)]
    seen: list[str] = []
    path: str | None = "/jobs?limit=2"
    while path:
        page = await api.client.get(path)
        seen += [job["job_id"] for job in page.json()]
        following = page.headers.get("link")
        path = following and re.match(r'<(.+)>; rel="next"', following)[1]  # type: ignore[index]
    assert seen == ids[::-1]
    assert [j["job_id"] for j in (await api.client.get(f"/jobs?ids={ids[1]},{ids[3]},{uuid4()}")).json()] == [
        ids[3],
        ids[1],
    ]
    assert len((await api.client.get("/jobs?type=TTS&status=QUEUED")).json()) == 5
    assert (await api.client.get("/jobs?type=RENDER")).json() == []
    assert_problem(await api.client.get("/jobs?status=NOPE"), 422, "INVALID_REQUEST")
    assert_problem(await api.client.get("/jobs?limit=0"), 422, "INVALID_REQUEST")


# Ending


async def test_cancel_says_what_is_true(api: Served) -> None:
    job_id = await api.job_id()
    worker = await api.worker()
    worker.claim()
    while (await api.get(job_id))["status"] != "RUNNING":
        pass
    asked = await api.client.post(f"/jobs/{job_id}/cancel")
    assert (asked.status_code, asked.json()["status"]) == (202, "RUNNING")
    worker.put_result(canceled=True)
    assert (await api.get(job_id, Prefer="wait=10"))["status"] == "CANCELED"
    again = await api.client.post(f"/jobs/{job_id}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "CANCELED")
    assert_problem(await api.client.post(f"/jobs/{uuid4()}/cancel"), 404, "NOT_FOUND")


async def test_a_finished_job_cannot_be_canceled_but_retried_and_deleted(api: Served) -> None:
    job_id = await api.job_id()
    assert_problem(await api.client.post(f"/jobs/{job_id}/retry"), 409, "NOT_FINISHED")
    assert_problem(await api.client.delete(f"/jobs/{job_id}"), 409, "NOT_FINISHED")
    done = await api.finish(job_id)
    assert_problem(await api.client.post(f"/jobs/{job_id}/cancel"), 409, "ALREADY_FINISHED")
    retried = await api.client.post(f"/jobs/{job_id}/retry")
    assert retried.status_code == 202
    twin = await api.get(retried.json()["job_id"])
    assert (twin["retry_of"], twin["params"]) == (job_id, done["params"])
    assert (await api.client.delete(f"/jobs/{job_id}")).status_code == 204
    assert_problem(await api.client.get(f"/jobs/{job_id}"), 404, "NOT_FOUND")
    left = [found.key for found in api.app.state.services.files.list(f"jobs/{job_id}/")]
    assert left == [f"jobs/{job_id}/claims/1.json"], "only what keeps another worker from starting it"


# Following


def _events(text: str) -> list[dict[str, Any]]:
    blocks = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in text.split("\n\n")]
    return [{**block, "data": json.loads(block["data"])} for block in blocks if "data" in block]


async def test_the_events_of_a_job_are_complete_and_resumable(api: Served) -> None:
    job_id = await api.job_id()
    stream = asyncio.create_task(api.client.get(f"/jobs/{job_id}/events"))
    await api.finish(job_id)
    answer = await asyncio.wait_for(stream, 10)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = _events(answer.text)
    versions = [event["data"]["version"] for event in events]
    assert versions == list(range(1, len(versions) + 1)), "none missing, none twice"
    statuses = [event["data"]["status"] for event in events]
    assert (statuses[0], statuses[-1]) == ("QUEUED", "SUCCEEDED")
    resumed = await api.client.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": events[1]["id"]})
    assert [event["id"] for event in _events(resumed.text)] == [event["id"] for event in events[2:]]
    ended = await api.client.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": events[-1]["id"]})
    assert ended.status_code == 204, "an EventSource stops asking"
    assert_problem(await api.client.get(f"/jobs/{uuid4()}/events"), 404, "NOT_FOUND")


async def test_the_events_of_all_jobs_begin_now(api: Served) -> None:
    first = await api.job_id()
    await api.finish(first)
    async with api.client.stream("GET", "/events") as stream:
        assert stream.status_code == 200
        second = await api.job_id()
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                assert json.loads(line[6:])["job_id"] == second
                break


# Uploading


async def _sign(api: Served, **changes: Any) -> httpx.Response:
    wanted = {"filename": "my clip.mp4", "content_type": "video/mp4", "bytes": 4, **changes}
    return await api.client.post("/uploads", json=wanted)


async def test_an_upload_is_signed_put_once_and_read_with_ranges(api: Served) -> None:
    signed = (await _sign(api)).json()
    assert signed["method"] == "PUT"
    assert re.fullmatch(r"storage://uploads/[0-9a-f-]{36}/my-clip\.mp4", signed["url"])
    put = await api.client.put(signed["upload_url"], content=b"abcd", headers=signed["headers"])
    assert put.status_code == 201
    assert_problem(
        await api.client.put(signed["upload_url"], content=b"abcd", headers=signed["headers"]), 409, "CONFLICT"
    )
    key = signed["url"].removeprefix("storage://")
    link = api.app.state.services.files.signed_get(key, 60)
    whole = await api.client.get(link)
    assert (whole.content, whole.headers["content-type"]) == (b"abcd", "video/mp4")
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]
    part = await api.client.get(link, headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"bc", "bytes 1-2/4")
    same = await api.client.get(link, headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert (await api.client.head(link)).headers["content-length"] == "4"


async def test_an_upload_of_another_size_type_or_place_is_refused(api: Served) -> None:
    signed = (await _sign(api)).json()
    url, headers = signed["upload_url"], signed["headers"]
    assert_problem(await api.client.put(url, content=b"abcde", headers=headers), 401, "UNAUTHORIZED")
    assert_problem(
        await api.client.put(url, content=b"abcd", headers={"Content-Type": "text/html"}), 401, "UNAUTHORIZED"
    )
    moved = url.replace("my-clip", "other")
    assert_problem(await api.client.put(moved, content=b"abcd", headers=headers), 401, "UNAUTHORIZED")
    assert_problem(await _sign(api, content_type="text/html"), 422, "UPLOAD_REFUSED", "content_type")
    assert_problem(await _sign(api, bytes=10**12), 422, "UPLOAD_REFUSED", "bytes")
    assert_problem(await _sign(api, bytes=0), 422, "INVALID_REQUEST", "bytes")
    hostile = (await _sign(api, filename="../../etc/passwd\x00.mp4")).json()
    assert re.fullmatch(r"storage://uploads/[0-9a-f-]{36}/[A-Za-z0-9_-]+\.mp4", hostile["url"])


async def test_a_link_that_was_altered_or_not_signed_reads_nothing(api: Served) -> None:
    api.app.state.services.files.put_if_absent("uploads/a.mp4", b"abcd")
    link = api.app.state.services.files.signed_get("uploads/a.mp4", 60)
    for altered in (link.replace("a.mp4", "b.mp4"), link[:-1] + ("1" if link[-1] == "0" else "0"), link.split("?")[0]):
        assert_problem(await api.client.get(altered), 401, "UNAUTHORIZED")


# Listening


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(30):
        yield b"x" * 50_000


async def test_callbacks_are_always_taken_and_end_nothing(api: Served) -> None:
    job_id = await api.job_id()
    worker = await api.worker()
    worker.claim()
    while (await api.get(job_id))["status"] != "RUNNING":
        pass
    token = worker.message.token
    for body in (b"garbage", b"{}", b"[" * 50_000, worker.progress(1, 42).model_dump_json().encode()):
        assert (await api.client.post(f"/callbacks/{token}", content=body)).status_code == 200
    assert (await api.client.post("/callbacks/unknown", content=b"{}")).status_code == 200
    assert (await api.client.post(f"/callbacks/{token}", content=_endless())).status_code == 200
    assert (await api.client.post(f"/webhooks/runpod/{token}", json={"status": "COMPLETED"})).status_code == 200
    job = await api.get(job_id)
    assert (job["status"], job["progress"]) == ("RUNNING", 42)


async def test_health_tells_how_it_is(api: Served) -> None:
    health = (await api.client.get("/health")).json()
    assert (health["status"], health["runpod_connected"], health["store"]) == ("ok", True, "local")
    assert health["workers"]["ready"] == 1
    assert (await api.client.get("/healthz")).json() == {"status": "ok"}
    assert (await api.client.get("/readyz")).json() == {"status": "ok"}


# Guarding


async def test_a_key_is_asked_for_when_one_is_set(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret") as api:
        assert_problem(await api.client.get("/jobs"), 401, "UNAUTHORIZED")
        assert_problem(await api.client.get("/jobs", headers={"Authorization": "Bearer wrong"}), 401, "UNAUTHORIZED")
        assert_problem(await api.client.get("/events"), 401, "UNAUTHORIZED")
        for headers in ({"Authorization": "Bearer s3cret"}, {"X-API-Key": "s3cret"}):
            assert (await api.client.get("/jobs", headers=headers)).status_code == 200
        assert (await api.client.get("/health")).status_code == 200
        assert (await api.client.post("/callbacks/x", content=b"")).status_code == 200
        assert_problem(await api.client.get("/files/uploads/a.mp4"), 401, "UNAUTHORIZED")


async def test_foreign_hosts_and_origins_are_kept_out(api: Served) -> None:
    assert_problem(await api.client.get("/jobs", headers={"Host": "evil.example"}), 421, "HOST_NOT_ALLOWED")
    for origin in ("https://evil.example", "null", "http://localhost:5173.evil.example"):
        answer = await api.submit(Origin=origin)
        assert_problem(answer, 403, "ORIGIN_NOT_ALLOWED")
        assert "access-control-allow-origin" not in answer.headers
    for origin in ("http://localhost:5173", "app://rushes", api.url):
        assert (await api.submit(Origin=origin)).status_code == 202
    preflight = {"Origin": "app://rushes", "Access-Control-Request-Method": "POST"}
    allowed = await api.client.options("/jobs", headers=preflight)
    assert allowed.headers["access-control-allow-origin"] == "app://rushes"


async def test_the_schema_has_one_union_of_job_types(api: Served) -> None:
    schema = (await api.client.get("/openapi.json")).json()
    assert schema["openapi"].startswith("3.1")
    body = schema["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["discriminator"]["propertyName"] == "type"
    assert set(body["discriminator"]["mapping"]) == {"RENDER", "IMG2VID", "TTS", "LIPSYNC", "TRAIN_TWIN", "EXPORT"}
