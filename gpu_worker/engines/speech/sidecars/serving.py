"""The engine's side of a side-car: JSON lines on standard input and output, one request at a time.

In comes `{"set_up": {"weights", "device"}}`, answered by `{"hello": {"protocol", "engine", "versions", "device"}}`;
then any number of `{"id", "text", "voice", "language", "speed", "reference", "reference_text", "output"}`, each
answered by `{"id", "progress"}` any number of times and `{"id", "spoken"}` or `{"id", "failed": {"code", "message"}}`.
The sound goes as a WAV file (16 bits, mono) to `output`. At the end of its input the side-car ends, in mid-speech too.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
import wave
from collections.abc import Callable, Iterator
from typing import Any

PROTOCOL = 1
_LONGEST_LINE = 2**20
Message = dict[str, Any]
Report = Callable[[float], None]


class Refused(Exception):
    """The request cannot be met, whoever tries; the message is for the person."""


class Engine:
    """What a side-car serves."""

    name = ""
    device = "cpu"

    def versions(self) -> dict[str, str]:
        """Of the libraries that make the speech."""
        return {}

    def speak(self, request: Message, report: Report) -> Message:
        """Write the sound to `request["output"]`. The answer has `voice`, and `words` where the engine times them:
        `text`, `start` and `end` in seconds. Raises Refused.
        """
        raise NotImplementedError


def serve(open_engine: Callable[[Message], Engine]) -> None:
    """Answer until standard input ends. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(message: Message) -> None:
        print(json.dumps(message, ensure_ascii=False), file=answers, flush=True)

    requests = _requests()
    try:
        engine = open_engine(next(requests)["set_up"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the other side must hear of it
        send({"failed": _failure(error)})
        return
    hello = {"protocol": PROTOCOL, "engine": engine.name, "versions": engine.versions(), "device": engine.device}
    send({"hello": hello})
    for request in requests:
        send({"id": request["id"]} | _answer(engine, request, send))


def write_wav(path: str, samples: Any, sample_rate: int) -> None:  # noqa: ANN401 - numpy is not there for every engine
    """Mono samples between -1 and 1 as 16 bits; anything beyond is clipped, what is no number is silence."""
    import numpy as np

    whole = np.nan_to_num(np.asarray(samples, dtype=np.float64).reshape(-1), posinf=1.0, neginf=-1.0)
    with wave.open(path, "wb") as sound:
        sound.setparams((1, 2, sample_rate, 0, "NONE", ""))
        sound.writeframes(np.rint(np.clip(whole, -1, 1) * 32767).astype("<i2").tobytes())


def _answer(engine: Engine, request: Message, send: Callable[[Message], None]) -> Message:
    try:
        return {"spoken": engine.speak(request, lambda share: send({"id": request["id"], "progress": share}))}
    except Exception as error:  # noqa: BLE001 - a sentence that fails must not end the process
        return {"failed": _failure(error)}


def _failure(error: Exception) -> Message:
    if isinstance(error, Refused):
        return {"code": "refused", "message": str(error)}
    traceback.print_exception(error)
    short = type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error).lower()
    return {"code": "out_of_memory" if short else "failed", "message": ""}


def _requests() -> Iterator[Message]:
    """Lines as they come, read by a thread so that the end of them is seen while the engine works."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mine = os.fdopen(os.dup(0), "rb")
    # What a library starts must not read our requests.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def read() -> None:
        while line := mine.readline(_LONGEST_LINE):
            if not line.endswith(b"\n"):
                break
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, name="requests", daemon=True).start()
    while True:
        yield json.loads(lines.get())


def usable(device: str, *, has_gpu: bool) -> str:
    """`cuda` or `cpu` for what was set; speech is quick enough for a CPU to stand in where there is no GPU."""
    if device == "cuda" and not has_gpu:
        sys.exit("there is no GPU here that torch can use")
    return "cpu" if device == "cpu" or not has_gpu else "cuda"
