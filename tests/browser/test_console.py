"""The console against a real server with its built-in endpoint: films cut, watched, canceled, held, at two sizes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.acceptance.real_plane import RealPlane, real_plane
from tests.browser.chromium import PROGRAM
from tests.browser.console import (
    PATIENCE_MS,
    Theme,
    Visitor,
    browser,
    make_clip,
    make_picture,
    upload,
    url_of,
    visiting,
)
from tests.conftest import forget_settings, wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here"),
]
PAGES = {
    "jobs": ".job-row", "new": ".kind", "new/RENDER": "#field-prompt", "new/TRAIN_TWIN": "#field-name",
    "timeline": ".begin", "gallery": ".piece", "spend": ".table", "endpoint": ".counts", "models": ".card",
    "twins": ".empty", "more": ".places",
}  # fmt: skip
"""Each with what shows that it is all there."""
KEPT = """
(name) => new Promise((done, fail) => {
  const opening = indexedDB.open("rushes-desk");
  opening.onerror = () => fail(opening.error);
  opening.onsuccess = () => {
    const asked = opening.result.transaction("films").objectStore("films").get("draft");
    asked.onsuccess = () => done(asked.result?.film.name === name && asked.result.film.captions.length === 1);
  };
})
"""
THEMES: tuple[Theme, ...] = ("dark", "light")
SLOW = {"duration": 60, "resolution": "1440p", "fps": 60}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright, browser(playwright) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips and a picture."""
    made = tmp_path_factory.mktemp("films")
    make_clip(made / "first.mp4", 2)
    make_clip(made / "second.mp4", 2, hue=120)
    make_picture(made / "still.png")
    return made


@pytest.fixture(scope="module")
def plane(folder: Path) -> Iterator[RealPlane]:
    """One server for all who do not mind each other's jobs: it takes seconds to start."""
    with pytest.MonkeyPatch.context() as environment:
        forget_settings(environment, folder)
        with real_plane(folder / "data") as running:
            yield running


def cut_a_film(visitor: Visitor, folder: Path) -> None:
    """Two clips dropped on the timeline, a crossfade between them, a caption, and off it goes."""
    visitor.open("timeline")
    clips = [folder / "first.mp4", folder / "second.mp4"]
    visitor.page.get_by_label("Clips", exact=True).and_(visitor.page.locator("input")).set_input_files(clips)
    expect(visitor.page.locator(".clip")).to_have_count(2)
    visitor.page.get_by_label("Name of the film").fill("Two colours")
    visitor.page.get_by_role("button", name="After clip 1: a cut").click()
    visitor.page.get_by_label("To the next clip").select_option("crossfade")
    visitor.page.get_by_role("tab", name="Words").click()
    visitor.page.get_by_role("button", name="Caption at the playhead").click()
    visitor.page.get_by_label("Caption 1", exact=True).fill("Hello <b>there</b> & welcome")


@pytest.mark.parametrize("size", ["desk", "phone"])
def test_a_film_is_cut_watched_to_its_end_and_played(
    chromium: Browser, plane: RealPlane, folder: Path, size: str
) -> None:
    with visiting(chromium, url_of(plane), size) as visitor:
        cut_a_film(visitor, folder)
        expect(visitor.page.locator(".caption")).to_have_text("Hello <b>there</b> & welcome")
        visitor.check()
        visitor.page.get_by_role("button", name="Render film").click(timeout=PATIENCE_MS)
        job_id = visitor.job_id()
        visitor.status("Done")
        film = visitor.page.locator("video.screen")
        ended = film.evaluate(
            "video => new Promise((done, fail) => {"
            " video.playbackRate = 2;"
            " video.onended = () => done(video.currentTime); video.onerror = () => fail(video.error); video.play(); })"
        )
        assert ended == pytest.approx(3.5, abs=0.1)
        visitor.check()
        job = plane.get(job_id)
        assert job["params"]["clips"][0]["transition"] == {"type": "crossfade", "duration": 0.5}
        assert job["params"]["captions"][0]["text"] == "Hello <b>there</b> & welcome"
        assert job["labels"] == {"name": "Two colours"}
        with visitor.page.expect_download() as fetched:
            visitor.page.get_by_role("link", name="Download film.mp4").click()
        assert fetched.value.path().stat().st_size == job["outputs"][0]["bytes"]


