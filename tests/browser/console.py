"""The console in a real Chromium, as a person uses it; what the browser complains of is kept."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect

from gpu_worker.media.ffmpeg import run_ffmpeg
from tests.acceptance.real_plane import RealPlane
from tests.browser.chromium import PROGRAM

FLAGS = ["--no-sandbox", "--disable-gpu", "--mute-audio", "--autoplay-policy=no-user-gesture-required"]
DESK, PHONE = (1280, 800), (390, 844)
SIZES = {"desk": DESK, "phone": PHONE}
PATIENCE_MS = 60_000
Theme = Literal["dark", "light"]
WATCH = """
window.seen = {violations: [], shift: 0};
document.addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) => {
  window.seen.violations.push(`${violatedDirective} ${blockedURI}`);
});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.seen.shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""


@dataclass
class Visitor:
    """One tab, and everything that went wrong in it."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str = "jobs") -> None:
        """A page of the console by its address."""
        self.page.goto(f"{self.url}/console/#/{address}")
        expect(self.page.locator("h1").first).to_be_attached(timeout=PATIENCE_MS)

    def status(self, words: str) -> None:
        """Wait for the job that is shown to be so."""
        expect(self.page.locator("main .state").first).to_contain_text(words, timeout=PATIENCE_MS)

    def job_id(self) -> str:
        """The job that is shown."""
        expect(self.page).to_have_url(re.compile("#/jobs/"), timeout=PATIENCE_MS)
        return self.page.url.rpartition("/")[2]

    def turn(self, theme: Theme) -> None:
        """Wait for the page to have the colours of this theme."""
        self.page.emulate_media(color_scheme=theme)
        self.page.evaluate("Promise.all(document.getAnimations().map(({finished}) => finished.catch(() => {})))")

    def violations(self) -> list[str]:
        """What the content security policy has refused on this page."""
        found: list[str] = self.page.evaluate("window.seen.violations")
        return found

    def shift(self) -> float:
        """How far things have jumped (Cumulative Layout Shift)."""
        found: float = self.page.evaluate("window.seen.shift")
        return found

    def check(self) -> None:
        """No finding of axe, nothing refused by the policy, no error, nothing wider than the window."""
        found = [*axe_findings(self.page), *self.violations(), *self.complaints]
        if self.page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
            found.append("the page is wider than its window")
        assert not found, "\n".join([self.page.url, *found])


def axe_findings(page: Page) -> list[str]:
    """What axe-core finds wrong, one line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations)")
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]


@contextlib.contextmanager
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium."""
    running = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
    yield running
    running.close()


@contextlib.contextmanager
def visiting(browser: Browser, url: str, size: str = "desk", theme: Theme = "dark") -> Iterator[Visitor]:
    """A person with a window of this size."""
    width, height = SIZES[size]
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        has_touch=size == "phone",
        reduced_motion="reduce",
        bypass_csp=False,
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.add_init_script(WATCH)
    visitor = Visitor(context.new_page(), url)
    visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    visitor.page.on(
        "console", lambda message: visitor.complaints.append(message.text) if is_complaint(message) else None
    )
    yield visitor
    context.close()


def is_complaint(message: ConsoleMessage) -> bool:
    """An error; that a request was refused is for the page to say."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


def url_of(plane: RealPlane) -> str:
    """Where the server is, without a slash at its end."""
    return str(plane.client.base_url).rstrip("/")


def upload(plane: RealPlane, path: Path) -> str:
    """The address of a picture in the store."""
    wish = {"filename": path.name, "content_type": "image/png", "bytes": path.stat().st_size}
    slot = plane.client.post("/uploads", json=wish).json()
    plane.client.put(slot["upload_url"], headers=slot["headers"], content=path.read_bytes()).raise_for_status()
    return str(slot["url"])


def make_clip(path: Path, seconds: float, *, hue: int = 0) -> Path:
    """A small film with sound."""
    source = f"testsrc2=size=320x180:rate=30:duration={seconds},hue=h={hue}"
    arguments = ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", f"sine=frequency={300 + hue}:duration={seconds}"]
    arguments += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-shortest", path.name]
    run_ffmpeg(arguments, duration=seconds, folder=path.parent)
    return path


def make_picture(path: Path) -> Path:
    """A still."""
    run_ffmpeg(
        ["-f", "lavfi", "-i", "testsrc2=size=640x360:duration=1", "-frames:v", "1", path.name],
        duration=1,
        folder=path.parent,
    )
    return path
