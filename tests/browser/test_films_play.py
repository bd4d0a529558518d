"""A film of copied and encoded pieces in a real browser: it plays to its end, and every seek is exact."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.timeline.runner.render import render
from gpu_worker.timeline.sources import planned
from shared.timeline import Timeline
from tests.browser.chromium import PROGRAM, opened, served

pytestmark = [pytest.mark.browser, pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here")]

FPS, WIDTH, HEIGHT, STEP = 30, 320, 180, 8
CUTS = (("one.mp4", 1.37, 5.37), ("two.mp4", 2.71, 6.71))
Pixels = NDArray[np.int64]
SCRIPT = """
(async () => {
  const video = document.createElement("video");
  const next = (name) => new Promise((done, fail) => {
    video.addEventListener(name, done, {once: true});
    video.addEventListener("error", () => fail(new Error(video.error.message)), {once: true});
  });
  const ready = next("loadeddata");
  video.muted = true;
  video.src = "film.mp4";
  await ready;
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const seek = async (seconds) => {
    const seeked = next("seeked");
    video.currentTime = seconds;
    await seeked;
  };
  const pictures = [];
  for (const frame of FRAMES) {
    await seek((frame + 0.5) / FPS);
    context.drawImage(video, 0, 0);
    const {data, width, height} = context.getImageData(0, 0, canvas.width, canvas.height);
    const picture = [];
    for (let y = 0; y < height; y += STEP)
      for (let x = 0; x < width; x += STEP)
        picture.push(...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3));
    pictures.push(picture);
  }
  await seek(0);
  const ended = next("ended");
  video.playbackRate = 2;
  await video.play();
  await ended;
  const {corruptedVideoFrames} = video.getVideoPlaybackQuality();
  return {pictures, corruptedVideoFrames, duration: video.duration, at: video.currentTime, error: video.error};
})()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources, and the page."""
    made = tmp_path_factory.mktemp("film")
    colours = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    for n, (name, _, _) in enumerate(CUTS):
        picture = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={FPS}:duration=8"
        arguments = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=duration=8"]
        arguments += ["-vf", f"hue=h={120 * n},scale=out_color_matrix=bt709,{colours}", "-c:v", "libx264"]
        arguments += ["-preset", ("medium", "fast")[n], "-g", "30", "-crf", "12", "-pix_fmt", "yuv420p", name]
        run_ffmpeg(arguments, duration=8, folder=made)
    (made / "page.html").write_text("<!doctype html><title>film</title>")
    return made


async def test_a_smart_cut_plays_in_chromium_and_seeks_to_the_frame(folder: Path, tmp_path: Path) -> None:
    clips = [{"url": f"storage://uploads/{name}", "start": start, "end": end} for name, start, end in CUTS]
    output = {"width": WIDTH, "height": HEIGHT, "fps": FPS}
    timeline = Timeline.model_validate({"clips": clips, "output": output})
    film = planned(timeline, lambda url: folder / url.rpartition("/")[2], folder, lambda *_: None)
    made = render(film, folder, lambda *_: None)
    assert made.engine["copied_frames"] >= 150
    # The seams lie within a second of each cut; frames before, at and behind all of them.
    frames = [0, 1, 18, 19, 20, 48, 49, 60, 108, 109, 110, 118, 119, 120, 121, 128, 129, 130, 200, 218, 219, 220, 239]
    script = SCRIPT.replace("FRAMES", json.dumps(frames)).replace("FPS", str(FPS)).replace("STEP", str(STEP))
    async with served(folder) as url, opened(f"{url}/page.html", tmp_path / "profile") as page:
        seen = await page.evaluate(script)
    assert seen["error"] is None
    assert seen["corruptedVideoFrames"] == 0
    assert seen["duration"] == pytest.approx(8.0, abs=0.03)
    assert seen["at"] == pytest.approx(seen["duration"], abs=0.01)
    planned_pictures = pictures(folder)
    for frame, picture in zip(frames, seen["pictures"], strict=True):
        shown = np.array(picture).reshape(-1, 3)
        errors = {n: float(abs(shown - planned_pictures[n]).mean()) for n in near(frame)}
        assert min(errors, key=errors.__getitem__) == frame, errors
        assert errors[frame] < 6, "the colours too are those of the source"


def pictures(folder: Path) -> list[Pixels]:
    """What the film is planned to show, from its sources."""
    planned_pictures: list[Pixels] = []
    for name, start, _ in CUTS:
        with av.open(str(folder / name)) as file:
            whole = [frame.to_ndarray(format="rgb24")[::STEP, ::STEP].reshape(-1, 3) for frame in file.decode(video=0)]
        first = int(start * FPS)
        planned_pictures += [one.astype(np.int64) for one in whole[first : first + 120]]
    return planned_pictures


def near(frame: int) -> range:
    """The frame and its neighbours in the film."""
    return range(max(0, frame - 2), min(240, frame + 3))
