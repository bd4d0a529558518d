"""A speech engine that does what its text says, over the real protocol: the troubles that a model can make."""

from __future__ import annotations

import math
import os
import sys
import time
import wave
from array import array
from pathlib import Path

from gpu_worker.engines.speech.sidecars.serving import Engine, Message, Refused, Report, serve

RATE = 16_000


class Scripted(Engine):
    """Hums for 0.2 s a word, after and before 0.5 s of silence."""

    name = "scripted"

    def __init__(self, set_up: Message) -> None:
        if set_up.get("weights") == "none":
            raise Refused("The weights are not those of the model.")

    def versions(self) -> dict[str, str]:
        """Of nothing."""
        return {"scripted": "1"}

    def speak(self, request: Message, report: Report) -> Message:
        """The first word of the text is what happens."""
        report(0.5)
        match request["text"].split()[0].strip(".").lower():
            case "refuse":
                raise Refused("language: not that one.")
            case "fail":
                raise ValueError("a bug")
            case "memory":
                raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
            case "die":
                print("last words, hf_abcdefghijklmnop, token=tiger", file=sys.stderr, flush=True)  # noqa: T201 - as libraries do
                os._exit(3)
            case "hang":
                time.sleep(3600)
            case "shout":
                os.write(3, b"x" * 2**21 + b"\n")
            case "print":
                print("a library prints", flush=True)  # noqa: T201 - as libraries do
            case "mute":
                return {"voice": "hum", "words": None}
        _hum(Path(request["output"]), 0.2 * len(request["text"].split()) / request["speed"])
        return {"voice": "hum", "words": None}


def _hum(path: Path, seconds: float) -> None:
    quiet = [0] * (RATE // 2)
    loud = [round(3000 * math.sin(2 * math.pi * 200 * n / RATE)) for n in range(round(seconds * RATE))]
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes(array("h", quiet + loud + quiet).tobytes())


def main() -> None:
    """Serve it."""
    serve(Scripted)
