"""The worker around the job types: a real store, real job processes, a real plane to call back; every way to end."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gpu_worker.executor import Executor, sweep
from gpu_worker.job_process import JobProcess
from gpu_worker.settings import WorkerSettings
from shared.errors import StorageFailed
from shared.storage.local import LocalStore
from shared.wire import Claim, Result, Tombstone, checkpoint_prefix, claim_key, result_key

JOBS = (sys.executable, str(Path(__file__).parents[1] / "standins" / "worker_jobs.py"))
CLAIM, RESULT = claim_key("j1", 1), result_key("j1", 1)
LEASE_SECONDS = 30.0
GONE = "storage://uploads/gone"


def now() -> datetime:
    return datetime.now(UTC)


async def eventually(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(30):
        while not (value := condition()):
            await asyncio.sleep(0.01)
        return value


def is_running(pid: int) -> bool:
    """Neither gone nor a zombie that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Plane:
    """Where callbacks arrive."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[dict[str, Any]] = []

    async def receive(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        return web.Response()

    async def pids(self) -> list[int]:
        """The processes of the job, once it runs."""
        seen = await eventually(lambda: [said for said in self.got if said["stage"] == "rendering"])
        return [int(pid) for pid in seen[0]["message"].split()]


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    plane, app = Plane(), web.Application()
    app.router.add_post("/callbacks/token", plane.receive)
    async with TestServer(app) as server:
        plane.url = str(server.make_url("/callbacks/token"))
        yield plane


class FragileStore(LocalStore):
    """A store that can be cut off from those who write by ETag: the renewals of claims."""

    down = False

    def put_if_match(self, key: str, body: bytes, etag: str, content_type: str = "application/json") -> str | None:
        if self.down:
            raise StorageFailed
        return super().put_if_match(key, body, etag, content_type)


@pytest.fixture
def store(tmp_path: Path) -> FragileStore:
    return FragileStore(tmp_path / "objects")


Build = Callable[..., Executor]


@pytest.fixture
async def build(store: FragileStore) -> AsyncIterator[Build]:
    """Makes workers, each with a job process of its own."""
    processes: list[JobProcess] = []

    def build(worker: str = "w1", lease: float = LEASE_SECONDS, **settings: Any) -> Executor:
        processes.append(JobProcess(JOBS))
        usual = {"storage_patience_seconds": 1, "fetch_reserve_bytes": 0}
        values = WorkerSettings(runpod_pod_id=worker, claim_lease_seconds=lease, **(usual | settings))
        return Executor(
            store=store, jobs=processes[-1], settings=values, clock=now, address=lambda key: store.path(key).as_uri()
        )

    yield build
    for process in processes:
        await process.kill()


def job(prompt: str, plane: Plane | None = None, *, id: str = "rp-1", **changes: object) -> dict[str, Any]:
    message = {
        "protocol": 1,
        "job_id": "j1",
        "attempt": 1,
        "token": "t",
        "job_type": "RENDER",
        "params": {"prompt": prompt},
        "output_prefix": "jobs/j1/1/",
        "start_before": (now() + timedelta(minutes=1)).isoformat(),
        "deadline_seconds": 60,
        "callback_url": plane and plane.url,
    }
    return {"id": id, "input": message | changes}


def read(store: LocalStore, key: str) -> Any:
    stored = store.get(key)
    return json.loads(stored.body) if stored else None


def put_claim(store: LocalStore, runpod_id: str, run: int = 1) -> None:
    claim = Claim(
        token="t",
        runpod_job_id=runpod_id,
        worker_id="earlier",
        run=run,
        claimed_at=now(),
        expires_at=now() + timedelta(seconds=LEASE_SECONDS),
    )
    assert store.put_if_absent(CLAIM, claim.model_dump_json().encode())


async def test_a_job_runs_and_its_outcome_is_in_the_bucket(build: Build, store: LocalStore, plane: Plane) -> None:
    answer = await build().execute(job("write a film", plane))
    [output] = answer["outputs"]
    assert output["key"] == "jobs/j1/1/1/film.mp4"
    assert output["sha256"] == hashlib.sha256(b"a film").hexdigest()
    assert (output["bytes"], output["kind"], output["fps"], output["width"]) == (6, "video", 8.0, 64)
    assert answer["engine"] == {"name": "standin"}
    assert answer["timings"].keys() == {"fetch", "run", "upload"}
    assert read(store, RESULT) == answer
    film = store.get(output["key"])
    assert film is not None
    assert film.body == b"a film"
    assert Claim.model_validate(read(store, CLAIM)).runpod_job_id == "rp-1"


async def test_what_a_job_kept_reaches_the_next_worker_and_is_gone_when_it_is_done(
    build: Build, store: LocalStore
) -> None:
    verb = f"goes-on {store.path(checkpoint_prefix('j1') + 'tries')}"
    for attempt in (1, 2):
        answer = await build().execute(job(verb, attempt=attempt, output_prefix=f"jobs/j1/{attempt}/"))
        assert answer["error"].startswith("ENGINE_FAILED: The job process was killed")
    answer = await build().execute(job(verb, attempt=3, output_prefix="jobs/j1/3/"))
    assert read(store, answer["outputs"][0]["key"]) == 3
    assert not list(store.list(checkpoint_prefix("j1")))


async def test_progress_rises_and_ends_with_a_look(build: Build, plane: Plane) -> None:
    await build().execute(job("write a film", plane))
    assert [said["seq"] for said in plane.got] == sorted({said["seq"] for said in plane.got})
    assert [said["progress"] for said in plane.got] == sorted(said["progress"] for said in plane.got)
    assert (plane.got[-1]["stage"], plane.got[-1]["progress"]) == ("finished", 100)


async def test_a_failure_is_a_code_and_a_sentence(build: Build, store: LocalStore, plane: Plane) -> None:
    answer = await build().execute(job("fail The lens is fogged up.", plane))
    assert answer["error"] == "ENGINE_FAILED: The lens is fogged up."
    stored = read(store, RESULT)
    assert stored is not None
    assert stored["error"] == {"code": "ENGINE_FAILED", "message": "The lens is fogged up.", "retryable": True}
    assert plane.got[-1]["stage"] == "finished"


async def test_too_little_memory_has_a_code_of_its_own_and_may_be_tried_again(build: Build, store: LocalStore) -> None:
    answer = await build().execute(job("memory"))
    assert answer["error"] == "OUT_OF_MEMORY: The job needed more memory than this worker has."
    assert read(store, RESULT)["error"]["retryable"] is True  # type: ignore[index] # it is there


async def test_a_bug_leaks_nothing(build: Build) -> None:
    answer = await build().execute(job("bug"))
    assert answer["error"] == "INTERNAL: The worker met an error of its own; its log says more."
    assert "secret" not in json.dumps(answer)


async def test_wrong_params_name_the_field(build: Build, store: LocalStore) -> None:
    answer = await build().execute(job("", params={"prompt": "fog", "duration": -1, "colour": "red"}))
    assert answer["error"].startswith("INVALID_PARAMS: duration: Input should be")
    assert "colour: Extra inputs" in answer["error"]
    assert read(store, RESULT) is not None


async def test_a_job_process_stays_warm_and_is_replaced_when_it_dies(build: Build, store: LocalStore) -> None:
    worker, answers = build(), []
    for attempt, prompt in enumerate(("pid", "fail", "pid", "die", "pid"), 1):
        answers.append(await worker.execute(job(prompt, attempt=attempt, output_prefix=f"jobs/j1/{attempt}/")))
    first, second, third = (read(store, answers[n]["outputs"][0]["key"]) for n in (0, 2, 4))
    assert first == second != third
    assert answers[3]["error"] == "ENGINE_FAILED: The job process was killed, probably for lack of memory."
    assert answers[3]["refresh_worker"] is True
    assert "refresh_worker" not in answers[1]
    assert third is not None
    os.kill(third, signal.SIGKILL)
    # Not just its first thread: only when all are gone can anybody know that it died.
    await eventually(lambda: os.waitid(os.P_PID, third, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
    assert "error" not in await worker.execute(job("pid", attempt=6))


async def test_a_job_may_ask_for_a_fresh_process_or_a_fresh_worker(build: Build, store: LocalStore) -> None:
    worker, answers = build(), []
    for attempt, prompt in enumerate(("retire", "pid", "wedge The GPU is wedged.", "pid"), 1):
        answers.append(await worker.execute(job(prompt, attempt=attempt, output_prefix=f"jobs/j1/{attempt}/")))
    pids = [read(store, answers[n]["outputs"][0]["key"]) for n in (0, 1, 3)]
    assert len(set(pids)) == 3
    assert (answers[2]["error"], answers[2]["refresh_worker"]) == ("ENGINE_FAILED: The GPU is wedged.", True)
    assert not any("refresh_worker" in answers[n] for n in (0, 1, 3))


async def test_a_cancel_kills_the_job_and_all_it_started(build: Build, store: LocalStore, plane: Plane) -> None:
    worker = build()
    running = asyncio.create_task(worker.execute(job("hang", plane)))
    pids = await plane.pids()
    assert all(is_running(pid) for pid in pids)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_running(pids[0])
    await eventually(lambda: not is_running(pids[1]))
    stored = Result.model_validate(read(store, RESULT))
    assert stored.canceled
    assert not stored.outputs
    assert plane.got[-1]["stage"] == "finished"
    assert "error" not in await worker.execute(job("write a film", attempt=2))


async def test_a_job_past_its_deadline_is_stopped(build: Build, store: LocalStore, plane: Plane) -> None:
    answer = await build().execute(job("hang", plane, deadline_seconds=3))
    assert answer["error"] == "DEADLINE_EXCEEDED: The job took longer than its 3 seconds and was stopped."
    assert read(store, RESULT) is not None
    assert not is_running((await plane.pids())[0])


async def test_of_two_submissions_one_runs(build: Build, store: LocalStore) -> None:
    workers = build("w1"), build("w2")
    jobs = job("write a film", id="rp-1"), job("write a film", id="rp-2")
    answers = await asyncio.gather(*(worker.execute(job) for worker, job in zip(workers, jobs, strict=True)))
    won, lost = sorted(answers, key=lambda answer: "claim_lost" in answer)
    assert len(won["outputs"]) == 1
    assert lost == {"claim_lost": True, "holder": Claim.model_validate(read(store, CLAIM)).runpod_job_id}


async def test_the_platform_may_run_the_same_submission_again(build: Build, store: LocalStore) -> None:
    put_claim(store, "rp-1")
    answer = await build().execute(job("write a film"))
    assert (answer["run"], answer["outputs"][0]["key"]) == (2, "jobs/j1/1/2/film.mp4")
    assert Claim.model_validate(read(store, CLAIM)).run == 2


async def test_but_not_for_ever(build: Build, store: LocalStore) -> None:
    put_claim(store, "rp-1", run=3)
    answer = await build().execute(job("write a film"))
    assert answer["error"] == "WORKER_LOST: The job's worker was lost 3 times."
    assert read(store, RESULT) is not None


async def test_a_closed_attempt_does_not_start(build: Build, store: LocalStore) -> None:
    store.put_if_absent(CLAIM, Tombstone(token="t", at=now()).model_dump_json().encode())
    answer = await build().execute(job("write a film"))
    assert answer == {"claim_lost": True, "holder": None, "canceled": True}


async def test_a_displaced_worker_stops(build: Build, store: LocalStore, plane: Plane) -> None:
    running = asyncio.create_task(build(lease=1.5).execute(job("hang", plane)))
    pids = await plane.pids()
    await build("w2").execute(job("write a film"))
    answer = await running
    assert answer["error"].startswith("LEASE_LOST: ")
    await eventually(lambda: not any(is_running(pid) for pid in pids))
    assert Result.model_validate(read(store, RESULT)).run == 2


async def test_a_displaced_worker_uploads_and_decides_nothing(
    build: Build, store: LocalStore, plane: Plane, tmp_path: Path
) -> None:
    running = asyncio.create_task(build().execute(job(f"wait {tmp_path / 'go'}", plane)))
    await plane.pids()
    again = asyncio.create_task(build("w2").execute(job("hang")))
    await eventually(lambda: Claim.model_validate(read(store, CLAIM)).run == 2)
    (tmp_path / "go").touch()
    answer = await running
    assert answer["error"].startswith("LEASE_LOST: ")
    assert [found.key for found in store.list("")] == [CLAIM]
    again.cancel()
    await asyncio.wait({again})


async def test_a_job_dies_before_its_claim_runs_out(build: Build, store: FragileStore, plane: Plane) -> None:
    running = asyncio.create_task(build(lease=2).execute(job("hang", plane)))
    pids = await plane.pids()
    store.down = True
    answer = await running
    assert answer == {"error": "LEASE_LOST: This worker no longer holds the job and has stopped it."}
    assert not is_running(pids[0])
    assert now() < Claim.model_validate(read(store, CLAIM)).expires_at
    assert read(store, RESULT) is None


async def test_an_outcome_written_by_the_plane_is_obeyed(build: Build, store: LocalStore, plane: Plane) -> None:
    running = asyncio.create_task(build(lease=1).execute(job("hang", plane)))
    pids = await plane.pids()
    canceled = Result(job_id="j1", attempt=1, run=1, canceled=True)
    store.put_if_absent(RESULT, canceled.model_dump_json().encode())
    assert await running == canceled.dump()
    assert not is_running(pids[0])


async def test_a_late_start_touches_nothing(build: Build, store: LocalStore) -> None:
    late = (now() - timedelta(seconds=1)).isoformat()
    answer = await build().execute(job("write a film", start_before=late))
    assert answer["error"].startswith("START_TOO_LATE: ")
    assert list(store.list("")) == []


async def test_a_job_sent_by_hand_gets_an_address(build: Build, store: LocalStore) -> None:
    answer = await build().execute({"id": "by-hand", "input": {"job_type": "RENDER", "prompt": "write a film"}})
    assert answer["video_url"] == store.path("manual/by-hand/1/film.mp4").as_uri()
    assert [found.key for found in store.list("")] == ["manual/by-hand/1/film.mp4"]


@pytest.fixture
async def media() -> AsyncIterator[str]:
    """A web server on this machine with one song."""

    async def song(_: web.Request) -> web.Response:
        return web.Response(body=b"la" * 50)

    app = web.Application()
    app.router.add_get("/song", song)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


def film_of(clip: str, music: str) -> dict[str, Any]:
    return {"clips": [{"url": clip}], "music": {"url": music}}


async def test_inputs_are_brought_to_the_job(build: Build, store: LocalStore, media: str) -> None:
    store.put_if_absent("uploads/face.mp4", b"face")
    worker = build(allow_private_urls=True)
    answer = await worker.execute(
        job("", job_type="EXPORT", params=film_of("storage://uploads/face.mp4", f"{media}song"))
    )
    written = read(store, answer["outputs"][0]["key"])
    assert written == {"storage://uploads/face.mp4": 4, f"{media}song": 100}


@pytest.mark.parametrize(
    ("music", "sentence"),
    [
        ("storage://uploads/gone.mp3", "NOT_FOUND: music.url: There is no such file in the store."),
        ("{media}gone", "MEDIA_REFUSED: music.url: The address answered 404."),
        ("{media}song", "MEDIA_REFUSED: music.url: The file is larger than"),
        ("job:0197f3a0-0000-7000-8000-000000000000", "INVALID_PARAMS: music.url: job: addresses are for the control"),
        ("ftp://example.org/song", "INVALID_PARAMS: music.url: use https://"),
    ],
)
async def test_an_input_that_fails_is_named(
    build: Build, store: LocalStore, media: str, music: str, sentence: str
) -> None:
    store.put_if_absent("uploads/face.mp4", b"face")
    params = film_of("storage://uploads/face.mp4", music.format(media=media))
    worker = build(allow_private_urls=True, fetch_max_total_bytes=103)
    answer = await worker.execute(job("", job_type="EXPORT", params=params))
    assert answer["error"].startswith(sentence)
    assert media not in answer["error"]


async def test_private_addresses_are_refused(build: Build, media: str) -> None:
    answer = await build().execute(job("", job_type="EXPORT", params=film_of(f"{media}song", f"{media}song")))
    assert answer["error"].startswith("MEDIA_REFUSED: clips[0].url: ")


async def test_a_full_disk_is_said(build: Build, store: LocalStore) -> None:
    params = film_of("storage://uploads/face.mp4", "storage://uploads/face.mp4")
    answer = await build(fetch_reserve_bytes=2**62).execute(job("", job_type="EXPORT", params=params))
    assert answer["error"].startswith("DISK_FULL: clips[0].url: ")


@pytest.mark.parametrize(
    ("job_type", "params"),
    [
        ("LIPSYNC", {"video_url": GONE, "audio_url": GONE}),
        ("TRAIN_TWIN", {"images": [GONE] * 5, "name": "me"}),
        ("IMG2VID", {"image_url": GONE, "model": "svd"}),
        ("TTS", {"text": "hello", "model": "qwen3-tts", "reference_audio_url": GONE}),
    ],
)
async def test_what_this_worker_cannot_do_is_decided_before_anything_is_fetched(
    build: Build, store: LocalStore, job_type: str, params: dict[str, Any]
) -> None:
    answer = await build().execute(job("", job_type=job_type, params=params))
    assert answer["error"].startswith("ENGINE_UNAVAILABLE: ")
    decided = read(store, RESULT)
    assert (decided["error"]["code"], decided["error"]["retryable"]) == ("ENGINE_UNAVAILABLE", False)
    assert decided["timings"] == {}


def test_folders_of_killed_workers_are_swept(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        dead = tmp_path / f"rushes-{ended.pid}-abc"
    living = tmp_path / f"rushes-{os.getpid()}-abc"
    (dead / "work").mkdir(parents=True)
    living.mkdir()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [living]


def test_the_sdk_runs_a_job_sent_by_hand(tmp_path: Path) -> None:
    test_input = (Path(__file__).parents[2] / "test_input.json").read_text()
    ran = subprocess.run(
        [sys.executable, "-m", "gpu_worker.handler", "--test_input", test_input],
        env={"DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [film] = (tmp_path / "data" / "objects").rglob("*.mp4")
    assert f"'video_url': '{film.as_uri()}'" in ran.stdout
    assert list(tmp_path.glob("rushes-*")) == []


WORKER = f"""
import asyncio, os, sys
from pathlib import Path
from gpu_worker import lifeline
from gpu_worker.job_process import JobOrder, JobProcess
from shared.job_types import JobType

