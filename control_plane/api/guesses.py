"""Who guesses keys is not listened to for a while: at most so many different wrong ones from one address in a minute.

A client that was left with an old key sends the same one again and again; that is one guess, however often it comes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from control_plane.api.keyring import WINDOW_SECONDS
from control_plane.clock import Clock

MOST_GUESSES = 20
_MOST_ADDRESSES = 10_000
_NETWORK_BITS = 64
"""Whoever has one IPv6 address has all of its /64."""


class Guesses:
    """The wrong keys of this minute. `behind_proxy`: the address is the one that the proxy before us names."""

    def __init__(self, clock: Clock, *, behind_proxy: bool) -> None:
        self._clock = clock
        self._behind_proxy = behind_proxy
        self._ends = 0
        self._wrong: dict[str, set[int]] = {}

    def seconds_left(self, peer: str, headers: Mapping[bytes, bytes]) -> int | None:
        """For how long a caller's keys are not looked at; None for who has not guessed too often."""
        if not self._wrong:
            return None
        now = self._clock()
        if now >= self._ends:
            self._wrong.clear()
            return None
        guessed = self._wrong.get(self._address(peer, headers), ())
        return None if len(guessed) < MOST_GUESSES else max(-(-(self._ends - now) // 1000), 1)

    def note(self, peer: str, headers: Mapping[bytes, bytes], key: bytes) -> None:
        """This key was wrong."""
        if not self._wrong:
            self._ends = self._clock() + WINDOW_SECONDS * 1000
        if len(self._wrong) >= _MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong.setdefault(self._address(peer, headers), set()).add(hash(key))

    def _address(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """The last one named is that which our own proxy saw; those before it are only claimed."""
        named = headers.get(b"x-forwarded-for", b"") if self._behind_proxy else b""
        address = named.rpartition(b",")[2].strip().decode("latin-1") or peer
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return peer
        return address if ip.version == 4 else str(ipaddress.ip_network((int(ip), _NETWORK_BITS), strict=False))
