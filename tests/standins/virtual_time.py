"""An event loop whose time jumps to whatever happens next: hours of waiting take no time, and no luck."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
TURN_SECONDS = 1e-9
"""No clock stands still while a loop turns: a timer that is due by a rounding error would else be so for ever."""


class _Jump(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        self.now += TURN_SECONDS + (0 if found else timeout or 0)
        return found


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """What is meant for a thread is done in the loop, `queued()` seconds later. While it is done it may set `heard`:
    after how many more seconds it is heard of, and the failure that is heard instead of its answer, if any.
    """

    def __init__(self, queued: Callable[[], float]) -> None:
        self._jump = _Jump()
        self._queued = queued
        self.heard: tuple[float, Exception | None] = (0.0, None)
        super().__init__(self._jump)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jump.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Later, but here."""
        answer: asyncio.Future[Any] = self.create_future()
        self.call_later(self._queued(), self._act, answer, func, args)
        return answer

    def _act(self, answer: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.heard, result = (0.0, None), None
        try:
            result = func(*args)
        except Exception as error:  # it is for whoever asked
            self.heard = (0.0, error)
        seconds, failure = self.heard
        tell, news = (answer.set_result, result) if failure is None else (answer.set_exception, failure)
        self.call_later(seconds, _unless_canceled, tell, news)


def _unless_canceled(tell: Callable[[Any], None], news: object) -> None:
    with suppress(asyncio.InvalidStateError):
        tell(news)


def run(main: Coroutine[Any, Any, T], queued: Callable[[], float]) -> T:
    """As asyncio.run, in virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(queued)) as runner:
        return runner.run(main)
