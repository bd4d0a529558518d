"""Side-cars: real processes, and everything they can do wrong."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gpu_worker.engines.speech.sidecar import Launch, SideCar, SpeechStopped
from shared.errors import EngineFailed, EngineUnavailable, InvalidParams

MODULE = "tests.standins.speech_engine"
ENVIRONMENT = {"PATH": os.defpath}


@pytest.fixture
def car() -> Iterator[SideCar]:
    car = SideCar(Launch(Path(sys.executable), MODULE, {}, ENVIRONMENT))
    yield car
    car.stop()


def ask(car: SideCar, folder: Path, text: str, heard: Callable[[float], None] = lambda _: None) -> dict[str, Any]:
    request = {"text": text, "voice": "", "language": "en", "speed": 1.0, "output": str(folder / "sound.wav")}
    return car.speak(request, heard)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_starts_at_the_first_request_says_who_it_is_and_stays(car: SideCar, tmp_path: Path) -> None:
    assert car.pid is None
    shares: list[float] = []
    assert ask(car, tmp_path, "one two", shares.append) == {"voice": "hum", "words": None}
    pid = car.pid
    assert (shares, car.hello["engine"], car.hello["versions"]) == ([0.5], "scripted", {"scripted": "1"})
    with wave.open(str(tmp_path / "sound.wav")) as sound:
        assert sound.getnframes() == round(1.4 * sound.getframerate())
    ask(car, tmp_path, "three")
    assert car.pid == pid


def test_what_libraries_print_is_no_answer(car: SideCar, tmp_path: Path) -> None:
    assert ask(car, tmp_path, "print")["voice"] == "hum"


def test_a_sentence_that_fails_leaves_the_engine_running(car: SideCar, tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match="language: not that one"):
        ask(car, tmp_path, "refuse")
    pid = car.pid
    with pytest.raises(EngineFailed, match="failed at a sentence") as failed:
        ask(car, tmp_path, "fail")
    assert not failed.value.refresh_worker
    with pytest.raises(RuntimeError, match="out of memory"):
        ask(car, tmp_path, "memory")
    assert ask(car, tmp_path, "on")["voice"] == "hum"
    assert car.pid == pid


def test_a_death_is_told_in_words_without_secrets_and_the_next_request_starts_anew(
    car: SideCar, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ask(car, tmp_path, "one")
    pid = car.pid
    with caplog.at_level(logging.WARNING), pytest.raises(SpeechStopped) as died:
        ask(car, tmp_path, "die")
    assert died.value.refresh_worker
    assert died.value.message == "The speech engine stopped before it had spoken the text."
    assert car.pid is None
    assert "abcdefgh" not in caplog.text
    assert "tiger" not in caplog.text
    ask(car, tmp_path, "again")
    assert car.pid not in (None, pid)


@pytest.mark.parametrize("word", ["hang", "shout"])
def test_silence_and_endless_lines_end_it(tmp_path: Path, word: str) -> None:
    car = SideCar(Launch(Path(sys.executable), MODULE, {}, ENVIRONMENT), reply_seconds=1.0)
    ask(car, tmp_path, "one")
    pid = car.pid or 0
    with pytest.raises(SpeechStopped):
        ask(car, tmp_path, word)
    assert not psutil.pid_exists(pid)


def test_idle_it_ends_by_itself(tmp_path: Path) -> None:
    car = SideCar(Launch(Path(sys.executable), MODULE, {}, ENVIRONMENT), idle_seconds=0.05)
    ask(car, tmp_path, "one")
    until(lambda: car.pid is None)


def test_it_ends_with_the_one_who_started_it_in_mid_sentence(tmp_path: Path) -> None:
    """Its standard input is its lifeline, also when its parent had no time to say anything."""
    launch = Launch(Path(sys.executable), MODULE, {}, ENVIRONMENT)
    process = subprocess.Popen(launch.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert process.stdin
    assert process.stdout
    hang = {"id": 1, "text": "hang", "speed": 1.0, "output": str(tmp_path / "x.wav")}
    process.stdin.write(b'{"set_up": {}}\n' + json.dumps(hang).encode() + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["hello"]["engine"] == "scripted"
    assert json.loads(process.stdout.readline()) == {"id": 1, "progress": 0.5}
    process.stdin.close()
    assert process.wait(20) == 0
    process.stdout.close()


def test_weights_that_do_not_fit_and_a_python_that_is_not_there_are_said(tmp_path: Path) -> None:
    wrong = SideCar(Launch(Path(sys.executable), MODULE, {"weights": "none"}, ENVIRONMENT))
    with pytest.raises(EngineUnavailable, match="not those of the model"):
        ask(wrong, tmp_path, "one")
    assert wrong.pid is None
    with pytest.raises(SpeechStopped, match="could not be started"):
        ask(SideCar(Launch(tmp_path / "python", MODULE, {}, ENVIRONMENT)), tmp_path, "one")
    absent = SideCar(Launch(Path(sys.executable), "gpu_worker.engines.speech.sidecars.none", {}, ENVIRONMENT))
    with pytest.raises(SpeechStopped):
        ask(absent, tmp_path, "one")
