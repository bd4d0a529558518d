"""Pictures of the console, made by using it: `python tools/console_screenshots.py`, or `--all FOLDER` for every page.

Starts a control plane with its built-in endpoint, has real films made from `examples/photos`, and looks at the pages in
a headless Chromium, in both themes and at the size of a phone. `--data FOLDER` keeps the jobs for the next time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any, Literal

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE / "examples"))

from ambience import write_ambience  # noqa: E402 - the demo's own helpers
from client import Client  # noqa: E402
from server import serving  # noqa: E402

FLAGS = ["--no-sandbox", "--disable-gpu", "--mute-audio", "--hide-scrollbars", "--font-render-hinting=none"]
SCENES = (("rocket", "zoom_in"), ("hubble-deep-field", "pan_right"), ("astronaut", "zoom_out"), ("coffee", "zoom_in"))
LINES = (
    "Ignition.",
    "Ten thousand galaxies in one grain of sky.",
    "And one of us, on her way.",
    "Back in time for coffee.",
)
QUALITY = 84
Theme = Literal["dark", "light"]


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    theme: Theme
    width: int
    height: int
    scale: int = 1

    @property
    def name(self) -> str:
        """For the file."""
        return f"{self.theme}-phone" if self.width < 600 else self.theme


LOOKS = (Look("dark", 1440, 900), Look("light", 1440, 900), Look("dark", 390, 844, 2), Look("light", 390, 844, 2))


class Studio:
    """A plane with jobs of every kind of fate."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder
        self._client = Client(url)
        self._http = httpx.Client(base_url=url, trust_env=False)
        names = {job["labels"].get("name"): job["job_id"] for job in self._http.get("/jobs?limit=200").json()}
        if "Liftoff" not in names:
            self._fill()
            names = {job["labels"].get("name"): job["job_id"] for job in self._http.get("/jobs?limit=200").json()}
        self.film, self.failed = names["Liftoff"], names["The astronaut speaks"]

    def busy(self) -> str:
        """A job that runs while the pictures are taken, and one behind it."""
        photo = self._client.upload(HERE / "examples/photos/coffee.jpg")
        slow = {"image_url": photo, "duration": 60, "resolution": "1440p", "motion": "zoom_in", "fps": 60}
        running = self._submit("IMG2VID", slow, "Steam over the cup")
        self._submit("TTS", {"text": "Take two: back in time for coffee.", "voice_preset": "calm"}, "Take two")
        while self._job(running)["progress"] < 12:
            time.sleep(0.1)
        return running

    def rest(self) -> None:
        """Nothing runs any more."""
        for job in self._http.get("/jobs?limit=20").json():
            if job["status"] in ("QUEUED", "RUNNING"):
                self._http.post(f"/jobs/{job['job_id']}/cancel")

    def _fill(self) -> None:
        shots = [self._shot(name, motion) for name, motion in SCENES]
        bed = self._folder / "ambience.wav"
        write_ambience(bed, 20)
        voice = self._submit("TTS", {"text": " ".join(LINES), "voice_preset": "narrator"}, "Narration")
        mouth = {"video_url": f"job:{shots[2]}", "audio_url": f"job:{voice}"}
        failed = self._submit("LIPSYNC", mouth, "The astronaut speaks")
        film = self._submit("EXPORT", self._film(shots, self._client.upload(bed)), "Liftoff")
        for job_id in (film, failed):
            self._ended(job_id)

    def _shot(self, name: str, motion: str) -> str:
        photo = self._client.upload(HERE / f"examples/photos/{name}.jpg")
        params = {"image_url": photo, "duration": 4, "resolution": "720p", "motion": motion, "fps": 30}
        return self._submit("IMG2VID", params, name.replace("-", " ").capitalize())

    def _film(self, shots: list[str], bed: str) -> dict[str, Any]:
        joint = {"type": "crossfade", "duration": 0.6}
        clips = [{"url": f"job:{shot}", "start": 0, "end": 4, "transition": joint} for shot in shots]
        captions = [{"text": line, "start": 3.4 * n + 0.4, "end": 3.4 * n + 3} for n, line in enumerate(LINES)]
        return {"clips": clips, "captions": captions, "music": {"url": bed}, "output": {"poster": 5}}

    def _submit(self, kind: str, params: dict[str, Any], name: str) -> str:
        answer = self._http.post("/jobs", json={"type": kind, "params": params, "labels": {"name": name}})
        return str(answer.raise_for_status().json()["job_id"])

    def _job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self._http.get(f"/jobs/{job_id}").json()
        return job

    def _ended(self, job_id: str) -> None:
        while self._job(job_id)["finished_at"] is None:
            time.sleep(0.2)


class Photographer:
    """Opens pages and takes their pictures."""

    def __init__(self, browser: Browser, studio: Studio, folder: Path) -> None:
        self._browser = browser
        self._studio = studio
        self._folder = folder

    def every_page(self, running: str) -> None:
        """All of it, in every look."""
        pages = {
            "jobs": "jobs", "running": f"jobs/{running}", "film": f"jobs/{self._studio.film}",
            "failed": f"jobs/{self._studio.failed}", "new": "new", "render": "new/RENDER", "img2vid": "new/IMG2VID",
            "timeline": f"timeline?from={self._studio.film}", "gallery": "gallery", "spend": "spend",
            "endpoint": "endpoint", "models": "models", "twins": "twins", "more": "more", "empty-timeline": "timeline",
        }  # fmt: skip
        for look in LOOKS:
            for name, address in pages.items():
                self.picture(name, address, look)

    def picture(self, name: str, address: str, look: Look) -> None:
        """One page, when it has come to rest."""
        context = self._browser.new_context(
            viewport={"width": look.width, "height": look.height},
            color_scheme=look.theme,
            device_scale_factor=look.scale,
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.goto(f"{self._studio.url}/console/#/{address}")
        expect(page.locator("main h1").first).to_be_attached()
        if address.startswith("timeline?"):
            _arrange(page)
        page.wait_for_timeout(900)
        path = self._folder / f"console-{name}-{look.name}.jpg"
        page.screenshot(path=path, type="jpeg", quality=QUALITY)
        context.close()


def _arrange(page: Page) -> None:
    """The second clip chosen, the playhead in it."""
    page.locator(".clip").nth(1).click()
    expect(page.locator(".clip-spot:last-child .frames img").first).to_be_attached(timeout=60_000)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page in every look, into this folder")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the jobs are kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh, sync_playwright() as playwright:
        data = arguments.data or Path(fresh)
        data.mkdir(parents=True, exist_ok=True)
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=FLAGS)
        with serving(data) as url:
            studio = Studio(url, data)
            running = studio.busy()
            if arguments.all:
                arguments.all.mkdir(parents=True, exist_ok=True)
                Photographer(browser, studio, arguments.all).every_page(running)
            else:
                for_readme(Photographer(browser, studio, HERE / "docs"), studio)
            studio.rest()
        browser.close()


def for_readme(photographer: Photographer, studio: Studio) -> None:
    """The few that README shows."""
    dark, light, phone = LOOKS[0], LOOKS[1], LOOKS[2]
    photographer.picture("timeline", f"timeline?from={studio.film}", dark)
    photographer.picture("jobs", "jobs", light)
    photographer.picture("film", f"jobs/{studio.film}", dark)
    photographer.picture("jobs", "jobs", phone)


if __name__ == "__main__":
    main()
