"""The rules of money, one row each: prices, caps, estimates, and the bill beside the books."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from control_plane.dispatch.limits import DEADLINE_SECONDS
from control_plane.ledger.billing import Billing, BillingUnavailable, BillRecord, Reconciled, reconcile
from control_plane.ledger.budget import ALLOWANCE_SECONDS, Budget, Caps, Held, Offer, TooDear, Used
from control_plane.ledger.estimate import DEFAULT_SECONDS, estimate
from control_plane.ledger.money import cost, dollars, seconds_for, to_micros, to_usd
from control_plane.ledger.prices import DEAREST, GPU_USD_PER_SECOND, Prices, find_gpu
from control_plane.settings import Settings
from shared.errors import InvalidRequest
from shared.job_types import JobType

URL = "https://api.runpod.ai/v2/abc123"
CENT = 10_000
NOTHING = Used(0, 0, 0)


# Money


@given(st.integers(0, 10**12), st.integers(1, 10**10))
def test_what_money_pays_for_never_costs_more_and_one_second_more_does(micros: int, nanos: int) -> None:
    seconds = seconds_for(micros, nanos)
    assert cost(seconds, nanos) <= micros
    assert cost(seconds + 1, nanos) * 1000 > micros * 1000 - 1000


def test_begun_seconds_are_paid_whole_and_micro_dollars_rounded_up() -> None:
    assert [cost(seconds, 160_000) for seconds in (0, 0.001, 1, 1.2)] == [0, 160, 160, 320]
    assert cost(1, 1) == 1
    assert to_usd(to_micros(12.345678)) == 12.345678


@pytest.mark.parametrize(
    ("micros", "text"), [(0, "$0.00"), (1_250_000, "$1.25"), (1200, "$0.0012"), (1_234_567_890, "$1,234.57")]
)
def test_money_is_shown_as_a_person_reads_it(micros: int, text: str) -> None:
    assert dollars(micros) == text


# Prices


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A100 80GB PCIe", "A100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA A40", "A40"),
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000"),
        ("NVIDIA RTX 4000 Ada Generation", "RTX 4000 Ada"),
        ("NVIDIA RTX A4000", "RTX A4000"),
        ("nvidia b200", "B200"),
        ("cuda", None),
        ("cpu", None),
        ("", None),
        ("NVIDIA GeForce GTX 1080", None),
    ],
)
def test_a_device_name_finds_its_row(name: str, row: str | None) -> None:
    assert find_gpu(name) == row


def test_the_dearest_gpu_is_assumed_until_the_owner_or_a_worker_says_better() -> None:
    prices = Prices(free=frozenset({"local"}))
    assumed = prices.at(URL)
    assert (assumed.usd_per_second, assumed.assumed) == (max(GPU_USD_PER_SECOND.values()), True)
    assert DEAREST in assumed.source
    assert prices.of_gpu(URL, "NVIDIA GeForce RTX 4090") == 310_000
    assert prices.of_gpu(URL, "something new") is None
    assert prices.at("local").nanos == 0
    assert prices.of_gpu("local", "NVIDIA GeForce RTX 4090") is None, "the owner's own GPU is not RunPod's"


@pytest.mark.parametrize("endpoint", [URL, "local"])
def test_the_owners_price_is_the_price_of_everything(endpoint: str) -> None:
    prices = Prices(0.000_012_5, free=frozenset({"local"}))
    assert (prices.at(endpoint).nanos, prices.at(endpoint).source) == (12_500, "GPU_USD_PER_SECOND")
    assert prices.of_gpu(endpoint, "NVIDIA B200") is None


# Caps


def budget(
    job: float | None = None, day: float | None = None, month: float | None = None, price: float = 0.01
) -> Budget:
    return Budget(Prices(price), Caps.in_usd(job, day, month))


WORST = 10.0 + ALLOWANCE_SECONDS / 100  # 1000 seconds for a cent each, and what comes around them


@pytest.mark.parametrize(
    ("caps", "max_cost", "field", "named"),
    [
        ({"job": WORST - 0.01}, None, "/type", "BUDGET_JOB_USD"),
        ({"day": WORST - 0.01}, None, "/type", "BUDGET_DAILY_USD"),
        ({"month": WORST - 0.01}, None, "/type", "BUDGET_MONTHLY_USD"),
        ({}, WORST - 0.01, "/max_cost_usd", "max_cost_usd"),
    ],
)
def test_what_could_never_run_is_refused_naming_what_is_in_the_way(
    caps: dict[str, float], max_cost: float | None, field: str, named: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        budget(**caps).check(URL, 1000, max_cost and to_micros(max_cost))
    assert (refused.value.code_now, [problem.pointer for problem in refused.value.fields]) == (
        "COST_CAP_EXCEEDED",
        [field],
    )
    assert named in refused.value.message
    assert dollars(to_micros(WORST)) in refused.value.message


def test_what_just_fits_is_taken_and_free_work_always() -> None:
    budget(WORST, WORST, WORST).check(URL, 1000, to_micros(WORST))
    budget(0, 0, 0, price=0).check(URL, 1000, 0)
    Budget(caps=Caps(None, None, None)).check(URL, 10**6, None)
    assert Caps.in_usd(float("inf"), None, 3) == Caps(None, None, 3_000_000)


def test_a_refusal_by_an_assumed_price_says_how_to_mend_it() -> None:
    with pytest.raises(InvalidRequest, match=r"assumed.*set GPU_USD_PER_SECOND"):
        Budget(caps=Caps(CENT)).check(URL, 1000, None)


def test_an_offer_reserves_the_worst_case() -> None:
    offer = budget(job=WORST, day=100).offer(URL, 1000, None, NOTHING)
    assert offer == Offer(Prices(0.01).at(URL), 1000, to_micros(WORST), to_micros(WORST))


def test_earlier_attempts_shorten_the_next_until_it_is_not_worth_it() -> None:
    limited = budget(job=WORST)
    shortened = limited.offer(URL, 1000, None, Used(300 * CENT, 0, 0))
    assert isinstance(shortened, Offer)
    assert (shortened.deadline_seconds, shortened.reserve) == (700, to_micros(WORST) - 300 * CENT)
    last = limited.offer(URL, 1000, None, Used(940 * CENT, 0, 0))
    assert isinstance(last, Offer)
    assert last.deadline_seconds == 60
    over = limited.offer(URL, 1000, None, Used(941 * CENT, 0, 0))
    assert isinstance(over, TooDear)
    assert "$9.41" in over.message
    assert isinstance(limited.offer(URL, 5, None, NOTHING), Offer), "a deadline may be shorter than that"


def test_the_lower_of_two_caps_holds() -> None:
    assert budget(job=2).job_cap(CENT) == CENT
    assert budget(job=2).job_cap(5_000_000) == 2_000_000
    assert budget().job_cap(None) is None


HOLDS = [
    ({"day": 20}, Used(0, to_micros(20 - WORST), 0), None),
    ({"day": 20}, Used(0, to_micros(20 - WORST) + 1, 0), "daily"),
    ({"month": 20}, Used(0, 0, to_micros(20 - WORST)), None),
    ({"month": 20}, Used(0, 0, to_micros(20 - WORST) + 1), "monthly"),
    ({"day": 5}, NOTHING, "daily"),
]


@pytest.mark.parametrize(("caps", "used", "by"), HOLDS)
def test_a_job_waits_for_the_day_or_the_month(caps: dict[str, float], used: Used, by: str | None) -> None:
    offer = budget(**caps).offer(URL, 1000, None, used)
    if by is None:
        assert isinstance(offer, Offer)
    else:
        assert isinstance(offer, Held)
        assert f"Held by the {by} budget" in offer.message
        assert " is left for " in offer.message


def test_free_work_is_never_held() -> None:
    assert isinstance(budget(0, 0, 0, price=0).offer(URL, 1000, 0, Used(CENT, CENT, CENT)), Offer)


RUNPOD = {"runpod_endpoint": URL, "runpod_api_key": "k", "s3_bucket": "b", "api_key": "x"}


def test_caps_are_finite_where_money_can_be_spent_and_every_job_type_fits_them() -> None:
    assert Settings().caps_usd == (None, None, None)
    assert Settings(budget_daily_usd=3).caps_usd == (None, 3, None)
    assert Settings(**RUNPOD, budget_job_usd=float("inf"), budget_daily_usd=0).caps_usd == (float("inf"), 0, 600)
    by_default = Budget(caps=Caps.in_usd(*Settings(**RUNPOD).caps_usd))
    for kind in JobType:
        by_default.check(URL, DEADLINE_SECONDS[kind], None)


def test_a_job_past_its_cap_is_told_so() -> None:
    assert budget(job=1).past_cap(None, to_micros(1)) is None
    assert budget().past_cap(None, 10**12) is None
    assert budget(job=1).past_cap(500_000, 600_000) == "Stopped: the job has cost $0.60 and may cost $0.50"


# Estimates


def test_an_estimate_is_by_default_until_five_jobs_have_finished() -> None:
    low, high = DEFAULT_SECONDS[JobType.TTS]
    first = estimate(JobType.TTS, 1_000_000, [9.0] * 4)
    assert (first.low_seconds, first.high_seconds, first.basis, first.samples) == (low, high, "default", 4)
    known = estimate(JobType.TTS, 1_000_000, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 1000])
    assert (known.low_seconds, known.high_seconds, known.basis) == (20, 100, "history")
    assert (known.low, known.high) == (20_000, 230_000), "high pays for a cold start and idle time too"


@pytest.mark.parametrize("kind", list(JobType))
def test_every_type_has_a_default_estimate(kind: JobType) -> None:
    found = estimate(kind, 310_000, [])
    assert 0 < found.low_seconds < found.high_seconds
    assert 0 < found.low < found.high


# The bill


def record(start: str, amount: float) -> BillRecord:
    return BillRecord.model_validate({"startTime": start, "endTime": start, "totalAmount": amount, "serverlessId": "a"})


def test_the_books_and_the_bill_are_laid_side_by_side_by_utc_day() -> None:
    bill = [
        record("2026-05-01T00:00:00Z", 1.0),
        record("2026-05-01T23:00:00+00:00", 0.25),
        record("2026-05-03T01:00:00+02:00", 0.5),
    ]
    assert reconcile({"2026-05-01": 1_000_000, "2026-05-04": 7}, bill) == [
        Reconciled("2026-05-01", 1_000_000, 1_250_000),
        Reconciled("2026-05-02", 0, 500_000),
        Reconciled("2026-05-04", 7, 0),
    ]
    assert [day.unaccounted for day in reconcile({"2026-05-04": 7}, [])] == [-7]


class BillingStandIn:
    """RunPod's billing call, as its reference describes it."""

    def __init__(self, answer: Any = None, status: int = 200) -> None:
        self.answer, self.status = answer, status
        self.asked: list[dict[str, str]] = []
        self.app = Starlette(routes=[Route("/v2/billing/serverless", self._bill)])

    async def _bill(self, request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer key":
            return JSONResponse({"title": "Unauthorized"}, 401)
        self.asked.append(dict(request.query_params))
        return self.answer if isinstance(self.answer, Response) else JSONResponse(self.answer, self.status)

    def billing(self, key: str = "key") -> Billing:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app))
        return Billing(key, "https://api.runpod.io/v2", client)


