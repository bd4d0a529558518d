"""The rules of the budget, pure: what a job may cost at worst, and whether that fits what is left.

Dispatch asks `offer` before each attempt and the table checks its answer once more in the transaction that takes the
job; `check` refuses at submit what could never run; `past_cap` stops what ran longer than anybody foresaw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from control_plane.ledger.money import cost, dollars, seconds_for, to_micros
from control_plane.ledger.prices import Price, Prices
from shared.errors import FieldProblem, InvalidRequest

COLD_START_SECONDS = 120
"""A worker's start, which RunPod bills too: container and model load."""
IDLE_SECONDS = 10
"""How long a worker idles, billed, before it stops (RunPod's default for a new endpoint)."""
STOP_SECONDS = 120
"""The platform stops a worker that ignores its own deadline this much later."""
ALLOWANCE_SECONDS = COLD_START_SECONDS + IDLE_SECONDS + STOP_SECONDS
SHORTEST_RUN_SECONDS = 60
"""An attempt that could pay for less is not worth its cold start."""
CODE = "COST_CAP_EXCEEDED"


@dataclass(frozen=True)
class Caps:
    """Micro-dollars a job, a UTC day and a UTC month may cost; None is no cap."""

    job: int | None = None
    day: int | None = None
    month: int | None = None

    @classmethod
    def in_usd(cls, job: float | None, day: float | None, month: float | None) -> Caps:
        """From US dollars; infinite is no cap."""
        return cls(*(None if usd is None or math.isinf(usd) else to_micros(usd) for usd in (job, day, month)))


@dataclass(frozen=True)
class Used:
    """Micro-dollars spent by a job's earlier attempts, and spent and reserved in this day and this month."""

    job: int
    day: int
    month: int


@dataclass(frozen=True)
class Offer:
    """An attempt may be opened: at this price, for so long, with `reserve` put aside, within the job's own cap."""

    price: Price
    deadline_seconds: float
    reserve: int
    job_cap: int | None


@dataclass(frozen=True)
class Held:
    """Not now: `message` says which cap is in the way."""

    message: str


@dataclass(frozen=True)
class TooDear:
    """Never: what is left of the job's own cap pays for no other attempt."""

    message: str


@dataclass(frozen=True)
class Budget:
    """Prices and caps in force."""

    prices: Prices = field(default_factory=Prices)
    caps: Caps = field(default_factory=Caps)

    def worst_case(self, endpoint: str, deadline_seconds: float) -> int:
        """Micro-dollars one whole run may cost, cold start and idle time included."""
        return cost(deadline_seconds + ALLOWANCE_SECONDS, self.prices.at(endpoint).nanos)

    def check(self, endpoint: str, deadline_seconds: float, max_cost: int | None) -> None:
        """InvalidRequest (COST_CAP_EXCEEDED) when the worst case is above a whole cap: such a job could never run."""
        worst = self.worst_case(endpoint, deadline_seconds)
        asked = ("/max_cost_usd", "max_cost_usd", max_cost)
        ours = (("BUDGET_JOB_USD", self.caps.job), ("BUDGET_DAILY_USD", self.caps.day))
        caps = (asked, *(("/type", *cap) for cap in ours), ("/type", "BUDGET_MONTHLY_USD", self.caps.month))
        wrong = [
            (pointer, f"{name} is {dollars(cap)}") for pointer, name, cap in caps if cap is not None and worst > cap
        ]
        if wrong and worst:
            message = f"This job may cost up to {dollars(worst)}, but {' and '.join(why for _, why in wrong)}."
            fields = [
                FieldProblem(pointer, f"{why}, the job may cost up to {dollars(worst)}") for pointer, why in wrong
            ]
            raise InvalidRequest(message + self._remark(endpoint), *fields, code=CODE)

    def offer(self, endpoint: str, deadline_seconds: float, max_cost: int | None, used: Used) -> Offer | Held | TooDear:
        """What the next attempt of a job may have: earlier attempts shorten it, the day and the month hold it back."""
        price, cap = self.prices.at(endpoint), self.job_cap(max_cost)
        seconds = deadline_seconds
        if cap is not None and price.nanos:
            seconds = min(seconds, seconds_for(cap - used.job, price.nanos) - ALLOWANCE_SECONDS)
            if seconds < min(SHORTEST_RUN_SECONDS, deadline_seconds):
                return TooDear(_spent_up(cap, used.job))
        reserve = cost(seconds + ALLOWANCE_SECONDS, price.nanos) if price.nanos else 0
        return self._held(endpoint, reserve, used) or Offer(price, seconds, reserve, cap)

    def job_cap(self, max_cost: int | None) -> int | None:
        """The lower of the job's own cap and that of every job."""
        return min((cap for cap in (max_cost, self.caps.job) if cap is not None), default=None)

    def past_cap(self, max_cost: int | None, spent: int) -> str | None:
        """Why a running job must be stopped, if it must."""
        cap = self.job_cap(max_cost)
        if cap is None or spent <= cap:
            return None
        return f"Stopped: the job has cost {dollars(spent)} and may cost {dollars(cap)}"

    def _held(self, endpoint: str, reserve: int, used: Used) -> Held | None:
        periods = (
            ("daily", "BUDGET_DAILY_USD", self.caps.day, used.day, "today (UTC)"),
            ("monthly", "BUDGET_MONTHLY_USD", self.caps.month, used.month, "this month (UTC)"),
        )
        for name, setting, cap, taken, period in periods:
            if reserve and cap is not None and taken + reserve > cap:
                left = f"{dollars(max(cap - taken, 0))} of {dollars(cap)} is left for {period}"
                return Held(
                    f"Held by the {name} budget ({setting}): the job may cost up to {dollars(reserve)}, and {left}. "
                    f"Looked at again every minute and whenever a running job ends.{self._remark(endpoint)}"
                )
        return None

    def _remark(self, endpoint: str) -> str:
        price = self.prices.at(endpoint)
        if not price.assumed:
            return ""
        hint = "set GPU_USD_PER_SECOND to the price of yours"
        return f" (${price.usd_per_second:g} a second is {price.source}; {hint}.)"


def _spent_up(cap: int, spent: int) -> str:
    return (
        f"Earlier attempts cost {dollars(spent)} of the {dollars(cap)} the job may cost: too little is left for another"
    )