def test_the_timeline_is_worked_by_keyboard_and_by_hand(chromium: Browser, plane: RealPlane, folder: Path) -> None:
    with visiting(chromium, url_of(plane)) as visitor:
        cut_a_film(visitor, folder)
        page = visitor.page
        page.locator(".clip").nth(0).focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Alt+ArrowRight")
        assert names(page) == ["second.mp4", "first.mp4"]
        page.keyboard.press("Control+z")
        assert names(page) == ["first.mp4", "second.mp4"]
        page.get_by_role("slider", name="Out point").focus()
        page.keyboard.press("Shift+ArrowLeft")
        expect(page.get_by_label("Out, seconds")).to_have_value("1")
        page.locator(".clip").nth(1).focus()
        page.keyboard.press("Enter")
        page.get_by_label("Playhead", exact=True).fill("0")
        head, first = (page.locator(part).first.bounding_box() for part in (".head", ".clip"))
        assert head
        assert first
        assert head["x"] + head["width"] / 2 == pytest.approx(first["x"], abs=1)
        page.get_by_label("Playhead", exact=True).fill("2")
        page.locator(".clip").nth(1).focus()
        page.keyboard.press("s")
        assert names(page) == ["first.mp4", "second.mp4", "second.mp4"]
        page.keyboard.press("Delete")
        assert len(names(page)) == 2
        page.keyboard.press("Control+z")
        carry(page, from_clip=0, to_clip=2)
        assert names(page) == ["second.mp4", "second.mp4", "first.mp4"]
        visitor.check()


def names(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".clip-name").all_inner_texts()]


def carry(page: Page, *, from_clip: int, to_clip: int) -> None:
    """Drags a clip past another one."""
    page.locator(".clips").scroll_into_view_if_needed()
    grip, goal = (page.locator(".clip").nth(n).bounding_box() for n in (from_clip, to_clip))
    assert grip
    assert goal
    page.mouse.move(grip["x"] + grip["width"] / 4, grip["y"] + 40)
    page.mouse.down()
    page.mouse.move(goal["x"] + goal["width"] * 0.9, goal["y"] + 40, steps=8)
    page.mouse.up()


def test_a_cut_film_outlives_a_reload_and_its_preview_plays(chromium: Browser, plane: RealPlane, folder: Path) -> None:
    with visiting(chromium, url_of(plane)) as visitor:
        cut_a_film(visitor, folder)
        preview = visitor.page.get_by_role("button", name="True preview")
        expect(preview).to_be_enabled(timeout=PATIENCE_MS)
        wait_until(lambda: visitor.page.evaluate(KEPT, "Two colours"), "the draft")
        visitor.page.reload()
        expect(visitor.page.locator(".clip")).to_have_count(2)
        expect(visitor.page.get_by_label("Name of the film")).to_have_value("Two colours")
        preview.click(timeout=PATIENCE_MS)
        expect(visitor.page.get_by_label("True preview", exact=True).and_(visitor.page.locator("video"))).to_be_visible(
            timeout=PATIENCE_MS
        )
        visitor.page.get_by_role("button", name="Back to the desk").click()
        visitor.page.get_by_role("button", name="Play", exact=True).click()
        expect(visitor.page.get_by_role("button", name="Pause")).to_be_visible()
        expect(visitor.page.locator(".transport .timecode").first).to_have_text("0:03.5", timeout=PATIENCE_MS)
        visitor.check()


