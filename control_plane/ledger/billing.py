"""RunPod's own billing records, to be held against the ledger.

`GET /v2/billing/serverless` tells what an endpoint cost by hour or day; there is no bill of a single job.
(Source: docs.runpod.io, api-reference-v2/openapi.json.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from control_plane.ledger.money import to_micros
from shared.errors import RushesError

API_URL = "https://api.runpod.io/v2"


class BillingUnavailable(RushesError):
    """RunPod's billing records could not be read."""

    code = "BILLING_UNAVAILABLE"
    retryable = True


class BillRecord(BaseModel):
    """What one endpoint cost in one hour or day, in US dollars."""

    start: Annotated[AwareDatetime, Field(alias="startTime")]
    amount: Annotated[float, Field(alias="totalAmount", allow_inf_nan=False)]


@dataclass(frozen=True)
class Reconciled:
    """One UTC day in micro-dollars: what the ledger has booked and what RunPod bills.

    RunPod also bills what no job accounts for: the start of workers, their idle time, disks.
    """

    day: str
    booked: int
    billed: int

    @property
    def unaccounted(self) -> int:
        """What the bill has above the ledger; below zero where the ledger assumed too much."""
        return self.billed - self.booked


_RECORDS = TypeAdapter(list[BillRecord])


def reconcile(booked: Mapping[str, int], bill: Iterable[BillRecord]) -> list[Reconciled]:
    """The ledger's days beside the bill's, first to last; a day that only one of them knows is there too."""
    billed: dict[str, int] = {}
    for record in bill:
        day = record.start.astimezone(UTC).date().isoformat()
        billed[day] = billed.get(day, 0) + to_micros(record.amount)
    return [Reconciled(day, booked.get(day, 0), billed.get(day, 0)) for day in sorted(booked.keys() | billed.keys())]


class Billing:
    """Reads the bill of endpoints by the owner's key. Without a `client` it makes one for each reading."""

    def __init__(self, api_key: str, api_url: str = API_URL, client: httpx.AsyncClient | None = None) -> None:
        self._url = f"{api_url}/billing/serverless"
        self._headers = {"Authorization": f"Bearer {api_key.strip()}"}
        self._client = client

    async def bill(self, endpoints: Iterable[str], first: date, last: date) -> list[BillRecord]:
        """Every record of the endpoints (their URLs) from one UTC day to another, both whole. BillingUnavailable."""
        if self._client is not None:
            return await self._read(self._client, endpoints, first, last)
        # trust_env off: a proxy or .netrc that happens to be set must not see the key.
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
            return await self._read(client, endpoints, first, last)

    async def _read(
        self, client: httpx.AsyncClient, endpoints: Iterable[str], first: date, last: date
    ) -> list[BillRecord]:
        period = {"startTime": _midnight(first), "endTime": _midnight(last + timedelta(days=1)), "bucketSize": "day"}
        found: list[BillRecord] = []
        for url in endpoints:
            endpoint_id = urlsplit(url).path.rstrip("/").rpartition("/")[2]
            found += await self._ask(client, {"serverlessId": endpoint_id, **period})
        return found

    async def _ask(self, client: httpx.AsyncClient, query: dict[str, str]) -> list[BillRecord]:
        try:
            answer = await client.get(self._url, params=query, headers=self._headers)
            answer.raise_for_status()
            return _RECORDS.validate_python(_list_in(answer.json()))
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise BillingUnavailable(f"RunPod did not give its billing records ({status})") from error
        except (httpx.RequestError, ValidationError, ValueError) as error:
            raise BillingUnavailable from error


def _list_in(answer: Any) -> Any:  # noqa: ANN401 - any JSON; validated by the caller
    """v2 wraps its lists in an object with one member, whose name its docs leave open."""
    if isinstance(answer, dict):
        return next((part for part in answer.values() if isinstance(part, list)), answer)
    return answer


def _midnight(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat().replace("+00:00", "Z")
