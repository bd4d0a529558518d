"""Named moments at which a test may end this process or let something fail, to prove that each is a safe one.

Nothing arms them outside tests: a fault point then costs one comparison.
"""

from __future__ import annotations

from collections.abc import Callable

_armed: Callable[[str], None] | None = None


def arm(action: Callable[[str], None] | None) -> None:
    """Call `action` with the name of every fault point that is passed, in whatever thread passes it; None disarms."""
    global _armed
    _armed = action


def fault(name: str) -> None:
    """This moment is called `name`."""
    if _armed is not None:
        _armed(name)
