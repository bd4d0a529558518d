"""The fault campaign in its short forms, and proof that it can fail. The long one: `make campaign`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.campaign.campaign import Plan, run
from tests.standins.fleet import Terms

SEED = 20260501
OFTEN = {"run: 400": 0.06, "worker dies": 0.3, "engine fails, a retry may help": 0.03}
"""Few jobs have to reach every fault point."""
LOST_OFTEN = {"run: answer lost after acceptance": 0.2, "worker dies": 0.2}
UNHURRIED = Terms(lease=8.0)
"""Together with the allowance for clocks, leases that a worker keeps though its machine is busy with other things."""


async def test_nothing_is_lost_stuck_doubled_or_wrong(tmp_path: Path) -> None:
    plan = Plan(
        SEED, jobs=40, kills=20, odds=LOST_OFTEN, terms=UNHURRIED, skew=3.0, last_weather=3, patience=240,
    )  # fmt: skip
    report = await run(plan, tmp_path)
    assert not report.unsafe, report.table()
    assert report.seen["jobs accepted"] == 40
    assert report.seen["kills"] >= 20
    assert report.seen["duplicates stopped by the claim"], "the claim had something to do"


@pytest.mark.nightly
async def test_nor_is_anything_late_on_a_machine_of_its_own(tmp_path: Path) -> None:
    report = await run(Plan(SEED, jobs=60, kills=24, last_weather=3, odds=OFTEN), tmp_path)
    assert not report.violations, report.table()
    assert report.seen["jobs accepted"] == 60
    assert report.seen["kills"] >= 24


async def test_it_finds_what_a_missing_safeguard_lets_through(tmp_path: Path) -> None:
    lost = {"run: answer lost after acceptance": 0.7}
    without_claim, without_lease_wait = await asyncio.gather(
        _unsafe(tmp_path / "claim", claims=False, odds=lost), _unsafe(tmp_path / "lease", lease_wait=False)
    )
    assert "never two executions at once" in without_claim
    assert "no second execution before the first is proven dead" in without_lease_wait


async def _unsafe(
    folder: Path, *, claims: bool = True, lease_wait: bool = True, odds: dict[str, float] | None = None
) -> set[str]:
    """The promises that are broken without a safeguard, by workers that start late and work long."""
    folder.mkdir()
    terms = Terms(lease=8.0, cold_start=3.0, work=6.0)
    plan = Plan(
        SEED, jobs=25, kills=0, claims=claims, lease_wait=lease_wait, outages=False, odds=odds or {}, terms=terms,
        last_weather=6, patience=60,
    )  # fmt: skip
    return {violation.promise for violation in (await run(plan, folder)).unsafe}
