"""Hostile files and words through the whole worker: each a plain FAILED or a right result, inside its limits.

Every job runs in the real job process with the real ffmpeg; only the platform is left out.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from gpu_worker.executor import Executor
from gpu_worker.job_process import JobProcess
from gpu_worker.media.probe import probe
from gpu_worker.settings import WorkerSettings
from gpu_worker.timeline.stitch import stitch_timeline
from shared.storage.local import LocalStore
from tests.security import corpus
from tests.security.corpus import CANARY, Good

SMALL = {"resolution": "240p", "fps": 24}
LONGEST = 60.0
"""Seconds for one hostile job: many times what a good one of its size takes here."""
LARGEST = 2_500_000_000
"""Bytes resident in the job process and all that it starts."""


@dataclass
class Trap:
    """A server that nothing may ever ask."""

    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def trap() -> Iterator[Trap]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Trap(f"http://127.0.0.1:{server.server_address[1]}", asked)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    return corpus.make_good(tmp_path_factory.mktemp("good"))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary.ts"
    path.write_bytes(CANARY)
    return path


@dataclass
class Worker:
    """The worker's executor on a store, and what its processes grew to."""

    executor: Executor
    store: LocalStore
    folder: Path
    largest: int = 0
    count: int = 0

    async def run(self, job_type: str, **params: Any) -> dict[str, Any]:
        """One job to its end; what a person is told is a sentence and no more."""
        self.count += 1
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(LONGEST):
                job = {"id": f"hostile-{self.count}", "input": {"job_type": job_type, **params}}
                answer = await self.executor.execute(job)
        finally:
            watching.cancel()
        if "error" in answer:
            self._check_sentence(answer["error"])
        else:
            self._check_film(answer)
        return answer

    def put(self, content: bytes, name: str = "a.mp4") -> str:
        """The address of an upload."""
        key = f"uploads/u{len(list(self.store.list('uploads/')))}/{name}"
        self.store.put_if_absent(key, content)
        return f"storage://{key}"

    def _check_sentence(self, error: str) -> None:
        code, _, sentence = error.partition(": ")
        assert code.isupper(), error
        assert 10 < len(sentence) < 1000, error
        for word in ("Traceback", str(self.folder), "/tmp", "error of its own", "process ended", "was killed"):
            assert word not in error, error

    def _check_film(self, answer: dict[str, Any]) -> None:
        for output in answer["outputs"]:
            path = self.store.path(output["key"])
            assert path.stat().st_size == output["bytes"] > 0
            assert CANARY not in path.read_bytes()
            if output["kind"] == "video":
                assert probe(path).duration > 0

    async def _watch(self) -> None:
        while True:
            sizes = []
            for process in psutil.Process().children(recursive=True):
                try:
                    sizes.append(process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            self.largest = max(self.largest, sum(sizes))
            await asyncio.sleep(0.05)


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Worker]:
    store, process = LocalStore(tmp_path / "objects"), JobProcess()
    settings = WorkerSettings(fetch_reserve_bytes=0, model_dir=tmp_path / "models", storage_patience_seconds=1)
    executor = Executor(
        store=store, jobs=process, settings=settings, clock=lambda: datetime.now(UTC), address=lambda key: key
    )
    working = Worker(executor, store, tmp_path)
    yield working
    await process.kill()
    assert working.largest < LARGEST, f"{working.largest / 1e9:.1f} GB"


Told = dict[str, str]


async def export(worker: Worker, files: Mapping[str, bytes], **more: Any) -> Told:
    """A film of each file alone; its error, or `ok`."""
    told: Told = {}
    for name, content in files.items():
        params = {"clips": [{"url": worker.put(content), "end": 0.5}], "output": SMALL, "out_of_range": "clamp", **more}
        told[name] = (await worker.run("EXPORT", **params)).get("error", "ok")
    return told


async def move(worker: Worker, files: Mapping[str, bytes]) -> Told:
    """A camera move over each picture."""
    told: Told = {}
    for name, content in files.items():
        url = worker.put(content, "a.png")
        answer = await worker.run("IMG2VID", image_url=url, duration=1, resolution="240p")
        told[name] = answer.get("error", "ok")
    return told


def taken(told: Told) -> list[str]:
    return [name for name, error in told.items() if error == "ok"]


async def still_works(worker: Worker, good: Good) -> None:
    """After all of it the same worker makes a film."""
    assert await export(worker, {"good": good.mp4}) == {"good": "ok"}


async def test_what_is_no_film_is_refused(worker: Worker, good: Good) -> None:
    told = await export(worker, corpus.nothing(good))
    assert taken(told) in ([], ["half an mp4"]), "its first half second is whole"
    assert taken(await move(worker, corpus.nothing(good))) == []
    await still_works(worker, good)


async def test_playlists_and_documents_reach_no_file_and_no_network(
    worker: Worker, good: Good, trap: Trap, canary: Path
) -> None:
    texts = corpus.playlists(trap.url, canary)
    assert taken(await export(worker, texts)) == []
    assert taken(await move(worker, texts)) == []
    assert taken(await export(worker, {f"png and {name}": good.png[:33] + text for name, text in texts.items()})) == []
    as_subtitles = {name: (await _with_subtitles(worker, good, text)) for name, text in texts.items()}
    assert taken(as_subtitles) == []
    assert trap.asked == []
    await still_works(worker, good)