lifeline.watch(int(sys.argv[1]))
order = JobOrder(JobType.RENDER, {{"prompt": "hang"}}, Path.cwd())
jobs = JobProcess({JOBS!r}, pass_fds=[int(sys.argv[2])])
asyncio.run(jobs.run(order, lambda stage, progress, message: print(message, flush=True)))
"""


class WorkerProcess:
    """A worker of its own that runs a job until somebody ends it."""

    def __init__(self, lock: Path) -> None:
        theirs, self.lifeline = os.pipe()
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.process = subprocess.Popen(
                [sys.executable, "-c", WORKER, str(theirs), str(held.fileno())],
                pass_fds=(theirs, held.fileno()),
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        os.close(theirs)

    def pids(self) -> list[int]:
        assert self.process.stdout is not None
        return [int(pid) for pid in self.process.stdout.readline().split()]

    def cut_lifeline(self) -> None:
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.cut_lifeline()


@pytest.fixture
def worker_process(tmp_path: Path) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(tmp_path / "lock")
    yield worker
    worker.end()


def is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


async def test_a_job_dies_with_its_worker_and_holds_the_lock_till_then(
    worker_process: WorkerProcess, tmp_path: Path
) -> None:
    pids = await asyncio.to_thread(worker_process.pids)
    assert all(is_running(pid) for pid in pids)
    os.kill(pids[0], signal.SIGSTOP)
    try:
        worker_process.process.kill()
        worker_process.process.wait()
        assert is_locked(tmp_path / "lock")
    finally:
        os.kill(pids[0], signal.SIGCONT)
    await eventually(lambda: not any(is_running(pid) for pid in pids))
    await eventually(lambda: not is_locked(tmp_path / "lock"))


async def test_a_worker_dies_with_its_supervisor(worker_process: WorkerProcess) -> None:
    pids = await asyncio.to_thread(worker_process.pids)
    worker_process.cut_lifeline()
    await eventually(lambda: worker_process.process.poll() == -signal.SIGKILL)
    await eventually(lambda: not any(is_running(pid) for pid in pids))
