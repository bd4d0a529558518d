"""How often a running attempt is looked at, so that all of them together stay within RunPod's limit.

`/status` may be called 2000 times in 10 s, shared by every job of an endpoint (RunPod docs, rate limits). Up to about
180 followers look every second and up to 270 in a second and a half, so that nothing a client reads is older than two;
beyond that those that have just begun or are nearly done wait half as long as those that will run for a while.
"""

from __future__ import annotations

from dataclasses import dataclass

CALLS_PER_SECOND = 180.0
"""Below 200: cancels, and attempts with two submissions, need some too."""
ALIKE_SECONDS = 1.5
"""Up to here everybody's turn comes equally often."""
YOUNG_SECONDS = 60.0
NEARLY_DONE = 90


@dataclass
class Pace:
    """How many living attempts are followed by asking, and how many tell of themselves by callbacks."""

    asked: int = 0
    told: int = 0

    def pause(self, least: float, seconds_running: float | None, progress: int) -> float:
        """Seconds until the next look, never under `least`. Its sum over all that are asked keeps the limit."""
        turn = self.asked / CALLS_PER_SECOND
        if turn <= least:
            return least
        eager = seconds_running is None or seconds_running < YOUNG_SECONDS or progress >= NEARLY_DONE
        return turn if eager or turn <= ALIKE_SECONDS else 2 * turn

    def rest(self, least: float) -> float:
        """Seconds until it is seen whether callbacks still come: when all stop at once, their looks are spread."""
        return max(least, self.told / CALLS_PER_SECOND)
