"""Speech by espeak-ng, from params to files, listened to by measurement."""

from __future__ import annotations

import json
import re
import wave
from pathlib import Path
from typing import Any, get_args

import av
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from gpu_worker.context import JobContext, Produced
from gpu_worker.engines.pool import pool_of
from gpu_worker.engines.speech.joining import PAUSES
from gpu_worker.job_types import run_job
from gpu_worker.media.probe import probe
from gpu_worker.timeline.words.subtitles import read_subtitles
from shared.errors import InvalidParams
from shared.job_types import JobType, SoundFormat, parse_params
from shared.timeline import SubtitleFile

TEXT = "The first sentence is here. The second one follows.\n\nA paragraph of its own ends it."


def speak(folder: Path, text: str = TEXT, **params: Any) -> Produced:
    context = JobContext(folder, {}, lambda *_: None)
    return run_job(JobType.TTS, parse_params(JobType.TTS, {"text": text, **params}), context)


def sound_of(path: Path) -> NDArray[np.float64]:
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        assert (stream.rate, stream.channels) == (48_000, 1)
        frames = [frame.to_ndarray().reshape(-1) for frame in file.decode(stream)]
    sound = np.concatenate(frames).astype(np.float64)
    return sound / 32768 if np.abs(sound).max() > 2 else sound


def silences(sound: NDArray[np.float64], least: float) -> list[float]:
    """Seconds of each stretch of at least `least` without a sound, but for the ends."""
    quiet = np.sqrt(np.mean(sound[: len(sound) // 480 * 480].reshape(-1, 480) ** 2, axis=1)) < 0.003
    row = "".join("_" if one else "x" for one in quiet).strip("_")
    return [len(gap) / 100 for gap in re.findall("_+", row) if len(gap) / 100 >= least]


@pytest.mark.parametrize("form", get_args(SoundFormat))
@pytest.mark.parametrize("loudness", [-16.0, -23.0])
def test_every_format_is_at_its_loudness(tmp_path: Path, form: SoundFormat, loudness: float) -> None:
    produced = speak(tmp_path, format=form, loudness=loudness)
    file = produced.files[0]
    assert file.path.name == {"wav": "speech.wav", "mp3": "speech.mp3", "aac": "speech.m4a"}[form]
    assert produced.engine["loudness_lufs"] == pytest.approx(loudness, abs=0.5)
    assert produced.engine["peak_dbtp"] <= -0.5
    sound = sound_of(file.path)
    assert len(sound) / 48_000 == pytest.approx(file.duration_seconds or 0, abs=0.1)
    assert probe(file.path).kind == "audio"


def test_a_short_word_is_as_loud_as_a_long_text(tmp_path: Path) -> None:
    assert speak(tmp_path, "Hi!").engine["loudness_lufs"] == pytest.approx(-16, abs=0.7)


def test_pauses_stand_at_the_joins_alone(tmp_path: Path) -> None:
    gaps = silences(sound_of(speak(tmp_path).files[0].path), 0.25)
    assert len(gaps) == 2
    assert gaps[0] == pytest.approx(PAUSES["sentence"], abs=0.12)
    assert gaps[1] == pytest.approx(PAUSES["paragraph"], abs=0.12)


def test_captions_and_words_are_where_the_sound_is(tmp_path: Path) -> None:
    sound, data, cues = speak(tmp_path).files
    told = json.loads(data.path.read_text())
    assert [one["text"] for one in told["sentences"]] == [
        "The first sentence is here.", "The second one follows.", "A paragraph of its own ends it.",
    ]  # fmt: skip
    assert [word["text"] for word in told["words"]] == TEXT.split()
    heard = sound_of(sound.path)
    for one in told["sentences"]:
        stretch = heard[round(one["start"] * 48_000) : round(one["end"] * 48_000)]
        assert np.sqrt(np.mean(stretch**2)) > 0.02
    captions = read_subtitles(cues.path, SubtitleFile(url="storage://uploads/a.vtt"))
    assert [(c.text, c.start) for c in captions] == [
        (one["text"], pytest.approx(one["start"], abs=0.01)) for one in told["sentences"]
    ]


def test_a_long_text_stays_in_step_and_goes_through_one_process(tmp_path: Path) -> None:
    said: list[int] = []
    context = JobContext(tmp_path, {}, lambda _stage, progress, _message="": said.append(progress))
    text = "A sentence with a few words in it, which is neither long nor short. " * 120
    produced = run_job(JobType.TTS, parse_params(JobType.TTS, {"text": text, "speed": 2.0}), context)
    told = json.loads(produced.files[1].path.read_text())
    assert len(told["sentences"]) == 120
    assert (produced.files[0].duration_seconds or 0) == pytest.approx(told["sentences"][-1]["end"], abs=0.1)
    assert said == sorted(said)
    engines = [one for one in psutil.Process().children() if "sidecars.espeak" in " ".join(one.cmdline())]
    assert len(engines) == 1
    pool_of("cpu").evict_idle()
    assert not engines[0].is_running()


def test_the_result_tells_who_spoke(tmp_path: Path) -> None:
    engine = speak(tmp_path, language="de-AT", voice="narrator").engine
    assert (engine["name"], engine["voice"], engine["language"], engine["device"]) == (
        "espeak",
        "gmw/de+m3",
        "de",
        "cpu",
    )
    assert engine["licence"] == {"id": "GPL-3.0-or-later", "commercial": "yes"}
    assert set(engine["timings"]) == {"speaking", "mastering"}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"language": "zz"}, "language: no voice of eSpeak NG speaks “zz”. It speaks af, "),
        ({"voice": "af_heart"}, "voice: eSpeak NG has no voice af_heart for “en”. It has default, calm"),
        ({"reference_audio_url": "storage://uploads/me.wav"}, "cannot clone a voice"),
        ({"reference_text": "me"}, "goes with reference_audio_url"),
    ],
)
def test_what_no_worker_could_speak_is_refused(tmp_path: Path, params: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParams, match=re.escape(words)):
        speak(tmp_path, **params)


def test_only_its_files_are_left(tmp_path: Path) -> None:
    speak(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["speech.json", "speech.vtt", "speech.wav"]
    with wave.open(str(tmp_path / "speech.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
