"""Speech through the whole worker: its side-car is started by the job process and dies with the job."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gpu_worker.context import JobContext
from gpu_worker.engines.pool import pool_of
from gpu_worker.engines.speech.environment import python_of
from gpu_worker.job_types import run_job
from gpu_worker.settings import WorkerSettings
from shared.errors import EngineUnavailable
from shared.job_types import JobType, parse_params
from tests.acceptance.real_plane import RealPlane, all_gone, real_plane

ROOT = Path(__file__).parents[2]
RECORDING = "storage://uploads/me.wav"
# An environment as `models env` makes it, but for the engine in it.
START = f"import sys; sys.path.append({str(ROOT)!r}); from tests.standins.speech_engine import main; main()"
PYTHON = f'#!/bin/sh\nexec {sys.executable} -I -c "{START}"\n'


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[RealPlane]:
    python = tmp_path / "environments" / "qwen3-tts" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    weights = tmp_path / "models" / "qwen3-tts"
    weights.mkdir(parents=True)
    save_file({"a": np.zeros(1, dtype=np.float32)}, weights / "model.safetensors")
    uploads = tmp_path / "data" / "objects" / "uploads"
    uploads.mkdir(parents=True)
    record(uploads / "me.wav", 4.0)
    record(uploads / "short.wav", 1.0)
    settings = {"MODEL_DIR": str(tmp_path / "models"), "SPEECH_ENV_DIR": str(tmp_path / "environments")}
    with real_plane(tmp_path / "data", **settings) as plane:
        yield plane


def record(path: Path, seconds: float) -> None:
    tone = 8000 * np.sin(2 * np.pi * 150 * np.arange(round(seconds * 16_000)) / 16_000)
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(tone.astype("<i2").tobytes())


def clone(text: str, recording: str = RECORDING) -> dict[str, str]:
    return {"text": text, "model": "qwen3-tts", "reference_audio_url": recording}


def test_espeak_and_a_cloned_voice(plane: RealPlane) -> None:
    plain = plane.submit("TTS", text="Hello there. How are you?", format="mp3")
    cloned = plane.submit("TTS", **clone("One two three four. Five six."), speed=2.0)
    job = plane.until(plain, "SUCCEEDED", "FAILED")
    assert job["status"] == "SUCCEEDED", job
    assert [output["content_type"] for output in job["outputs"]] == ["audio/mpeg", "application/json", "text/vtt"]
    assert job["engine"]["voice"] == "gmw/en"
    job = plane.until(cloned, "SUCCEEDED", "FAILED")
    assert job["status"] == "SUCCEEDED", job
    assert (job["engine"]["name"], job["engine"]["voice"]) == ("qwen3-tts", "hum")
    timings = json.loads(plane.client.get(job["output_urls"][1]).text)
    # It hums for 0.2 s a word at its own pace; the worker plays that twice as fast.
    assert job["outputs"][0]["duration_seconds"] == pytest.approx((1.2 + 0.35 + 0.12) / 2, abs=0.15)
    assert (len(timings["sentences"]), timings["words"]) == (2, None)


def test_a_cancel_ends_the_engine_too_and_a_crash_is_told(plane: RealPlane) -> None:
    hanging = plane.submit("TTS", **clone("hang"))
    plane.until_busy(hanging, progress=10)
    working = plane.job_processes()
    assert working
    plane.client.post(f"/jobs/{hanging}/cancel")
    plane.until(hanging, "CANCELED")
    assert all_gone(working)
    died = plane.until(plane.submit("TTS", **clone("die")), "SUCCEEDED", "FAILED")
    assert died["error"] == "The speech engine stopped before it had spoken the text."
    following = plane.until(plane.submit("TTS", text="Fine."), "SUCCEEDED", "FAILED")
    assert following["status"] == "SUCCEEDED", following


def test_too_short_a_recording_is_refused_in_words(plane: RealPlane) -> None:
    job = plane.until(plane.submit("TTS", **clone("hello", "storage://uploads/short.wav")), "SUCCEEDED", "FAILED")
    assert (job["status"], job["error_code"]) == ("FAILED", "MEDIA_REFUSED")
    assert "takes 3 at least" in job["error"]


def test_an_unknown_voice_is_refused_before_money_is_spent(plane: RealPlane) -> None:
    asked = {"type": "TTS", "params": {"text": "x", "model": "kokoro", "voice": "bob"}}
    answer = plane.client.post("/jobs", json=asked)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/params/voice"
    assert "It has af_heart" in answer.json()["detail"]


def test_kokoro_itself_speaks_and_times_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real package, in the environment that `models env kokoro` made, with random weights."""
    try:
        real = python_of("kokoro", WorkerSettings())
    except EngineUnavailable as missing:
        pytest.skip(missing.message)
    made = tmp_path / "models"
    subprocess.run([real, "-W", "ignore", Path(__file__).with_name("tiny_kokoro.py"), made], check=True)
    python = tmp_path / "environments" / "kokoro" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # Without -I, so that the tagger is found beside what the environment has.
    python.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={made / "packages"} exec {real} "$@"\n')
    python.chmod(0o755)
    for name, value in {"MODEL_DIR": made, "SPEECH_ENV_DIR": python.parents[2], "MODEL_DEVICE": "cpu"}.items():
        monkeypatch.setenv(name, str(value))
    text = "Hello there, it's 1,234 cats. They (all) purr!"
    asked = parse_params(JobType.TTS, {"text": text, "model": "kokoro"})
    try:
        produced = run_job(JobType.TTS, asked, JobContext(tmp_path, {}, lambda *_: None))
    finally:
        pool_of("cpu").evict_idle()
    assert (produced.engine["name"], produced.engine["voice"]) == ("kokoro", "af_heart")
    assert produced.engine["versions"].keys() == {"kokoro", "misaki", "torch"}
    words = json.loads((tmp_path / "speech.json").read_text())["words"]
    assert [word["text"] for word in words] == text.split()
    times = [moment for word in words for moment in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[-1] <= (produced.files[0].duration_seconds or 0) + 0.01
