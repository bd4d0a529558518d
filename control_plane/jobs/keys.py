"""API keys in the database: their digests, what they may do, when they were last used."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from control_plane.jobs.statements import sql
from shared.errors import NotFound


class KeyScope(StrEnum):
    """What a key may do. ADMIN includes the others."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


@dataclass(frozen=True)
class KeyRecord:
    """One row of `api_keys`. `digest` is the SHA-256 of the whole key, `per_minute` the requests it may make."""

    id: str
    name: str
    digest: bytes
    scopes: frozenset[KeyScope]
    per_minute: int
    created_at: int
    last_used_at: int | None = None
    revoked_at: int | None = None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The row with its JSON read."""
        values = dict(row)
        values["scopes"] = frozenset(map(KeyScope, json.loads(values["scopes"])))
        return cls(**values)


def all_keys(conn: sqlite3.Connection) -> list[KeyRecord]:
    """Every key there ever was, oldest first."""
    return [KeyRecord.of(row) for row in conn.execute(sql("all_keys"))]


def insert(conn: sqlite3.Connection, key: KeyRecord) -> None:
    """Keep a new key."""
    conn.execute(sql("insert_key"), vars(key) | {"scopes": json.dumps(sorted(key.scopes))})


def revoke(conn: sqlite3.Connection, key_id: str, now: int) -> None:
    """The key opens nothing any more; revoking twice changes nothing. NotFound when there is no such key."""
    if conn.execute(sql("revoke_key"), {"id": key_id, "now": now}).rowcount == 0:
        raise NotFound("There is no such key")


def note_use(conn: sqlite3.Connection, used: dict[str, int]) -> None:
    """When keys were last used, by id."""
    conn.executemany(sql("key_used"), [{"id": key_id, "last_used_at": at} for key_id, at in used.items()])
