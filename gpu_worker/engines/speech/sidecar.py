"""An engine in a process of its own, with libraries of its own: our side. The protocol is in `sidecars.serving`.

The process begins at the first request and ends when it was idle for a while. It is in the process group of the job
process, which is killed whole on cancel, and its standard input is its lifeline: at the end of it, it ends.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gpu_worker.engines.speech.sidecars.serving import PROTOCOL
from shared.errors import EngineFailed, EngineUnavailable, InvalidParams

LONGEST_LINE = 2**20
START_SECONDS = 600.0
"""For loading the weights."""
REPLY_SECONDS = 300.0
"""Without a word, in mid-sentence."""
IDLE_SECONDS = 300.0
_ROOT = Path(__file__).resolve().parents[3]
# Our packages come last, so that nothing of ours stands before what the engine's environment has.
_START = "import sys; sys.path.append(sys.argv[1]); from {module} import main; main()"
_SECRET = re.compile(r"(?i)(hf_\w{8,}|(?:token|secret|password|key)\S{0,3}[=:]\s*\S+|bearer \S+|https?://\S*@\S+)")
_log = logging.getLogger(__name__)
Heard = Callable[[float], None]


class SpeechStopped(EngineFailed):
    """The speech engine stopped before it had spoken the text."""

    refresh_worker = True


@dataclass(frozen=True)
class Launch:
    """How to start a side-car: the Python of its environment, the module with its `main`, and what to set up."""

    python: Path
    module: str
    set_up: dict[str, Any]
    environment: dict[str, str]

    @property
    def command(self) -> list[str]:
        """`-I`: neither the folder nor variables of ours lead its imports astray."""
        return [str(self.python), "-I", "-c", _START.format(module=self.module), str(_ROOT)]


@dataclass
class SideCar:
    """One engine. Safe for use from several threads, which wait for one another."""

    launch: Launch
    idle_seconds: float = IDLE_SECONDS
    start_seconds: float = START_SECONDS
    reply_seconds: float = REPLY_SECONDS
    hello: dict[str, Any] = field(default_factory=dict)
    _process: _Process | None = None
    _idle: threading.Timer | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        process = self._process
        return process.pid if process else None

    def speak(self, request: dict[str, Any], heard: Heard = lambda _share: None) -> dict[str, Any]:
        """One sentence; `heard` gets 0 to 1 as it is made. Starts the engine where it does not run.

        Raises InvalidParams for what the engine refuses, MemoryError-like RuntimeError when the device is full, and
        SpeechStopped when the process dies, answers nonsense or falls silent: it is gone then.
        """
        with self._lock:
            self._rest()
            try:
                process = self._running()
                return _outcome(process.ask(request, self.reply_seconds, heard))
            except SpeechStopped:
                self.stop()
                raise
            finally:
                self._wait_for_more()

    def stop(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            self._rest()
            if self._process is not None:
                self._process.kill()
                self._process = None

    def _running(self) -> _Process:
        if self._process is not None and self._process.has_ended:
            self.stop()
        if self._process is None:
            process = self._process = _Process(self.launch)
            answer = process.first(self.launch.set_up, self.start_seconds)
            if "failed" in answer:
                self.stop()
                raise _unfit(answer["failed"])
            self.hello = answer.get("hello") or {}
            if self.hello.get("protocol") != PROTOCOL:
                raise SpeechStopped("The speech engine speaks another protocol: make its environment anew.")
        return self._process

    def _wait_for_more(self) -> None:
        if self._process is not None:
            self._idle = threading.Timer(self.idle_seconds, self.stop)
            self._idle.daemon = True
            self._idle.start()

    def _rest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


class _Process:
    """The process and its three pipes, two of which have a reader each."""

    def __init__(self, launch: Launch) -> None:
        try:
            self._process = subprocess.Popen(
                launch.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=launch.environment,
            )
        except OSError as error:
            raise SpeechStopped("The speech engine could not be started.") from error
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=40)
        self._number = 0
        self._readers = [self._reader(self._hear), self._reader(self._log)]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def _last_words(self) -> str:
        return " | ".join(self._said)[-2000:]

    def first(self, set_up: dict[str, Any], patience: float) -> dict[str, Any]:
        """What it answers to being set up."""
        self._send({"set_up": set_up})
        return self._next(patience)

    def ask(self, request: dict[str, Any], patience: float, heard: Heard) -> dict[str, Any]:
        """The answer to a request, its progress on the way."""
        self._number += 1
        self._send({"id": self._number} | request)
        while True:
            answer = self._next(patience)
            if answer.get("id") != self._number:
                raise SpeechStopped("The speech engine answered something else than it was asked.")
            if "progress" not in answer:
                self._regret(answer)
                return answer
            heard(min(1.0, max(0.0, float(answer["progress"]))))

    def kill(self) -> None:
        """End it; its readers end with its pipes."""
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(BrokenPipeError):
                _there(pipe).close()

    def _send(self, message: dict[str, Any]) -> None:
        pipe = _there(self._process.stdin)
        with suppress(BrokenPipeError):  # its death is found by the end of its answers, with its last words
            pipe.write(json.dumps(message).encode() + b"\n")
            pipe.flush()

    def _next(self, patience: float) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=patience)
        except queue.Empty:
            raise SpeechStopped("The speech engine has fallen silent in the middle of the text.") from None
        if not line:
            _log.warning("The speech engine ended: %s", self._last_words)
            raise SpeechStopped
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise SpeechStopped("The speech engine answered something that is no answer.")
        return answer

    def _regret(self, answer: dict[str, Any]) -> None:
        if (answer.get("failed") or {}).get("code") == "failed":
            _log.warning("The speech engine failed: %s", self._last_words)

    def _reader(self, read: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=read, name="speech", daemon=True)
        thread.start()
        return thread

    def _hear(self) -> None:
        """Its answers; an empty line at their end, and where one is longer than an answer can be."""
        pipe = _there(self._process.stdout)
        while (line := pipe.readline(LONGEST_LINE)).endswith(b"\n"):
            self._answers.put(line)
        self._answers.put(b"")

    def _log(self) -> None:
        """What its libraries print, without what looks like a secret."""
        pipe = _there(self._process.stderr)
        while line := pipe.readline(LONGEST_LINE):
            said = _SECRET.sub("[secret]", line.decode("utf-8", "replace").rstrip())[:500]
            self._said.append(said)
            _log.debug("speech engine: %s", said)


def _unfit(failed: Any) -> Exception:  # noqa: ANN401 - whatever the other side wrote
    """Why an engine did not start."""
    code = failed.get("code") if isinstance(failed, dict) else None
    if code == "out_of_memory":
        return RuntimeError("The speech engine is out of memory.")
    if code == "refused":
        return EngineUnavailable(str(failed.get("message"))[:500])
    return EngineUnavailable("The speech engine could not open its model; the log of this worker says more.")


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise SpeechStopped
    return pipe


def _outcome(answer: dict[str, Any]) -> dict[str, Any]:
    failed = answer.get("failed")
    if isinstance(failed, dict):
        match failed.get("code"):
            case "refused":
                raise InvalidParams(str(failed.get("message"))[:500])
            case "out_of_memory":
                raise RuntimeError("The speech engine is out of memory.")
            case _:
                raise EngineFailed("The speech engine failed at a sentence of the text.")
    spoken = answer.get("spoken")
    if not isinstance(spoken, dict):
        raise SpeechStopped("The speech engine answered something that is no answer.")
    return spoken
