"""The commands about jobs, as a shell runs them, against a real plane."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.served import Served, served
from tests.integration.test_cli import rushes
from tests.standins.proxy import proxy

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as running:
        yield running


async def run(api: Served, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """A command that speaks to this plane."""
    return await rushes(*arguments, **{"RUSHES_URL": api.url, **environment})


async def lines(api: Served, *arguments: str, **environment: str) -> list[dict[str, Any]]:
    """The JSON lines of a command that succeeds."""
    code, output, beside = await run(api, *arguments, **environment)
    assert code == 0, beside
    return [json.loads(line) for line in output.splitlines()]


# Submitting


async def test_params_are_written_as_the_server_wants_them(api: Served) -> None:
    code, output, _ = await run(
        api, "submit", "render", "prompt=A lighthouse = light", "duration=4", "seed:=7", "aspect_ratio=9:16",
        "--priority", "3", "--label", "film=one", "--max-cost-usd", "50",
    )  # fmt: skip
    assert code == 0
    job = await api.get(output.strip())
    assert (job["priority"], job["labels"], job["max_cost_usd"]) == (3, {"film": "one"}, 50.0)
    given = {name: job["params"][name] for name in ("prompt", "duration", "seed", "aspect_ratio")}
    assert given == {"prompt": "A lighthouse = light", "duration": 4.0, "seed": 7, "aspect_ratio": "9:16"}


async def test_a_file_of_params_is_read_and_pairs_go_before_it(api: Served, tmp_path: Path) -> None:
    film = {"clips": [{"url": "https://a.example/1.mp4"}], "output": {"resolution": "1080p"}}
    (tmp_path / "film.json").write_text(json.dumps(film))
    changes = ("output.resolution=720p", "clips[0].end=2.5", "clips[1].url=https://a.example/2.mp4")
    file = str(tmp_path / "film.json")
    made = (await lines(api, "submit", "EXPORT", *changes, "--file", file, "--json"))[0]
    params = (await api.get(made["job_id"]))["params"]
    assert [(clip["url"][-5:], clip["end"]) for clip in params["clips"]] == [("1.mp4", 2.5), ("2.mp4", None)]
    assert params["output"]["resolution"] == "720p"


WRONG = (
    (["NOPE", "x=1"], "NOPE"),
    (["TTS", "text"], "'text' is not key=value"),
    (["TTS", "=x"], "is not key=value"),
    (["TTS", "a..b=1"], "is not key=value"),
    (["TTS", "text:={"], "is not JSON"),
    (["EXPORT", "clips[3].url=x"], "no such place"),
    (["TTS", "--file", "nowhere.json"], "nowhere.json: No such file"),
    (["IMG2VID", "image_url=nowhere.png"], "there is no file nowhere.png"),
    (["TTS", "text=x", "--label", "x"], "'x' is not name=value"),
    (["TTS", "txt=x"], "params.txt: Extra inputs"),
    (["TTS", "text=x", "speed=99"], "params.speed"),
)
"""What is asked for, and words of the answer."""


async def test_wrong_usage_is_a_sentence_and_makes_nothing(api: Served) -> None:
    answers = await asyncio.gather(*(run(api, "submit", *arguments) for arguments, _ in WRONG))
    for (arguments, words), (code, output, beside) in zip(WRONG, answers, strict=True):
        assert (code, output) == (2, ""), arguments
        assert words in beside
    assert (await api.client.get("/jobs")).json() == []


async def test_local_files_are_uploaded_once_each(api: Served, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff" + PNG)
    given = {"images": ["a.png", "b.jpg", "a.png", "https://a.example/c.png", "b.jpg"], "name": "me", "trigger": "me"}
    (tmp_path / "twin.json").write_text(json.dumps(given))
    code, output, beside = await run(api, "submit", "TRAIN_TWIN", "-f", str(tmp_path / "twin.json"))
    assert code == 0, beside
    images = (await api.get(output.strip()))["params"]["images"]
    assert images[0] == images[2] != images[1]
    assert images[3] == "https://a.example/c.png"
    files = api.app.state.services.files
    assert files.path(images[0].removeprefix("storage://")).read_bytes() == PNG
    assert files.head(images[1].removeprefix("storage://")).content_type == "image/jpeg"
    assert len(list(files.list("uploads/"))) == 2


async def test_nothing_is_uploaded_for_a_job_that_would_be_refused(api: Served, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    wrong = ("IMG2VID", f"image_url={tmp_path / 'a.png'}", "motionn=zoom_in", "duration=no")
    code, _, beside = await run(api, "submit", *wrong)
    assert code == 2
    assert "params.motionn" in beside
    assert "params.duration" in beside, "all that is wrong is said at once"
    (tmp_path / "a.exe").write_bytes(PNG)
    code, _, beside = await run(api, "submit", "IMG2VID", f"image_url={tmp_path / 'a.exe'}")
    assert code == 2
    assert "a.exe" in beside
    assert list(api.app.state.services.files.list("uploads/")) == []


async def test_a_submission_whose_answer_is_lost_is_one_job(api: Served) -> None:
    async with proxy(api.url) as between:
        between.cuts[b"POST /jobs "] = [0, 10]
        code, output, beside = await run(api, "submit", "TTS", "text=once", RUSHES_URL=between.url)
        assert (code, beside) == (0, "")
        assert between.seen.count(b"POST /jobs HTTP/1.1") == 3
        listed = (await api.client.get("/jobs")).json()
        assert [job["job_id"] for job in listed] == [output.strip()]
    keys = ("submit", "TTS", "text=mine", "--idempotency-key", "mine")
    assert (await run(api, *keys))[1] == (await run(api, *keys))[1]


# Watching


async def wait_for(api: Served, *arguments: str) -> tuple[asyncio.Task[tuple[int, str, str]], str]:
    """`rushes submit --wait` on its way, and its job."""
    running = asyncio.create_task(run(api, "submit", "TTS", "text=hi", "--wait", *arguments))
    async with asyncio.timeout(30):
        while not (jobs := (await api.client.get("/jobs")).json()):
            await asyncio.sleep(0.02)
    return running, jobs[0]["job_id"]


async def test_waiting_tells_every_change_and_ends_with_the_job(api: Served) -> None:
    running, job_id = await wait_for(api)
    await api.finish(job_id)
    code, output, beside = await running
    assert (code, beside) == (0, "")
    told = [json.loads(line) for line in output.splitlines()]
    versions = [state["version"] for state in told]
    assert versions == list(range(versions[0], versions[0] + len(versions))), "none missing, none twice"
    assert (told[-1]["job_id"], told[-1]["status"]) == (job_id, "SUCCEEDED")
    assert (await run(api, "watch", job_id))[0] == 0


async def test_a_job_that_fails_or_is_canceled_ends_with_one(api: Served) -> None:
    running, job_id = await wait_for(api)
    worker = await api.worker()
    worker.claim()
    worker.fail("ENGINE_FAILED", "It broke.")
    code, output, _ = await running
    last = json.loads(output.splitlines()[-1])
    assert (code, last["status"], last["error"]) == (1, "FAILED", "It broke.")
    other = await api.job_id()
    assert [told["status"] for told in await lines(api, "cancel", other)] in (["CANCELED"], ["QUEUED"])
    code, output, _ = await run(api, "watch", job_id, other)
    assert code == 1
    assert json.loads(output.splitlines()[-1])["status"] in ("CANCELED", "FAILED")


async def test_there_is_an_end_to_waiting(api: Served) -> None:
    code, output, beside = await run(api, "submit", "TTS", "text=hi", "--wait", "--timeout", "0.5")
    assert code == 4
    assert json.loads(output.splitlines()[-1])["status"] == "QUEUED"
    assert beside == "Not finished yet: the jobs go on\n"


async def test_five_hundred_jobs_are_watched_by_one_connection(tmp_path: Path) -> None:
    async with served(tmp_path, max_in_flight=1) as api, proxy(api.url) as between:
        await asyncio.gather(*(api.submit() for _ in range(500)))
        ids: list[str] = []
        while len(ids) < 500:
            cursor = f"&cursor={ids[-1]}" if ids else ""
            ids += [job["job_id"] for job in (await api.client.get(f"/jobs?limit=200{cursor}")).json()]
        watching = asyncio.create_task(run(api, "watch", *ids, RUSHES_URL=between.url))
        async with asyncio.timeout(30):
            while not any(b"GET /events" in request for request in between.seen):
                await asyncio.sleep(0.02)
        for at in range(0, 500, 50):
            await asyncio.gather(*(api.client.post(f"/jobs/{job_id}/cancel") for job_id in ids[at : at + 50]))
        code, output, beside = await watching
        assert (code, beside) == (1, "")
        assert sum(b"GET /events" in request for request in between.seen) == 1
        assert sum(b"GET /jobs" in request for request in between.seen) <= 6
    told: dict[str, list[int]] = {job_id: [] for job_id in ids}
    for state in map(json.loads, output.splitlines()):
        told[state["job_id"]].append(state["version"])
    for versions in told.values():
        assert versions == list(range(versions[0], versions[-1] + 1))


async def test_where_nothing_streams_jobs_are_polled(api: Served) -> None:
    async with proxy(api.url) as between:
        missing = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno"
        between.answers[b"GET /events"] = missing
        job_id = await api.job_id()
        watching = asyncio.create_task(run(api, "watch", job_id, RUSHES_URL=between.url))
        async with asyncio.timeout(30):
            while not any(b"GET /events" in request for request in between.seen):
                await asyncio.sleep(0.02)
        await api.finish(job_id)
        code, output, _ = await watching
        assert (code, json.loads(output.splitlines()[-1])["status"]) == (0, "SUCCEEDED")


async def test_a_stream_that_breaks_is_resumed(api: Served) -> None:
    async with proxy(api.url) as between:
        between.cuts[b"GET /events"] = [400, 900]
        job_id = await api.job_id()
        watching = asyncio.create_task(run(api, "watch", job_id, RUSHES_URL=between.url))
        async with asyncio.timeout(30):
            while not any(b"GET /events" in request for request in between.seen):
                await asyncio.sleep(0.02)
        worker = await api.worker()
        worker.claim()
        for percent in range(10, 60, 10):
            worker.job.progress(worker.progress(percent, percent).model_dump(mode="json"))
            while (await api.get(job_id))["progress"] != percent:
                await asyncio.sleep(0.01)
        worker.succeed()
        code, output, _ = await watching
        versions = [json.loads(line)["version"] for line in output.splitlines()]
        assert code == 0
        assert sum(b"GET /events" in request for request in between.seen) == 3
        assert versions == list(range(versions[0], versions[0] + len(versions)))


# Looking


async def test_jobs_are_listed_over_pages_and_shown(api: Served) -> None:
    ids = [await api.job_id() for _ in range(3)]
    await api.client.post("/jobs", json={"type": "RENDER", "params": {"prompt": "x"}})
    assert [job["job_id"] for job in await lines(api, "list", "--type", "tts")] == ids[::-1]
    assert [job["job_id"] for job in await lines(api, "list", "--type", "tts", "-n", "2")] == ids[:0:-1]
    assert await lines(api, "list", "--status", "failed") == []
    shown = await lines(api, "show", ids[0], ids[1])
    assert [job["job_id"] for job in shown] == ids[:2]
    assert shown[0]["queue_position"] is not None
    for command in ("show", "watch", "cancel", "retry", "download"):
        code, output, beside = await run(api, command, str(uuid4()))
        assert (code, output) == (3, ""), command
        assert "no" in beside
        assert (await run(api, command, "../budget"))[0] == 2


async def test_finished_jobs_are_made_again_and_forgotten(api: Served) -> None:
    job_id = await api.job_id()
    await api.finish(job_id)
    again = (await run(api, "retry", job_id))[1].strip()
    assert (await api.get(again))["retry_of"] == job_id
    code, _, beside = await run(api, "delete", job_id)
    assert (code, "--yes" in beside) == (2, True)
    assert (await run(api, "delete", job_id, "--yes"))[0] == 0
    assert (await api.client.get(f"/jobs/{job_id}")).status_code == 404
    assert (await run(api, "delete", again, "-y"))[0] == 3, "it is not finished"


async def test_what_it_would_cost_needs_no_upload(api: Served, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    found = (await lines(api, "estimate", "IMG2VID", f"image_url={tmp_path / 'a.png'}"))[0]
    assert found["low_seconds"] < found["high_seconds"]
    assert list(api.app.state.services.files.list("uploads/")) == []
    assert (await lines(api, "budget"))[0]["today"]["reserved_usd"] == 0
    assert "cogvideox-5b" in {model["id"] for model in await lines(api, "models", "--json")}


# Downloading


async def finished(api: Served, content: bytes, told: bytes | None = None) -> str:
    """A job whose output is `content`, and whose worker said it was `told`."""
    job_id = await api.job_id()
    worker = await api.worker()
    worker.claim()
    key = f"{worker.message.output_prefix}1/speech.wav"
    api.app.state.services.files.put_if_absent(key, content)
    digest = hashlib.sha256(content if told is None else told).hexdigest()
    output = {"key": key, "kind": "audio", "content_type": "audio/wav", "bytes": len(content), "sha256": digest}
    worker.put_result(outputs=[output], engine={"name": "test"})
    worker.job.finish({"done": True})
    assert (await api.get(job_id, Prefer="wait=10"))["status"] == "SUCCEEDED"
    return job_id


async def test_outputs_are_fetched_and_checked(api: Served, tmp_path: Path) -> None:
    job_id = await finished(api, b"RIFF" * 100)
    into = tmp_path / "out"
    for _ in range(2):
        code, output, _ = await run(api, "download", job_id, "--to", str(into))
        assert (code, output.strip()) == (0, str(into / "speech.wav"))
        assert (into / "speech.wav").read_bytes() == b"RIFF" * 100
        assert [file.name for file in into.iterdir()] == ["speech.wav"]
    (into / "speech.wav").write_bytes(b"mine")
    code, _, beside = await run(api, "download", job_id, "--to", str(into))
    assert (code, "another file" in beside) == (2, True)
    assert (into / "speech.wav").read_bytes() == b"mine"
    broken = await finished(api, b"RIFF", told=b"FFIR")
    code, _, beside = await run(api, "download", broken, "--to", str(tmp_path / "b"))
    assert (code, "SHA-256" in beside) == (3, True)
    assert list((tmp_path / "b").iterdir()) == []
    assert (await run(api, "download", await api.job_id()))[0] == 3, "it has no outputs yet"


async def test_a_download_that_breaks_goes_on_where_it_broke(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    async with proxy() as between, served(tmp_path / "data", public_url=between.url, api_key="s3cret") as api:
        between.target = api.url
        api.client.headers["Authorization"] = "Bearer s3cret"
        job_id = await finished(api, content)
        between.cuts[b"GET /files/"] = [100_000, 50_000]
        code, output, beside = await run(
            api, "download", job_id, "--to", str(tmp_path / "out"), RUSHES_API_KEY="s3cret"
        )
        assert (code, beside) == (0, "")
        assert Path(output.strip()).read_bytes() == content
        assert sum(b"GET /files/" in request for request in between.seen) == 3


# Who is asked


async def test_a_server_that_says_no_or_nothing_is_three(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret") as api:
        code, _, beside = await run(api, "list", RUSHES_API_KEY="wrong")
        assert (code, beside) == (3, "127.0.0.1 wants a key, or another one: set RUSHES_API_KEY\n")
        assert (await run(api, "list", RUSHES_API_KEY="s3cret"))[0] == 0
        assert (await run(api, "list", API_KEY="s3cret"))[0] == 3, "the owner's key stays with the owner's server"
        port = api.url.rpartition(":")[2]
        assert (await rushes("list", PORT=port, API_KEY="s3cret"))[0] == 0
    code, _, beside = await run(api, "submit", "TTS", "text=x", RUSHES_API_KEY="s3cret")
    assert (code, f"{api.url} does not answer" in beside) == (3, True)
    code, _, beside = await run(api, "list", RUSHES_URL="nowhere")
    assert (code, "RUSHES_URL" in beside) == (2, True)


async def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret") as api:
        owner = {"RUSHES_API_KEY": "s3cret"}
        key = (await run(api, "keys", "create", "the tablet", "--scope", "read", "--per-minute", "5", **owner))[
            1
        ].strip()
        assert re.fullmatch(r"rushes_[0-9a-f]{12}_[\w-]{43}", key)
        assert (await run(api, "list", RUSHES_API_KEY=key))[0] == 0
        code, _, beside = await run(api, "submit", "TTS", "text=x", RUSHES_API_KEY=key)
        assert (code, "'submit'" in beside) == (3, True)
        listed = await lines(api, "keys", "list", **owner)
        assert [(made["name"], made["scopes"], made["requests_per_minute"]) for made in listed] == [
            ("the tablet", ["read"], 5)
        ]
        assert (await run(api, "keys", "revoke", key, **owner))[0] == 0
        assert (await run(api, "list", RUSHES_API_KEY=key))[0] == 3
        assert (await run(api, "keys", "revoke", "nobody", **owner))[0] == 3


async def test_a_shell_completes_types_and_ids(api: Served) -> None:
    job_id = await api.job_id()

    async def complete(words: str) -> str:
        count = str(len(words.split()) - (0 if words.endswith(" ") else 1))
        asked = {"_RUSHES_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count}
        return (await run(api, **asked, _TYPER_COMPLETE_ARGS=words))[1]

    assert job_id in await complete(f"rushes show {job_id[:4]}")
    assert "export" in (await complete("rushes submit ex")).lower()
    code, output, _ = await run(api, "list", "--help")
    assert (code, "--status" in output) == (0, True)
