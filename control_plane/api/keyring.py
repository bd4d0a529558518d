"""Who calls, what they may do and how often: the owner's key, the keys the owner made, and tickets for browsers.

Every request passes here, so all of it is in memory; the job table has what must outlive the process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass

from control_plane.clock import Clock
from control_plane.jobs import keys
from control_plane.jobs.keys import KeyRecord, KeyScope
from control_plane.jobs.table import JobTable
from shared.errors import RushesError

log = logging.getLogger(__name__)

PREFIX = b"rushes_"
WINDOW_SECONDS = 60
TICKET_SECONDS = 60
NOTE_SECONDS = 30.0
EVERYTHING = frozenset(KeyScope)
_QUESTIONS = {"/estimate", "/tickets"}
"""POSTs that change nothing."""
_SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(slots=True, eq=False)
class Holder:
    """Somebody with a key. `per_minute`: requests, None for no limit; `left` of them until `window_ends`, in ms."""

    id: str
    scopes: frozenset[KeyScope] = EVERYTHING
    digest: bytes = b""
    per_minute: int | None = None
    left: int = 0
    window_ends: int = 0
    last_used_at: int | None = None
    noted_at: int | None = None
    is_revoked: bool = False

    def may(self, scope: KeyScope) -> bool:
        """Has it this scope?"""
        return scope in self.scopes or KeyScope.ADMIN in self.scopes


def scope_needed(method: str, path: str) -> KeyScope:
    """GET reads, POST submits (and cancels and retries); keys, webhooks and what removes something are for admins."""
    if path.startswith("/keys"):
        return KeyScope.ADMIN
    if method in _SAFE or path in _QUESTIONS:
        return KeyScope.READ
    return KeyScope.SUBMIT if method == "POST" and not path.startswith("/webhooks/") else KeyScope.ADMIN


class KeyRing:
    """The keys that are good now. `owner_key` None: whoever comes without a key is the owner."""

    def __init__(self, owner_key: str | None, clock: Clock) -> None:
        self._owner_key = None if owner_key is None else owner_key.encode()
        self._clock = clock
        self.owner = Holder("owner")
        self._holders: dict[str, Holder] = {}
        self._ticket_secret = secrets.token_bytes(32)

    def load(self, table: JobTable) -> None:
        """Take the keys of an opened table."""
        for key in table.ask(keys.all_keys):
            if key.revoked_at is None:
                self.add(key)

    def add(self, key: KeyRecord) -> None:
        """From now on this key is good."""
        self._holders[key.id] = Holder(
            key.id, key.scopes, key.digest, key.per_minute, last_used_at=key.last_used_at, noted_at=key.last_used_at
        )

    def remove(self, key_id: str) -> None:
        """From now on it is not, nor are its tickets."""
        holder = self._holders.pop(key_id, None)
        if holder is not None:
            holder.is_revoked = True

    def last_used(self, key_id: str) -> int | None:
        """When it was last used, to the request; None for a key that was not, or is not good any more."""
        holder = self._holders.get(key_id)
        return holder.last_used_at if holder else None

    def holder_of(self, given: bytes) -> Holder | None:
        """Whose key it is; None where a key is needed and this is none. Comparisons take the same time for any key."""
        if given.startswith(PREFIX) and (found := self._with_key(given)):
            return found
        if self._owner_key is None:
            return None if given.startswith(PREFIX) else self.owner
        return self.owner if hmac.compare_digest(given, self._owner_key) else None

    def _with_key(self, given: bytes) -> Holder | None:
        holder = self._holders.get(given[len(PREFIX) :].partition(b"_")[0].decode("latin-1"))
        digest = hashlib.sha256(given).digest()
        return holder if holder and hmac.compare_digest(digest, holder.digest) else None

    def ticket(self, holder: Holder) -> str:
        """Stands for the key for a minute, where a browser can send no headers."""
        return self._ticket(holder.id, self._clock() + TICKET_SECONDS * 1000)

    def holder_of_ticket(self, ticket: str) -> Holder | None:
        """Who it was made for; None when it was not made here, or more than a minute ago."""
        holder_id, _, rest = ticket.partition(".")
        expires = rest.partition(".")[0]
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16) or int(expires) <= self._clock():
            return None
        if not hmac.compare_digest(self._ticket(holder_id, int(expires)).encode(), ticket.encode(errors="replace")):
            return None
        return self.owner if holder_id == self.owner.id else self._holders.get(holder_id)

    def _ticket(self, holder_id: str, expires: int) -> str:
        named = f"{holder_id}.{expires}"
        return f"{named}.{hmac.new(self._ticket_secret, named.encode(errors='replace'), hashlib.sha256).hexdigest()}"

    def take(self, holder: Holder) -> bool:
        """Count one request; False when its limit for this window is used up."""
        if holder.per_minute is None:
            return True
        now = holder.last_used_at = self._clock()
        if now >= holder.window_ends:
            holder.left, holder.window_ends = holder.per_minute, now + WINDOW_SECONDS * 1000
        holder.left -= 1
        return holder.left >= 0

    def seconds_left(self, holder: Holder) -> int:
        """Until the holder's next window begins, rounded up."""
        return max(-(-(holder.window_ends - self._clock()) // 1000), 1)

    async def run(self, table: JobTable) -> None:
        """Note in the table when keys were used, for ever."""
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            await self.note(table)

    async def note(self, table: JobTable) -> None:
        """Note it now."""
        used = {h.id: h.last_used_at for h in self._holders.values() if h.last_used_at and h.last_used_at != h.noted_at}
        if not used:
            return
        try:
            await table.do(keys.note_use, used)
        except RushesError as trouble:  # it is tried again at the next turn
            log.warning("keys: %s", trouble.message)
            return
        for key_id, at in used.items():
            if key_id in self._holders:
                self._holders[key_id].noted_at = at
