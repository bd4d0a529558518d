"""Spoken sentences one after another in one file, the silence around each cut off and a pause of ours in its place."""

from __future__ import annotations

import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_worker.engines.speech.sentences import Pause, Sentence
from gpu_worker.engines.speech.sidecar import SpeechStopped

PAUSES: dict[Pause, float] = {"clause": 0.12, "sentence": 0.35, "paragraph": 0.75}
"""Seconds after each, at the usual speed."""

# Quieter than that, 10 ms at a time, is silence.
_SILENCE = 10 ** (-50 / 20)
_WINDOWS = 100
# Left at both ends: the soft sound before a word, the breath after it.
_MARGIN_SECONDS = 0.03


@dataclass(frozen=True)
class Timed:
    """A word or a sentence, and when it is heard; seconds from the start."""

    text: str
    start: float
    end: float

    def paced(self, speed: float) -> Timed:
        """The same when all is played so much faster."""
        return Timed(self.text, round(self.start / speed, 3), round(self.end / speed, 3))


@dataclass
class Joined:
    """The file `path` as it grows. `pace` shortens the pauses, `words` are there when every sentence had them."""

    path: Path
    pace: float = 1.0
    sentences: list[Timed] = field(default_factory=list)
    words: list[Timed] | None = field(default_factory=list)
    _file: wave.Wave_write | None = None
    _rate: int = 0
    _samples: int = 0
    _pause: float = 0.0

    @property
    def seconds(self) -> float:
        """So far, without the pause that may follow."""
        return self._samples / self._rate if self._rate else 0.0

    def add(self, sentence: Sentence, sound: Path, words: list[dict[str, Any]] | None) -> None:
        """Put a spoken sentence at the end; nothing where it is silent. SpeechStopped for what is no such file."""
        samples, rate = _read(sound)
        heard = _heard(samples, rate)
        if heard.start == heard.stop:
            return
        self._begin(rate)
        self._write(np.zeros(round(self._pause * rate), dtype="<i2"))
        start, shift = self.seconds, self.seconds - heard.start / rate
        self._write(samples[heard])
        self.sentences.append(Timed(sentence.text, round(start, 3), round(self.seconds, 3)))
        self._time(words, start, shift)
        self._pause = PAUSES[sentence.pause] / self.pace

    def close(self) -> None:
        """No more is coming."""
        if self._file is not None:
            self._file.close()

    def _time(self, words: list[dict[str, Any]] | None, start: float, shift: float) -> None:
        if words is None or self.words is None:
            self.words = None
            return
        for word in words:
            first = min(max(float(word["start"]) + shift, start), self.seconds)
            last = min(max(float(word.get("end", self.seconds)) + shift, first), self.seconds)
            self.words.append(Timed(str(word["text"]), round(first, 3), round(last, 3)))

    def _begin(self, rate: int) -> None:
        if self._file is None:
            self._rate = rate
            self._file = wave.open(str(self.path), "wb")  # noqa: SIM115 - it grows until `close`
            self._file.setparams((1, 2, rate, 0, "NONE", ""))
        elif rate != self._rate:
            raise SpeechStopped("The speech engine changed its sample rate in the middle of the text.")

    def _write(self, samples: NDArray[np.int16]) -> None:
        if self._file is not None:
            self._file.writeframesraw(samples.tobytes())
        self._samples += len(samples)


def _read(path: Path) -> tuple[NDArray[np.int16], int]:
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise SpeechStopped("The speech engine wrote a sound of another form.")
            return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2"), file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise SpeechStopped("The speech engine wrote no sound.") from error


def _heard(samples: NDArray[np.int16], rate: int) -> slice:
    """From the first sound to the last."""
    window = max(1, rate // _WINDOWS)
    whole = np.pad(samples.astype(np.float64) / 32768, (0, -len(samples) % window)).reshape(-1, window)
    loud = np.flatnonzero(np.sqrt(np.mean(whole**2, axis=1)) > _SILENCE)
    if loud.size == 0:
        return slice(0, 0)
    margin = round(_MARGIN_SECONDS * rate)
    return slice(max(0, int(loud[0]) * window - margin), min(len(samples), int(loud[-1] + 1) * window + margin))
