"""`POST /estimate` and `GET /budget`: what a job would cost, and what is left to spend."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel

from control_plane.api.problems import Problem
from control_plane.api.schemas import CreateJob, Envelope
from control_plane.api.services import Services, Use
from control_plane.clock import to_datetime
from control_plane.dispatch.limits import DEADLINE_SECONDS
from control_plane.jobs import queries
from control_plane.jobs.records import Spending
from control_plane.ledger.billing import BillingUnavailable, Reconciled, reconcile
from control_plane.ledger.estimate import estimate
from control_plane.ledger.money import to_usd
from shared.catalog.model import Licence
from shared.job_types import JobType

router = APIRouter(tags=["budget"], responses={"4XX": {"model": Problem}})


class EstimatedModelView(BaseModel):
    """What the job would be made with, and what may be done with it: `commercial` is `no` for some."""

    id: str
    title: str
    licence: Licence


class EstimateView(BaseModel):
    """Seconds on a worker, and US dollars: `low` on a warm worker, `high` with a cold start and idle time.

    `worst_case_usd` is what is reserved while the job runs and what the caps are held against. `model` is null where
    none is involved.
    """

    type: JobType
    low_seconds: float
    high_seconds: float
    low_usd: float
    high_usd: float
    worst_case_usd: float
    basis: Literal["history", "default"]
    samples: int
    usd_per_second: float
    price_source: str
    model: EstimatedModelView | None


class PeriodView(BaseModel):
    """A UTC day or month in US dollars. `left_usd` is the cap less what is spent and reserved; null without a cap."""

    starts: str
    cap_usd: float | None
    spent_usd: float
    reserved_usd: float
    left_usd: float | None


class TypeSpendView(BaseModel):
    """What one job type has cost."""

    type: str
    today_usd: float
    month_usd: float


class PriceView(BaseModel):
    """The price in force at one endpoint. `assumed`: its GPU is not known before a worker has told it."""

    endpoint: str
    types: list[JobType]
    usd_per_second: float
    source: str
    assumed: bool


class ReconciledView(BaseModel):
    """One UTC day: the ledger beside RunPod's bill, which also has starts of workers, idle time and disks."""

    day: str
    ledger_usd: float
    billed_usd: float
    unaccounted_usd: float


class BudgetView(BaseModel):
    """Caps, what is spent, reserved and left, and the prices behind it. `reconciliation` only when asked for."""

    job_cap_usd: float | None
    today: PeriodView
    month: PeriodView
    by_type: list[TypeSpendView]
    prices: list[PriceView]
    held_jobs: int
    reconciliation: list[ReconciledView] | None = None
    reconciliation_message: str | None = None


@router.post("/estimate")
async def estimate_job(services: Use, job: Annotated[CreateJob, Body()]) -> EstimateView:
    """How long a job of this type takes and what it costs, from your own finished jobs once there are five.

    The body is that of `POST /jobs`; nothing is submitted.
    """
    asked: Envelope = job
    endpoint = services.endpoints.for_type(asked.type).url
    price = services.budget.prices.at(endpoint)
    found = estimate(asked.type, price.nanos, services.table.ask(queries.recent_seconds, asked.type, endpoint))
    return EstimateView(
        type=asked.type,
        low_seconds=found.low_seconds,
        high_seconds=found.high_seconds,
        low_usd=to_usd(found.low),
        high_usd=to_usd(found.high),
        worst_case_usd=to_usd(services.budget.worst_case(endpoint, DEADLINE_SECONDS[asked.type])),
        basis=found.basis,
        samples=found.samples,
        usd_per_second=price.usd_per_second,
        price_source=price.source,
        model=_model(services, asked),
    )


@router.get("/budget")
async def get_budget(
    services: Use,
    reconcile: Annotated[bool, Query(description="Ask RunPod for its bill of this month too.")] = False,
) -> BudgetView:
    """What may be spent, what is spent and reserved today and this month (UTC), and at which prices."""
    today = to_datetime(services.clock()).date().isoformat()
    lines = services.table.ask(queries.spending, f"{today[:7]}-01", f"{today[:7]}-31")
    caps = services.budget.caps
    view = BudgetView(
        job_cap_usd=_usd(caps.job),
        today=_period(today, caps.day, [line for line in lines if line.day == today]),
        month=_period(f"{today[:7]}-01", caps.month, lines),
        by_type=_by_type(lines, today),
        prices=_prices(services),
        held_jobs=services.table.ask(queries.count_held),
    )
    if reconcile:
        await _reconcile(services, view, lines)
    return view


def _model(services: Services, asked: Envelope) -> EstimatedModelView | None:
    model = services.model_choice.of(asked.type, asked.params.model_dump())
    return EstimatedModelView(id=model.id, title=model.title, licence=model.licence) if model else None


def _period(starts: str, cap: int | None, lines: list[Spending]) -> PeriodView:
    spent, reserved = sum(line.spent for line in lines), sum(line.reserved for line in lines)
    left = None if cap is None else max(cap - spent - reserved, 0)
    return PeriodView(
        starts=starts, cap_usd=_usd(cap), spent_usd=to_usd(spent), reserved_usd=to_usd(reserved), left_usd=_usd(left)
    )


def _by_type(lines: list[Spending], today: str) -> list[TypeSpendView]:
    def spent(kind: str, *days: str) -> float:
        return to_usd(sum(line.spent for line in lines if line.type == kind and (not days or line.day in days)))

    kinds = sorted({line.type for line in lines})
    return [TypeSpendView(type=kind, today_usd=spent(kind, today), month_usd=spent(kind)) for kind in kinds]


def _prices(services: Services) -> list[PriceView]:
    types: dict[str, list[JobType]] = {}
    for kind in JobType:
        types.setdefault(services.endpoints.for_type(kind).url, []).append(kind)
    prices = {url: services.budget.prices.at(url) for url in types}
    return [
        PriceView(
            endpoint=url,
            types=types[url],
            usd_per_second=price.usd_per_second,
            source=price.source,
            assumed=price.assumed,
        )
        for url, price in prices.items()
    ]


async def _reconcile(services: Services, view: BudgetView, lines: list[Spending]) -> None:
    if services.billing is None:
        view.reconciliation_message = "There is no bill to compare with: no RunPod endpoint is set"
        return
    first, last = date.fromisoformat(view.month.starts), date.fromisoformat(view.today.starts)
    urls = {services.endpoints.for_type(kind).url for kind in JobType} | {line.endpoint for line in lines}
    try:
        bill = await services.billing.bill(sorted(url for url in urls if "://" in url), first, last)
    except BillingUnavailable as trouble:
        view.reconciliation_message = trouble.message
        return
    booked: dict[str, int] = {}
    for line in lines:
        booked[line.day] = booked.get(line.day, 0) + line.spent
    view.reconciliation = [_reconciled_view(day) for day in reconcile(booked, bill)]


def _reconciled_view(day: Reconciled) -> ReconciledView:
    return ReconciledView(
        day=day.day,
        ledger_usd=to_usd(day.booked),
        billed_usd=to_usd(day.billed),
        unaccounted_usd=to_usd(day.unaccounted),
    )


def _usd(micros: int | None) -> float | None:
    return None if micros is None else to_usd(micros)
