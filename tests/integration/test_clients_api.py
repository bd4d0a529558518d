"""What apps follow their jobs by: streams that miss nothing, sockets, many jobs at once, the line and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from control_plane.clock import system_clock
from tests.integration.served import Served, served
from tests.integration.test_api import assert_problem

OWNER = {"Authorization": "Bearer s3cret"}
HOPELESS = 60


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def stream(
    api: Served, path: str, last_id: str = "", **headers: str
) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """The blocks of an event stream, opened as an EventSource does."""
    resumed = {"Last-Event-ID": last_id} if last_id else {}
    async with asyncio.timeout(HOPELESS), api.client.stream("GET", path, headers=headers | resumed) as answer:
        assert answer.status_code == 200
        yield _blocks(answer.aiter_lines())


async def _blocks(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, str]]:
    block: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            block[name] = value
        else:
            yield block
            block = {}


# Streams


async def test_a_stream_says_at_once_where_it_is_and_when_to_come_back(api: Served) -> None:
    """An EventSource that is cut off before the first event comes back for what happened meanwhile."""
    async with stream(api, "/events") as blocks:
        opening = await anext(blocks)
    assert opening["retry"] == "1000"
    assert "data" not in opening, "it is no event"
    meanwhile = await api.job_id()
    async with stream(api, "/events", opening["id"]) as blocks:
        await anext(blocks)
        first = await anext(blocks)
    assert json.loads(first["data"])["job_id"] == meanwhile


async def test_a_silent_stream_is_kept_alive(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_plane.api.events.PING_SECONDS", 0.05)
    async with stream(api, "/events") as blocks:
        await anext(blocks)
        for _ in range(3):
            assert await anext(blocks) == {"": "nothing new"}, "a comment"


async def test_five_hundred_jobs_are_watched_by_one_connection_over_a_restart(tmp_path: Path) -> None:
    """Half of what happens is read before the server ends, the rest after it has come back: nothing is missing."""
    versions: defaultdict[str, list[int]] = defaultdict(list)
    last_id = ""

    async def read_until(blocks: AsyncIterator[dict[str, str]], status: str, count: int) -> str:
        nonlocal last_id
        reached: set[str] = set()
        async for block in blocks:
            last_id = block.get("id", last_id)
            if "data" not in block:
                continue
            data = json.loads(block["data"])
            versions[data["job_id"]].append(data["version"])
            if data["status"] == status:
                reached.add(data["job_id"])
            if len(reached) == count:
                break
        return last_id

    async with served(tmp_path, max_in_flight=1) as api, stream(api, "/events") as blocks:
        await asyncio.gather(*(api.submit() for _ in range(500)))
        await read_until(blocks, "QUEUED", 500)
        ids = [job["job_id"] for job in await _all_jobs(api) if not job["attempts"]]
        await asyncio.gather(*(api.client.post(f"/jobs/{job_id}/cancel") for job_id in ids[:200]))
        await read_until(blocks, "CANCELED", 100)
        await asyncio.gather(*(api.client.post(f"/jobs/{job_id}/cancel") for job_id in ids[200:300]))
    async with served(tmp_path, max_in_flight=1) as api, stream(api, "/events", last_id) as blocks:
        await asyncio.gather(*(api.client.post(f"/jobs/{job_id}/cancel") for job_id in ids[300:]))
        await read_until(blocks, "CANCELED", len(ids) - 100)
        listed = await api.client.get("/jobs", params={"ids": ",".join(ids[:200])})
        assert {job["status"] for job in listed.json()} == {"CANCELED"}
    for job_id in ids:
        assert versions[job_id] == list(range(1, len(versions[job_id]) + 1)), "none missing, none twice"


async def _all_jobs(api: Served) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = (await api.client.get("/jobs?limit=200")).json()
    while len(page := (await api.client.get(f"/jobs?limit=200&cursor={jobs[-1]['job_id']}")).json()):
        jobs += page
    return jobs


async def test_an_id_from_the_future_is_now(api: Served) -> None:
    """After a backup was restored the log is shorter than what a client has seen."""
    async with stream(api, "/events", "999999") as blocks:
        assert int((await anext(blocks))["id"]) < 999999
        job_id = await api.job_id()
        assert json.loads((await anext(blocks))["data"])["job_id"] == job_id
    for path in ("/events", f"/jobs/{job_id}/events"):
        for wrong in ("-1", "x", "1e3", str(2**63), "9" * 4000):
            answer = await api.client.get(path, headers={"Last-Event-ID": wrong})
            assert_problem(answer, 422, "INVALID_REQUEST")


# Sockets


def socket(api: Served, path: str, **how: Any) -> connect:
    return connect(api.url.replace("http", "ws", 1) + path, proxy=None, **how)


async def everything(websocket: ClientConnection) -> list[dict[str, Any]]:
    async with asyncio.timeout(HOPELESS):
        return [json.loads(message) async for message in websocket]


async def test_a_socket_tells_the_same_as_the_stream_and_ends_with_the_job(api: Served) -> None:
    job_id = await api.job_id()
    async with socket(api, f"/ws/jobs/{job_id}") as websocket:
        await websocket.send("this is not listened to")
        finishing = asyncio.create_task(api.finish(job_id))
        told = await everything(websocket)
        await finishing
        assert websocket.close_code == 1000
    async with stream(api, f"/jobs/{job_id}/events") as blocks:
        streamed = [block async for block in blocks if "data" in block]
    assert told == [
        {"id": int(block["id"]), "event": block["event"], "data": json.loads(block["data"])} for block in streamed
    ]
    assert told[-1]["data"]["status"] == "SUCCEEDED"
    for path in (f"?last_event_id={told[1]['id']}", ""):
        headers = {} if path else {"Last-Event-ID": str(told[1]["id"])}
        async with socket(api, f"/ws/jobs/{job_id}{path}", additional_headers=headers) as websocket:
            assert await everything(websocket) == told[2:]


async def test_a_socket_that_goes_away_is_let_go(api: Served) -> None:
    job_id = await api.job_id()
    changes = api.app.state.services.table._changes  # what is left behind shows nowhere else
    async with socket(api, f"/ws/jobs/{job_id}") as websocket:
        await websocket.recv()
        async with asyncio.timeout(HOPELESS):
            while job_id not in changes._waiting:
                await asyncio.sleep(0.01)
    async with asyncio.timeout(HOPELESS):
        while job_id in changes._waiting:
            await asyncio.sleep(0.01)


async def refused(api: Served, path: str, **how: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refusal:
        await socket(api, path, **how)
    body = json.loads(refusal.value.response.body)
    assert refusal.value.response.headers["content-type"] == "application/problem+json"
    return refusal.value.response.status_code, body["code"]


async def test_a_socket_is_guarded_like_everything_else(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret") as api:
        job_id = (await api.client.post("/jobs", json={"type": "TTS", "params": {"text": "hi"}}, headers=OWNER)).json()[
            "job_id"
        ]
        path = f"/ws/jobs/{job_id}"
        assert await refused(api, path) == (401, "UNAUTHORIZED")
        assert await refused(api, f"{path}?ticket=owner.99999999999999.00") == (401, "UNAUTHORIZED")
        assert await refused(api, f"/ws/jobs/{uuid4()}", additional_headers=OWNER) == (404, "NOT_FOUND")
        assert await refused(api, "/ws/jobs/%00", additional_headers=OWNER) == (404, "NOT_FOUND")
        for wrong in ("-1", "x", "9" * 30):
            found = await refused(api, f"{path}?last_event_id={wrong}", additional_headers=OWNER)
            assert found == (422, "INVALID_REQUEST")
        for origin in ("https://evil.example", "null", "file://"):
            found = await refused(api, path, origin=origin, additional_headers=OWNER)
            assert found == (403, "ORIGIN_NOT_ALLOWED"), origin
        port = int(api.url.rpartition(":")[2])
        rebound = connect(f"ws://evil.example{path}", host="127.0.0.1", port=port, proxy=None, additional_headers=OWNER)
        with pytest.raises(InvalidStatus) as refusal:
            await rebound
        assert refusal.value.response.status_code == 421
        for origin in ("app://rushes", "http://localhost:5173", api.url):
            async with socket(api, path, origin=origin, additional_headers=OWNER) as websocket:
                assert json.loads(await websocket.recv())["event"] == "status"


async def test_a_ticket_opens_streams_for_a_minute_and_nothing_else(tmp_path: Path) -> None:
    late = 0
    async with served(tmp_path, api_key="s3cret", clock=lambda: system_clock() + late) as api:
        job_id = (await api.client.post("/jobs", json={"type": "TTS", "params": {"text": "hi"}}, headers=OWNER)).json()[
            "job_id"
        ]
        assert_problem(await api.client.post("/tickets"), 401, "UNAUTHORIZED")
        answer = (await api.client.post("/tickets", headers=OWNER)).json()
        ticket = f"?ticket={answer['ticket']}"
        assert answer["expires_in"] == 60
        assert "s3cret" not in ticket
        async with socket(api, f"/ws/jobs/{job_id}{ticket}") as websocket:
            await websocket.recv()
        for path in ("/events", f"/jobs/{job_id}/events"):
            async with stream(api, path + ticket) as blocks:
                await anext(blocks)
        for path in (f"/jobs/{job_id}", "/jobs", "/keys", "/budget"):
            assert_problem(await api.client.get(path + ticket), 401, "UNAUTHORIZED")
        assert_problem(await api.client.post("/jobs/events" + ticket), 401, "UNAUTHORIZED")
        for altered in (
            ticket[:-1],
            ticket + "0",
            ticket.replace(".", ".1", 1),
            "?ticket=",
            "?ticket=..",
            "?ticket=%ff.1.2",
        ):
            assert_problem(await api.client.get("/events" + altered), 401, "UNAUTHORIZED")
        late = 61_000
        assert_problem(await api.client.get("/events" + ticket), 401, "UNAUTHORIZED")


# Many at once


async def test_many_jobs_are_read_by_their_ids(api: Served) -> None:
    ids = [await api.job_id() for _ in range(3)]
    nobody = str(uuid4())
    answer = await api.client.get("/jobs", params={"ids": f"{ids[2]}, {ids[0]},{nobody},{ids[0]}", "status": "FAILED"})
    assert [job["job_id"] for job in answer.json()] == [ids[2], ids[0]], "newest first, each once"
    assert answer.headers["unknown-ids"] == nobody
    assert "unknown-ids" not in (await api.client.get("/jobs", params={"ids": ids[0]})).headers
    assert (await api.client.get("/jobs", params={"ids": ""})).json() == []
    many = ",".join(str(uuid4()) for _ in range(200))
    assert (await api.client.get("/jobs", params={"ids": many})).status_code == 200
    too_many = await api.client.get(f"/jobs?ids={many},{uuid4()}")
    assert "200" in assert_problem(too_many, 422, "INVALID_REQUEST", "ids")["detail"]
    assert_problem(await api.client.get("/jobs?ids=1;DROP TABLE jobs"), 422, "INVALID_REQUEST", "ids")


# The line


async def test_a_waiting_job_knows_its_place(tmp_path: Path) -> None:
    late = 0
    async with served(tmp_path, max_in_flight=1, clock=lambda: system_clock() + late) as api:
        ids = [await api.job_id() for _ in range(4)]
        urgent = (await api.submit({"type": "TTS", "params": {"text": "now"}, "priority": 9})).json()["job_id"]
        worker = await api.worker()
        late = 20_000
        places = {job_id: (await api.get(job_id))["queue_position"] for job_id in (*ids, urgent)}
        assert [places[job_id] for job_id in (ids[0], urgent, *ids[1:])] == [1, 2, 3, 4, 5]
        listed = (await api.client.get("/jobs")).json()
        assert {job["job_id"]: job["queue_position"] for job in listed} == places
        worker.claim()
        worker.succeed()
        await api.get(ids[0], Prefer="wait=10")
        late = 40_000
        assert (await api.get(ids[0]))["queue_position"] is None
        assert (await api.get(ids[3]))["queue_position"] == 4


async def test_a_running_job_says_between_when_and_when_it_will_be_done(tmp_path: Path) -> None:
    late = 0
    async with served(tmp_path, clock=lambda: system_clock() + late) as api:
        job_id = await api.job_id()
        assert (await api.get(job_id))["expected_finish"] is None, "nothing is known to tell it from"
        worker = await api.worker()
        worker.claim()
        async with asyncio.timeout(HOPELESS):
            while (await api.get(job_id))["status"] != "RUNNING":
                pass
        late = 20_000
        worker.job.progress(worker.progress(1, 25).model_dump(mode="json"))
        async with asyncio.timeout(HOPELESS):
            while (job := await api.get(job_id))["progress"] != 25:
                pass
        expected = job["expected_finish"]
        started, earliest, latest = (
            datetime.fromisoformat(at).timestamp()
            for at in (job["started_at"], expected["earliest"], expected["latest"])
        )
        done = datetime.fromisoformat(job["updated_at"]).timestamp() - started
        assert earliest - started == pytest.approx(done * 4 * 0.8, abs=0.01)
        assert latest - started == pytest.approx(done * 4 * 1.5, abs=0.01)
        worker.succeed()
        assert (await api.get(job_id, Prefer="wait=10"))["expected_finish"] is None


async def test_a_waiting_job_learns_from_those_before_it(tmp_path: Path) -> None:
    late = 0
    async with served(tmp_path, clock=lambda: system_clock() + late) as api:
        for _ in range(5):
            job_id = await api.job_id()
            worker = await api.worker()
            worker.claim()
            worker.succeed()
            await api.get(job_id, Prefer="wait=10")
        late = 60_000
        ids = [await api.job_id() for _ in range(2)]
        await api.worker()
        late = 120_000
        first, second = [await api.get(job_id) for job_id in ids]
        assert (first["queue_position"], second["queue_position"]) == (1, 2)
        for job in (first, second):
            expected = job["expected_finish"]
            assert job["created_at"] < expected["earliest"] <= expected["latest"]
        assert second["expected_finish"]["earliest"] > first["expected_finish"]["earliest"]


# Pages


async def test_a_page_of_no_origin_reads_nothing(api: Served) -> None:
    job_id = await api.job_id()
    for origin in ("null", "https://evil.example", "file://", "app:", "app:/x", "APP://x", "http://localhost:30000"):
        for path in (f"/jobs/{job_id}", "/jobs"):
            answer = await api.client.get(path, headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers, origin
        asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        assert "access-control-allow-origin" not in (await api.client.options("/jobs", headers=asked)).headers, origin
    asked = {
        "Origin": "app://rushes", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,idempotency-key,last-event-id,prefer,content-type",
    }  # fmt: skip
    assert (await api.client.options("/jobs", headers=asked)).status_code == 200


async def test_links_outlive_the_time_they_were_asked_for(tmp_path: Path) -> None:
    """What is read is kept for up to ten minutes: also then its links must work for as long as the owner said."""
    late = 0
    async with served(tmp_path, signed_url_seconds=60) as api:
        job_id = await api.job_id()
        worker = await api.worker()
        worker.claim()
        api.app.state.services.files.put_if_absent(f"{worker.message.output_prefix}1/speech.wav", b"RIFF")
        worker.succeed()
        url = (await api.get(job_id, Prefer="wait=10"))["output_urls"][0]
        api.app.state.signer._clock = lambda: system_clock() / 1000 + late
        late = 650
        part = await api.client.get(url, headers={"Range": "bytes=1-2"})
        assert (part.status_code, part.content) == (206, b"IF")
        late = 1000
        assert_problem(await api.client.get(url), 401, "UNAUTHORIZED")
