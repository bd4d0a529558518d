"""Webhook deliveries in the job table: one row for each finished job that somebody wants to hear of.

The row is made by a trigger, in the transaction that ends the job; here it is read and moved on.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from control_plane.jobs.statements import sql
from shared.errors import NotFound


class DeliveryStatus(StrEnum):
    """Where a delivery stands.

    PENDING  → DELIVERED  the sender, when the receiver answered 2xx
             → DEAD       the sender, after the last try, or at once where no try can help
    any      → PENDING    the owner, by asking for it again
    """

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


@dataclass(frozen=True)
class DeliveryRecord:
    """One row of `deliveries`. Times are milliseconds since the epoch."""

    id: str
    job_id: str
    url: str
    status: DeliveryStatus
    tries: int
    due_at: int | None
    http_status: int | None
    error: str | None
    created_at: int
    updated_at: int

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The row as a value."""
        values = dict(row)
        values["status"] = DeliveryStatus(values["status"])
        return cls(**values)


@dataclass(frozen=True)
class Tried:
    """How one try went. `due_at` is when the next is made: None when it was delivered, or given up with `error`."""

    http_status: int | None = None
    error: str | None = None
    due_at: int | None = None

    @property
    def status(self) -> DeliveryStatus:
        """What the delivery becomes by it."""
        if self.error is None:
            return DeliveryStatus.DELIVERED
        return DeliveryStatus.DEAD if self.due_at is None else DeliveryStatus.PENDING


def due(conn: sqlite3.Connection, now: int, limit: int) -> list[DeliveryRecord]:
    """Deliveries to be tried now, the longest due first."""
    return [DeliveryRecord.of(row) for row in conn.execute(sql("due_deliveries"), {"now": now, "limit": limit})]


def newest(
    conn: sqlite3.Connection, limit: int, cursor: str | None = None, status: DeliveryStatus | None = None
) -> list[DeliveryRecord]:
    """A page of deliveries, newest job first, older than the delivery id `cursor`."""
    name = "list_deliveries" if status is None else "list_deliveries_by_status"
    values = {"limit": limit, "cursor": cursor, "status": status}
    return [DeliveryRecord.of(row) for row in conn.execute(sql(name), values)]


def tried(conn: sqlite3.Connection, delivery: DeliveryRecord, how: Tried, now: int) -> bool:
    """Record a try of the delivery as it was read; False, and nothing changed, when it has moved on since."""
    values = {
        "id": delivery.id, "tries": delivery.tries, "status": how.status, "due_at": how.due_at,
        "http_status": how.http_status, "error": how.error, "now": now,
    }  # fmt: skip
    return conn.execute(sql("delivery_tried"), values).rowcount == 1


def resend(conn: sqlite3.Connection, delivery_id: str, now: int) -> DeliveryRecord:
    """Make the delivery due at once, with all its tries before it. NotFound."""
    row = conn.execute(sql("delivery_resent"), {"id": delivery_id, "now": now}).fetchone()
    if row is None:
        raise NotFound("There is no such delivery")
    return DeliveryRecord.of(row)
