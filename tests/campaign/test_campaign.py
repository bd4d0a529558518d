"""The fault campaign in its short form, and proof that it can fail: `make nightly`. The long one: `make campaign`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.campaign.campaign import Plan, run

pytestmark = pytest.mark.nightly

SEED = 20260501
OFTEN = {"run: 400": 0.06, "worker dies": 0.3, "engine fails, a retry may help": 0.03}
"""Few jobs have to reach every fault point."""


async def test_nothing_is_lost_stuck_doubled_or_wrong(tmp_path: Path) -> None:
    report = await run(Plan(SEED, jobs=60, kills=24, last_weather=3, odds=OFTEN), tmp_path)
    assert not report.violations, report.table()
    assert report.seen["jobs accepted"] == 60
    assert report.seen["kills"] >= 24
    assert report.seen["duplicates stopped by the claim"], "the claim had something to do"


async def test_it_finds_what_a_missing_safeguard_lets_through(tmp_path: Path) -> None:
    lost = {"run: answer lost after acceptance": 0.5}
    without_claim, without_lease_wait = await asyncio.gather(
        _unsafe(tmp_path / "claim", claims=False, odds=lost), _unsafe(tmp_path / "lease", lease_wait=False)
    )
    assert "never two executions at once" in without_claim
    assert "no second execution before the first is proven dead" in without_lease_wait


async def _unsafe(
    folder: Path, *, claims: bool = True, lease_wait: bool = True, odds: dict[str, float] | None = None
) -> set[str]:
    """The promises that are broken without a safeguard."""
    folder.mkdir()
    plan = Plan(
        SEED, jobs=25, kills=0, claims=claims, lease_wait=lease_wait, odds=odds or {}, last_weather=5, patience=1,
    )  # fmt: skip
    return {violation.promise for violation in (await run(plan, folder)).violations}