def test_a_job_is_made_by_its_form_canceled_and_edited(chromium: Browser, plane: RealPlane, folder: Path) -> None:
    picture = folder / "still.png"
    with visiting(chromium, url_of(plane)) as visitor:
        page = visitor.page
        visitor.open("new/IMG2VID")
        expect(page.get_by_role("button", name="Submit")).to_be_disabled()
        page.locator("#field-image_url").set_input_files(picture)
        page.get_by_role("button", name="Slow push in").click()
        page.get_by_label("Duration, seconds", exact=True).fill("70")
        expect(page.get_by_role("alert")).to_contain_text("less than or equal to 60")
        page.get_by_label("Duration, seconds", exact=True).fill("60")
        page.get_by_label("1440p").check()
        page.get_by_label("Name (optional)").fill("Never to be seen")
        expect(page.locator(".estimate dd").last).to_have_text("free")
        page.get_by_role("button", name="Submit").click()
        job_id = visitor.job_id()
        visitor.status("Running")
        page.get_by_role("button", name="Copy as curl").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert "curl -X POST" in copied
        assert '"motion":"zoom_in"' in copied
        page.get_by_role("button", name="Cancel").click()
        visitor.status("Canceled")
        assert plane.get(job_id)["status"] == "CANCELED"
        visitor.check()
        page.get_by_role("link", name="Duplicate and edit").click()
        expect(page.get_by_label("Duration, seconds", exact=True)).to_have_value("60")
        page.get_by_label("Duration, seconds", exact=True).fill("1")
        page.get_by_label("360p").check()
        page.get_by_role("button", name="Submit").click()
        visitor.status("Done")
        made = visitor.job_id()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Delete with its outputs").click()
        expect(page.locator(f'.job-row[href$="{job_id}"]')).to_be_visible()
        expect(page.locator(f'.job-row[href$="{made}"]')).to_have_count(0)


def test_a_whole_film_is_pasted_as_json(chromium: Browser, plane: RealPlane, folder: Path) -> None:
    film = {
        "clips": [{"url": upload(plane, folder / "still.png"), "end": 1}],
        "captions": [{"text": "Pasted", "start": 0, "end": 1}],
    }
    with visiting(chromium, url_of(plane)) as visitor:
        visitor.open("new/EXPORT")
        visitor.page.get_by_label("Clips").fill(json.dumps(film))
        visitor.page.get_by_text("More options").click()
        expect(visitor.page.get_by_label("Captions (optional)")).to_have_value(re.compile("Pasted"))
        expect(visitor.page.locator(".estimate")).to_contain_text("It runs on this machine")
        visitor.check()


def test_a_job_that_must_wait_for_money_says_so_and_goes_on_by_itself(
    chromium: Browser, folder: Path, tmp_path: Path
) -> None:
    with (
        real_plane(tmp_path / "data", GPU_USD_PER_SECOND="0.001", BUDGET_DAILY_USD="4", LOCAL_WORKERS="2") as plane,
        visiting(chromium, url_of(plane), "phone", "light") as visitor,
    ):
        page = visitor.page
        running = plane.submit("IMG2VID", image_url=upload(plane, folder / "still.png"), **SLOW)
        plane.until(running, "RUNNING")
        visitor.open("new/TTS")
        page.get_by_label("Text", exact=True).fill("Money, money, money")
        expect(page.locator(".estimate")).to_contain_text("which is reserved while it runs")
        page.get_by_role("button", name="Submit").click()
        held = visitor.job_id()
        expect(page.locator(".stage-words")).to_contain_text("Held by the daily budget", timeout=PATIENCE_MS)
        visitor.check()
        page.get_by_role("link", name="See Spend").click()
        expect(page.get_by_text("One job waits for money. It starts by itself")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_role("region", name="Today")).to_contain_text("of $4")
        visitor.check()
        visitor.open(f"jobs/{running}")
        page.get_by_role("button", name="Cancel").click()
        visitor.open(f"jobs/{held}")
        visitor.status("Done")


@pytest.fixture(scope="module")
def ended(plane: RealPlane) -> tuple[str, str]:
    """A job that is done and one that has failed."""
    done = plane.submit("TTS", text="Found by nobody")
    failed = plane.submit("LIPSYNC", video_url=f"job:{done}", audio_url=f"job:{done}")
    plane.until(done, "SUCCEEDED")
    plane.until(failed, "FAILED")
    return done, failed


@pytest.mark.parametrize("size", ["desk", "phone"])
def test_no_page_has_a_finding_in_either_theme(
    chromium: Browser, plane: RealPlane, ended: tuple[str, str], size: str
) -> None:
    done, failed = ended
    with visiting(chromium, url_of(plane), size) as visitor:
        pages = {**PAGES, f"jobs/{done}": ".outputs", f"jobs/{failed}": ".failed"}
        for address, sign in pages.items():
            visitor.open(address)
            expect(visitor.page.locator(sign).first).to_be_visible(timeout=PATIENCE_MS)
            for theme in THEMES:
                visitor.turn(theme)
                visitor.check()
            assert visitor.shift() < 0.1, address