async def test_an_address_inside_is_never_asked(worker: Worker, good: Good, trap: Trap) -> None:
    port = trap.url.rpartition(":")[2]
    for url in (f"{trap.url}/a.mp4", f"https://127.0.0.1:{port}/a", f"https://[::ffff:127.0.0.1]/{port}",
                "https://2130706433/a", "https://0x7f.1/a", "https://localhost./a", "https://169.254.169.254/latest/",
                "https://127.0.0.1.nip.invalid/a", "file:///etc/passwd", "ftp://127.0.0.1/a", "https://[fd00:ec2::254]/",
                "storage://../../etc/passwd", "storage:///etc/passwd", "concat:/etc/passwd", "https://0/"):  # fmt: skip
        for params in ({"clips": [{"url": url}]}, {"clips": [{"url": worker.put(good.mp4)}], "music": {"url": url}}):
            answer = await worker.run("EXPORT", **params)
            assert "error" in answer, url
    assert trap.asked == []


async def test_bombs_go_off_nowhere(worker: Worker, good: Good) -> None:
    expected = {"png with 200 MB of text", "png with 200 MB of profile"}
    for told in (await move(worker, corpus.bombs()), await export(worker, corpus.bombs())):
        assert set(taken(told)) <= expected, told
    await still_works(worker, good)


async def test_lengths_and_rates_that_are_none(worker: Worker, good: Good) -> None:
    odd = corpus.odd_times(good)
    assert {"webm of NaN length", "webm of infinite length"} <= odd.keys()
    await export(worker, odd)
    sound = [{"url": worker.put(good.mp4), "end": 0.5}]
    for name, content in odd.items():
        answer = await worker.run(
            "EXPORT", clips=sound, music={"url": worker.put(content)}, output=SMALL, out_of_range="clamp"
        )
        assert "error" not in answer or "music" in answer["error"] or "MEDIA" in answer["error"], (
            name,
            answer["error"],
        )
    await still_works(worker, good)


@pytest.mark.parametrize("count", [8, pytest.param(60, marks=[pytest.mark.nightly, pytest.mark.timeout(1800)])])
async def test_bent_files_fail_or_play(worker: Worker, good: Good, count: int) -> None:
    bent = corpus.bent(good, count, seed=20261121)
    told = await export(worker, bent)
    assert 0 < len(taken(told)) < len(bent), "some survive and some do not"
    await still_works(worker, good)


async def test_subtitles_and_luts_fail_or_show(worker: Worker, good: Good) -> None:
    told = {name: await _with_subtitles(worker, good, content) for name, content in corpus.SUBTITLES.items()}
    assert "ok" not in (told["zeros"], told["nothing"], told["billion laughs"])
    for name, content in corpus.LUTS.items():
        clips, lut = [{"url": worker.put(good.mp4), "end": 0.3}], worker.put(content, "a.cube")
        answer = await worker.run("EXPORT", clips=clips, style={"lut_url": lut}, output=SMALL)
        assert "LUT" in answer["error"], name


async def _with_subtitles(worker: Worker, good: Good, content: bytes) -> str:
    answer = await worker.run(
        "EXPORT",
        clips=[{"url": worker.put(good.mp4), "end": 0.5}],
        subtitle_file={"url": worker.put(content, "a.srt")},
        output=SMALL,
        out_of_range="clamp",
    )
    return str(answer.get("error", "ok"))


@pytest.mark.timeout(300)
async def test_any_words_are_words(worker: Worker, good: Good) -> None:
    clip = {"url": worker.put(good.mp4), "end": 0.5}
    for words in corpus.WORDS:
        captions = [{"text": words, "start": 0, "end": 0.4}, {"text": "after", "start": 0.4, "end": 0.5}]
        answer = await worker.run(
            "EXPORT", clips=[clip], captions=captions, titles=[{"text": words[:100], "start": 0, "end": 0.4}],
            metadata={"title": words[:100]}, output=SMALL,
        )  # fmt: skip
        assert answer.get("error") is None, words
        spoken = await worker.run("TTS", text=words[:300])
        assert "error" not in spoken or spoken["error"].startswith(("INVALID", "ENGINE_UNAVAILABLE")), words


async def test_numbers_that_are_none_and_lists_without_end(worker: Worker, good: Good) -> None:
    url = worker.put(good.mp4)
    wrong: list[dict[str, Any]] = [
        {"clips": [{"url": url, "end": value}]}
        for value in (float("nan"), float("inf"), -1, 1e308, 10**400, "1e999", [], {}, -0.0)
    ]
    wrong += [
        {"clips": [{"url": url}] * 10_000},
        {"clips": [{"url": url}], "captions": [{"text": "x", "start": 0, "end": 1}] * 10_000},
        {"clips": [{"url": url, "speed": 1e-300}]},
        {"clips": [{"url": url}], "output": {"resolution": "9999999p"}},
        {"clips": [{"url": url}], "output": {"fps": 10**9}},
        {"clips": [{"url": "x" * 1_000_000}]},
        {"clips": [{"url": url, "unknown": 1}]},
        {"clips": []},
        {"clips": "x"},
        {},
    ]
    refused = [(await worker.run("EXPORT", **params)).get("error", "") for params in wrong]
    assert [error for error in refused if not error.startswith("INVALID")] == []


def test_files_of_any_name_are_stitched(tmp_path: Path, good: Good) -> None:
    for number, name in enumerate(corpus.NAMES):
        source, film = tmp_path / name, tmp_path / f"film-{number}" / name
        source.write_bytes(good.mp4)
        film.parent.mkdir()
        stitch_timeline([{"url": str(source), "end": 0.3}], [], film, output=SMALL)
        assert probe(film).duration == pytest.approx(0.3, abs=0.1), name
