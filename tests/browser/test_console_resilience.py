"""The console when things go wrong around it: the server goes and comes back; the server wants a key."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.acceptance.real_plane import RealPlane, real_plane
from tests.browser.chromium import PROGRAM
from tests.browser.console import PATIENCE_MS, browser, make_picture, upload, url_of, visiting

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright, browser(playwright) as running:
        yield running


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_a_page_goes_on_by_itself_when_the_server_is_back_and_has_missed_nothing(
    chromium: Browser, tmp_path: Path
) -> None:
    picture, port, data = make_picture(tmp_path / "still.png"), free_port(), tmp_path / "data"
    with real_plane(data, port) as plane:
        address = url_of(plane)
        with visiting(chromium, address) as visitor:
            job_id = plane.submit("IMG2VID", image_url=upload(plane, picture), duration=8, resolution="480p")
            visitor.open(f"jobs/{job_id}")
            visitor.status("Running")
            plane.kill()
            expect(visitor.page.locator(".lost")).to_be_visible(timeout=PATIENCE_MS)
            visitor.page.route("**/events", lambda route: route.abort())  # it stays away until all has happened
            with real_plane(data, port) as again:
                after = again.submit("TTS", text="While you were away")
                again.until(after, "SUCCEEDED")
                again.until(job_id, "SUCCEEDED")
                visitor.page.unroute("**/events")
                expect(visitor.page.locator(".lost")).to_have_count(0, timeout=PATIENCE_MS)
                visitor.status("Done")
                shown = visitor.page.locator(".log li span:last-child").all_text_contents()
                told = [words for words, _ in groupby(events(again, job_id))]
                visitor.page.get_by_role("link", name="Jobs", exact=True).first.click()
                expect(visitor.page.locator(".job-row")).to_have_count(2)
                expect(visitor.page.locator(".job-row").first).to_contain_text("While you were away")
                assert [text.strip() for text in shown] == told
                assert visitor.violations() == []


def events(plane: RealPlane, job_id: str) -> list[str]:
    """What the log of a finished job has to say, by the API."""
    text = plane.client.get(f"/jobs/{job_id}/events").text
    data = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    return [one["error"] or one["stage_message"] or one["status"] for one in data]


def test_a_key_is_asked_for_kept_for_the_tab_and_used_for_the_stream(chromium: Browser, tmp_path: Path) -> None:
    with (
        real_plane(tmp_path / "data", API_KEY="s3cret-s3cret") as plane,
        visiting(chromium, url_of(plane), "phone") as visitor,
    ):
        page = visitor.page
        visitor.open()
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Open the console").click()
        expect(page.get_by_role("alert")).to_have_text("That key opens nothing here.")
        visitor.complaints.clear()  # Chromium reports each 401 as an error
        visitor.check()
        page.get_by_label("API key").fill("s3cret-s3cret")
        page.get_by_role("button", name="Open the console").click()
        expect(page.get_by_text("Your first film is a minute away")).to_be_visible()
        plane.client.headers["Authorization"] = "Bearer s3cret-s3cret"
        plane.submit("TTS", text="Told by the stream")
        expect(page.locator(".job-row")).to_contain_text("Told by the stream")
        page.reload()
        expect(page.locator(".job-row .state")).to_contain_text("Done", timeout=PATIENCE_MS)
        visitor.check()
