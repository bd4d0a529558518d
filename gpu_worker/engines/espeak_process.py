"""One utterance by espeak-ng, as a program of its own: `python -m gpu_worker.engines.espeak_process`.

espeak-ng is under the GPL, so its library is loaded here and nowhere else. The request comes as JSON on stdin (text
never stands on a command line), the answer goes as JSON to stdout, the sound as a WAV file (16 bits, mono) to the
request's `output`. Types and numbers below are those of espeak-ng's `speak_lib.h`.
"""

from __future__ import annotations

import ctypes
import json
import sys
import wave
from collections.abc import Iterator
from contextlib import suppress
from ctypes.util import find_library
from typing import Any

import espeakng_loader

_SYNCHRONOUS, _DONT_EXIT = 2, 0x8000
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7
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


def main() -> None:
    """Answer `{"voice", "version", "marks"}` or `{"unknown_language": true}`.

    A mark is the index of the character that is reached, or null at the end of a sentence, and the time in seconds.
    """
    request = json.load(sys.stdin)
    library, sample_rate = _library()
    voice = _voice_for(library, request["language"])
    answer = {"unknown_language": True} if voice is None else _speak(library, sample_rate, voice, request)
    json.dump(answer, sys.stdout)


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
    sys.exit("no espeak-ng works here")


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


def _speak(library: ctypes.CDLL, sample_rate: int, voice: str, request: dict[str, Any]) -> dict[str, Any]:
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
        library.espeak_SetVoiceByName(f"{voice}{request['variant']}".encode())
        for parameter, name in ((_RATE, "rate"), (_PITCH, "pitch"), (_RANGE, "range"), (_WORD_GAP, "gap")):
            library.espeak_SetParameter(parameter, request[name], 0)
        spoken = request["text"].encode() + b"\0"
        # Neither SSML nor phoneme markup is switched on: whatever stands in the text is only spoken.
        failed = library.espeak_Synth(spoken, ctypes.c_size_t(len(spoken)), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    if failed:
        sys.exit(f"espeak_Synth: {failed}")
    return {"voice": f"{voice}{request['variant']}", "version": ".".join(map(str, _version(library))), "marks": marks}


def _marks(events: ctypes._Pointer[_Event]) -> Iterator[tuple[int | None, float]]:
    at = 0
    while events[at].type:
        event, at = events[at], at + 1
        if event.type in (_WORD, _END):
            yield (event.text_position - 1 if event.type == _WORD else None), event.audio_position / 1000


if __name__ == "__main__":
    main()
