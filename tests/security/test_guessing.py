"""Guessing keys: after twenty different wrong ones in a minute nothing more is looked at from that address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.api.guesses import MOST_GUESSES, Guesses
from tests.integration.served import Served, served
from tests.integration.test_keys import OWNER

MINUTE_MS = 60_000


class TestClock:
    """Time of this machine, moved by the test."""

    __test__ = False

    def __init__(self) -> None:
        self.now = 20_000 * 86_400_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
async def api(tmp_path: Path, clock: TestClock) -> AsyncIterator[Served]:
    async with served(tmp_path, api_key="s3cret", public_url="https://rushes.example.org", clock=clock) as running:
        yield running


async def look(api: Served, key: str, address: str = "203.0.113.7") -> int:
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": address}
    return (await api.client.get("/jobs", headers=headers)).status_code


async def test_who_guesses_keys_is_not_listened_to_for_a_minute(api: Served, clock: TestClock) -> None:
    assert [await look(api, f"guess-{n}") for n in range(MOST_GUESSES)] == [401] * MOST_GUESSES
    refused = await api.client.get("/jobs", headers={**OWNER, "X-Forwarded-For": "203.0.113.7"})
    assert refused.status_code == 429, "the right key is not told from a wrong one"
    assert refused.json()["code"] == "RATE_LIMITED"
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert await look(api, "s3cret", "203.0.113.8") == 200, "others go on"
    assert await look(api, "s3cret", "203.0.113.7, 198.51.100.1") == 200, "the last address is what our proxy saw"
    assert await look(api, "x", "198.51.100.1, 203.0.113.7") == 429, "and what stands before it is only claimed"
    clock.now += MINUTE_MS
    assert await look(api, "s3cret") == 200


async def test_an_old_key_sent_again_and_again_is_one_guess(api: Served) -> None:
    assert {await look(api, "the-key-of-last-year") for _ in range(3 * MOST_GUESSES)} == {401}
    assert await look(api, "s3cret") == 200


async def test_who_sends_no_key_guesses_nothing(api: Served) -> None:
    for _ in range(2 * MOST_GUESSES):
        assert (await api.client.get("/jobs", headers={"X-Forwarded-For": "203.0.113.7"})).status_code == 401
    assert await look(api, "s3cret") == 200


def test_without_a_proxy_nobody_names_their_own_address(clock: TestClock) -> None:
    guesses = Guesses(clock, behind_proxy=False)
    for n in range(MOST_GUESSES):
        guesses.note("192.0.2.1", {b"x-forwarded-for": f"203.0.113.{n}".encode()}, b"%d" % n)
    assert guesses.seconds_left("192.0.2.1", {b"x-forwarded-for": b"203.0.113.99"}) == 60
    assert guesses.seconds_left("192.0.2.2", {}) is None


def test_one_ipv6_network_is_one_guesser_and_millions_of_them_fill_no_memory(clock: TestClock) -> None:
    guesses = Guesses(clock, behind_proxy=False)
    for n in range(MOST_GUESSES):
        guesses.note(f"2001:db8:1:2::{n:x}", {}, b"%d" % n)
    assert guesses.seconds_left("2001:db8:1:2:ffff::1", {}) == 60
    assert guesses.seconds_left("2001:db8:1:3::1", {}) is None
    for n in range(12_000):
        guesses.note(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", {}, b"x")
    assert len(guesses._wrong) == 10_000
