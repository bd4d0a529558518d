"""TTS on any machine: espeak-ng, in a process of its own (it is under the GPL; see `espeak_process`)."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import wave
from bisect import bisect_right
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_worker.context import JobContext, Produced, ProducedFile
from shared.errors import EngineFailed, InvalidParams
from shared.job_types import TtsParams, VoicePreset

_log = logging.getLogger(__name__)

NAME = "espeak-ng"
_SECONDS_ALLOWED = 120
_PEAK = 10 ** (-1 / 20)
_SILENCE = 10 ** (-50 / 20)


@dataclass(frozen=True)
class Preset:
    """A manner of speaking: espeak-ng's variant, pitch and range (0-99), words a minute, added pause between words
    (10 ms each), and the loudness it is brought to (dBFS, RMS while speaking).
    """

    variant: str = ""
    pitch: int = 50
    range: int = 50
    rate: int = 165
    gap: int = 0
    loudness: float = -20.0


# At half speed no rate falls below 80, the slowest that espeak-ng speaks.
PRESETS: dict[VoicePreset, Preset] = {
    "default": Preset(),
    "calm": Preset("+f2", pitch=42, range=32, rate=160, gap=2),
    "bright": Preset("+f3", pitch=62, range=72, rate=180),
    "deep": Preset("+m7", pitch=22, range=40, rate=160),
    "whisper": Preset("+whisper", pitch=45, range=40, rate=160, gap=1, loudness=-26.0),
    "narrator": Preset("+m3", pitch=40, range=58, rate=160, gap=1),
}


def speak(params: TtsParams, context: JobContext) -> Produced:
    """`speech.wav` (PCM, 16 bits, mono, 22.05 kHz) and `speech.json` with the time of each word.

    Raises InvalidParams for a language without a voice and for a text without anything to say.
    """
    text = _printable(params.text)
    context.report("speaking", 5, f"{len(text.split())} words")
    sound = context.workdir / "speech.wav"
    answer = _synthesize(text, params, sound)
    context.report("speaking", 80, "setting the loudness")
    duration = _level(sound, PRESETS[params.voice_preset].loudness)
    words = context.workdir / "speech.json"
    words.write_text(json.dumps({"words": timed_words(text, answer["marks"])}, ensure_ascii=False), encoding="utf-8")
    engine = {"name": NAME, "device": "cpu", "voice": answer["voice"], "version": answer["version"]}
    files = [
        ProducedFile(sound, "audio", "audio/wav", duration_seconds=duration),
        ProducedFile(words, "data", "application/json"),
    ]
    return Produced(files, engine)


def timed_words(text: str, marks: list[tuple[int | None, float]]) -> list[dict[str, Any]]:
    """The words as written, each with its `start` and `end` in seconds, from espeak-ng's marks.

    What is spoken as several words ("1,234") has several marks and stays one word here.
    """
    tokens = list(re.finditer(r"\S+", text))
    starts = [token.start() for token in tokens]
    words: list[dict[str, Any]] = []
    last = -1
    for at, seconds in marks:
        index = None if at is None else max(0, bisect_right(starts, at) - 1)
        if index is not None and index <= last:
            continue
        if words:
            words[-1].setdefault("end", seconds)
        if index is not None:
            words.append({"text": tokens[index].group(), "start": seconds})
            last = index
    return words


def _printable(text: str) -> str:
    """One space for every control character: a NUL would end the text early."""
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", " ", text)
    if not text.strip():
        raise InvalidParams("text: there is nothing in it to speak.")
    return text


def _synthesize(text: str, params: TtsParams, sound: Path) -> dict[str, Any]:
    preset = asdict(PRESETS[params.voice_preset])
    request = preset | {"text": text, "language": params.language, "output": str(sound)}
    request["rate"] = round(preset["rate"] * params.speed)
    command = [sys.executable, "-m", "gpu_worker.engines.espeak_process"]
    try:
        run = subprocess.run(
            command, input=json.dumps(request).encode(), capture_output=True, timeout=_SECONDS_ALLOWED, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failed:
        _log.warning("espeak-ng failed: %s", (failed.stderr or b"")[-2000:].decode("utf-8", "replace"))
        raise EngineFailed("The speech engine stopped before it had spoken the text.") from failed
    answer: dict[str, Any] = json.loads(run.stdout)
    if "unknown_language" in answer:
        raise InvalidParams(f"language: no voice here speaks “{params.language}”.")
    return answer


def _level(sound: Path, loudness: float) -> float:
    """Bring the speech to `loudness`, as far as its peaks allow; the duration in seconds."""
    with wave.open(str(sound), "rb") as file:
        shape, samples = file.getparams(), np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    signal = samples.astype(np.float64) / 32768
    spoken = _spoken(signal, shape.framerate // 20)
    if spoken.size == 0:
        raise InvalidParams("text: there is nothing in it that this voice can speak.")
    gain = min(10 ** (loudness / 20) / np.sqrt(np.mean(spoken**2)), _PEAK / np.abs(signal).max())
    with wave.open(str(sound), "wb") as file:
        file.setparams(shape)
        file.writeframes(np.rint(samples * gain).astype("<i2").tobytes())
    return float(samples.size / shape.framerate)


def _spoken(samples: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The windows that are not silence."""
    windows = samples[: samples.size // window * window].reshape(-1, window)
    loud: NDArray[np.float64] = windows[np.sqrt(np.mean(windows**2, axis=1)) > _SILENCE]
    return loud
