"""`/keys`: keys for others than the owner, shown once and kept as digests. `/tickets`: for a browser's streams."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from control_plane.api.keyring import PREFIX, TICKET_SECONDS, Holder
from control_plane.api.problems import Problem
from control_plane.api.schemas import rfc3339_or_none
from control_plane.api.services import Services, Use
from control_plane.clock import to_rfc3339
from control_plane.jobs import keys
from control_plane.jobs.keys import KeyRecord, KeyScope

router = APIRouter(tags=["keys"], responses={"4XX": {"model": Problem}})

DEFAULT_PER_MINUTE = 6000
"""A hundred a second: fifty jobs polled every two seconds use a quarter of it."""


class CreateKey(BaseModel):
    """A key for somebody. `read` may look, `submit` may make, cancel and retry jobs, `admin` may do everything."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
    scopes: Annotated[set[KeyScope], Field(min_length=1)] = {KeyScope.READ, KeyScope.SUBMIT}
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = DEFAULT_PER_MINUTE

    @field_validator("scopes", mode="before")
    @classmethod
    def _each_once(cls, given: object) -> object:
        if isinstance(given, list) and any(given.count(one) > 1 for one in given[: len(KeyScope) + 1]):
            msg = "name each scope once"
            raise ValueError(msg)
        return given


class KeyView(BaseModel):
    """A key without its secret; one that is revoked opens nothing."""

    id: str
    name: str
    scopes: list[KeyScope]
    requests_per_minute: int
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


class KeyCreated(KeyView):
    """A new key. `key` is shown this once: only its digest is kept."""

    key: str


class TicketView(BaseModel):
    """Stands for the key it was asked for with, for `expires_in` seconds, in `?ticket=` of `/events`,
    `/jobs/{job_id}/events` and the WebSocket `/ws/jobs/{job_id}`: browsers can send no headers there.
    """

    ticket: str
    expires_in: int


@router.post("/keys", status_code=201)
async def create_key(services: Use, wanted: CreateKey) -> KeyCreated:
    """Make a key. Needs the owner's key or one with the scope `admin`, as all of `/keys`."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    key = f"{PREFIX.decode()}{key_id}_{secret}"
    record = KeyRecord(
        key_id, wanted.name, hashlib.sha256(key.encode()).digest(), frozenset(wanted.scopes),
        wanted.requests_per_minute, services.clock(),
    )  # fmt: skip
    await services.table.do(keys.insert, record)
    services.keys.add(record)
    return KeyCreated(**_view(services, record).model_dump(), key=key)


@router.get("/keys")
async def list_keys(services: Use) -> list[KeyView]:
    """Every key there ever was, oldest first."""
    return [_view(services, key) for key in services.table.ask(keys.all_keys)]


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(services: Use, key_id: str) -> Response:
    """From now on the key opens nothing; streams that it opened end within seconds."""
    await services.table.do(keys.revoke, key_id, services.clock())
    services.keys.remove(key_id)
    return Response(status_code=204)


@router.post("/tickets", status_code=201)
async def create_ticket(services: Use, request: Request) -> TicketView:
    """A ticket for one of the streams, for clients that can send no `Authorization` there."""
    holder: Holder = getattr(request.state, "holder", services.keys.owner)
    return TicketView(ticket=services.keys.ticket(holder), expires_in=TICKET_SECONDS)


def _view(services: Services, key: KeyRecord) -> KeyView:
    return KeyView(
        id=key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        requests_per_minute=key.per_minute,
        created_at=to_rfc3339(key.created_at),
        last_used_at=rfc3339_or_none(services.keys.last_used(key.id) or key.last_used_at),
        revoked_at=rfc3339_or_none(key.revoked_at),
    )
