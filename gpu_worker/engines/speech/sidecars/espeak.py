"""espeak-ng as a side-car. It is under the GPL, so its library is loaded in this process and nowhere else.

Types and numbers below are those of espeak-ng's `speak_lib.h`.
"""

from __future__ import annotations

import ctypes
import re
import wave
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from ctypes.util import find_library
from dataclasses import dataclass
from typing import Any

import espeakng_loader

from gpu_worker.engines.speech.sidecars.serving import Engine, Message, Refused, Report, serve

_SYNCHRONOUS, _DONT_EXIT = 2, 0x8000
_RATE, _PITCH, _RANGE, _GAP = 1, 3, 4, 7
_BY_CHARACTER, _UTF8 = 1, 1
_WORD, _END = 1, 5
_OLDEST = (1, 50)


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Manner:
    """A manner of speaking: espeak-ng's variant, pitch and range (0-99), words a minute, and added pause between
    words (10 ms each).
    """

    variant: str = ""
    pitch: int = 50
    range: int = 50
    rate: int = 165
    gap: int = 0


# At half speed no rate falls below 80, the slowest that espeak-ng speaks.
MANNERS = {
    "default": Manner(),
    "calm": Manner("+f2", pitch=42, range=32, rate=160, gap=2),
    "bright": Manner("+f3", pitch=62, range=72, rate=180),
    "deep": Manner("+m7", pitch=22, range=40, rate=160),
    "whisper": Manner("+whisper", pitch=45, range=40, rate=160, gap=1),
    "narrator": Manner("+m3", pitch=40, range=58, rate=160, gap=1),
}


class Espeak(Engine):
    """The library, opened once."""

    name = "espeak"

    def __init__(self) -> None:
        self._library, self._sample_rate = _library()

    def versions(self) -> dict[str, str]:
        """Of espeak-ng."""
        return {"espeak-ng": ".".join(map(str, _version(self._library)))}

    def speak(self, request: Message, report: Report) -> Message:  # noqa: ARG002 - a sentence takes milliseconds
        """One sentence, and when each of its words is spoken."""
        voice = _voice_for(self._library, request["language"])
        if voice is None:
            raise Refused(f"language: no voice here speaks “{request['language']}”.")
        manner = MANNERS[request["voice"]]
        marks = _speak(self._library, self._sample_rate, voice, manner, request)
        return {"voice": f"{voice}{manner.variant}", "words": timed_words(request["text"], marks)}


def timed_words(text: str, marks: list[tuple[int | None, float]]) -> list[dict[str, Any]]:
    """The words as written, each with its `start` and `end` in seconds, from espeak-ng's marks: the index of the
    character that is reached, or None at the end of a sentence, and the time.

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


def _library() -> tuple[ctypes.CDLL, int]:
    """The machine's own espeak-ng when it works and is recent enough, else that of the espeakng-loader wheel."""
    packaged = (espeakng_loader.get_library_path(), espeakng_loader.get_data_path().encode())
    for name, data in ((find_library("espeak-ng"), None), packaged):
        # A library may be there without what it needs itself.
        with suppress(OSError):
            library = ctypes.CDLL(name or "libespeak-ng.so.1")
            sample_rate: int = library.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT)
            if sample_rate > 0 and _version(library) >= _OLDEST:
                return library, sample_rate
    raise RuntimeError("no espeak-ng works here")


def _version(library: ctypes.CDLL) -> tuple[int, ...]:
    library.espeak_Info.restype = ctypes.c_char_p
    return tuple(int(part) for part in bytes(library.espeak_Info(None)).decode().split()[0].split(".")[:2])


def _voice_for(library: ctypes.CDLL, language: str) -> str | None:
    """The voice that puts this language first; `de-AT` falls back to `de`."""
    wanted = language.lower()
    voices = list(_voices(library))
    while wanted:
        speaking = [(languages[wanted], identifier) for identifier, languages in voices if wanted in languages]
        if speaking:
            return min(speaking, key=lambda voice: voice[0])[1]
        wanted = wanted.rpartition("-")[0]
    return None


def _voices(library: ctypes.CDLL) -> Iterator[tuple[str, dict[str, int]]]:
    """Each voice with its languages and their priorities, low first."""
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    listed, at = library.espeak_ListVoices(None), 0
    while listed[at]:
        voice = listed[at].contents
        yield voice.identifier.decode(), dict(_languages(voice.languages))
        at += 1


def _languages(at: int) -> Iterator[tuple[str, int]]:
    # A byte of priority, then the name; a zero byte ends the list.
    while priority := ctypes.string_at(at, 1)[0]:
        name = ctypes.string_at(at + 1)
        yield name.decode().lower(), priority
        at += len(name) + 2


def _speak(
    library: ctypes.CDLL, sample_rate: int, voice: str, manner: Manner, request: Message
) -> list[tuple[int | None, float]]:
    marks: list[tuple[int | None, float]] = []
    with wave.open(request["output"], "wb") as sound:
        sound.setparams((1, 2, sample_rate, 0, "NONE", ""))

        def receive(samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
            if count > 0:
                sound.writeframesraw(ctypes.string_at(samples, 2 * count))
            marks.extend(_marks(events))
            return 0

        callback = _Callback(receive)
        library.espeak_SetSynthCallback(callback)
        library.espeak_SetVoiceByName(f"{voice}{manner.variant}".encode())
        rate = round(manner.rate * request["speed"])
        for parameter, value in ((_RATE, rate), (_PITCH, manner.pitch), (_RANGE, manner.range), (_GAP, manner.gap)):
            library.espeak_SetParameter(parameter, value, 0)
        spoken = request["text"].encode() + b"\0"
        # Neither SSML nor phoneme markup is switched on: whatever stands in the text is only spoken.
        failed = library.espeak_Synth(spoken, ctypes.c_size_t(len(spoken)), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    if failed:
        raise RuntimeError(f"espeak_Synth: {failed}")
    return marks


def _marks(events: ctypes._Pointer[_Event]) -> Iterator[tuple[int | None, float]]:
    at = 0
    while events[at].type:
        event, at = events[at], at + 1
        if event.type in (_WORD, _END):
            yield (event.text_position - 1 if event.type == _WORD else None), event.audio_position / 1000


def main() -> None:
    """Serve it."""
    serve(lambda _set_up: Espeak())
