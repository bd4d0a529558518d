"""All followers together stay within the platform's limit, and the impatient come first."""

from __future__ import annotations

import pytest

from control_plane.dispatch.pace import CALLS_PER_SECOND, Pace


@pytest.mark.parametrize("followers", [1, 50, 180])
def test_few_are_looked_at_every_second(followers: int) -> None:
    assert Pace(followers).pause(1.0, 3600.0, 10) == 1.0


@pytest.mark.parametrize("followers", [181, 200, 270])
def test_what_is_read_of_some_hundred_jobs_is_never_two_seconds_old(followers: int) -> None:
    assert Pace(followers).pause(1.0, 3600.0, 40) <= 1.5


@pytest.mark.parametrize("followers", [181, 270, 1000, 10_000])
def test_many_share_the_limit(followers: int) -> None:
    pace = Pace(followers)
    ages = [(seconds, progress) for seconds in (None, 5.0, 3600.0) for progress in (0, 50, 95)]
    calls = sum(1 / pace.pause(1.0, *ages[number % len(ages)]) for number in range(followers))
    assert calls <= CALLS_PER_SECOND + 1e-6


def test_the_young_and_the_nearly_done_come_first() -> None:
    pace = Pace(10_000)
    patient = pace.pause(1.0, 3600.0, 40)
    assert pace.pause(1.0, 5.0, 0) < patient
    assert pace.pause(1.0, 3600.0, 95) < patient
    assert pace.pause(1.0, None, 0) < patient


def test_callbacks_make_it_slower_still() -> None:
    assert Pace(5).pause(10.0, 100.0, 50) == 10.0