MAY = (date(2026, 5, 1), date(2026, 5, 3))
LINE = {"startTime": "2026-05-01T00:00:00Z", "totalAmount": 1.5, "gpuAmount": 1.5, "serverlessId": "abc123"}


@pytest.mark.parametrize("answer", [[LINE], {"records": [LINE]}, {"serverless": [LINE], "total": 1.5}])
async def test_the_bill_of_each_endpoint_is_read_for_whole_days(answer: Any) -> None:
    runpod = BillingStandIn(answer)
    bill = await runpod.billing().bill([URL, "https://api.runpod.ai/v2/other/"], *MAY)
    assert [entry.amount for entry in bill] == [1.5, 1.5]
    period = {"startTime": "2026-05-01T00:00:00Z", "endTime": "2026-05-04T00:00:00Z", "bucketSize": "day"}
    assert runpod.asked == [{"serverlessId": "abc123", **period}, {"serverlessId": "other", **period}]


@pytest.mark.parametrize(
    "runpod",
    [
        BillingStandIn({"detail": "no"}, 500),
        BillingStandIn(Response(b"<html>")),
        BillingStandIn({"records": [{"startTime": "?"}]}),
        BillingStandIn({"records": None}),
        BillingStandIn([{**LINE, "totalAmount": "NaN"}]),
    ],
)
async def test_a_bill_that_cannot_be_read_is_one_plain_error(runpod: BillingStandIn) -> None:
    with pytest.raises(BillingUnavailable, match="billing records"):
        await runpod.billing().bill([URL], *MAY)


async def test_a_key_that_may_not_read_the_bill_is_told_so_without_the_key() -> None:
    with pytest.raises(BillingUnavailable, match="401") as refused:
        await BillingStandIn([]).billing("secret").bill([URL], *MAY)
    assert "secret" not in str(refused.value)
