"""`stitch_timeline`: local files in, a film out, in one call."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.probe import probe
from gpu_worker.timeline.__main__ import main
from gpu_worker.timeline.stitch import stitch_timeline
from shared.errors import InvalidParams

SMALL = {"width": 96, "height": 64}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    run_ffmpeg(
        ["-f", "lavfi", "-i", "color=red:s=96x64:r=30:d=1", "-f", "lavfi", "-i", "sine=d=1", "-f", "mp4", "red.mp4"],
        duration=1,
        folder=tmp_path,
    )  # fmt: skip
    return tmp_path / "red.mp4"


def test_a_film_in_one_call(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    clips = [{"url": str(clip), "transition": {"duration": 0.2}}, {"url": clip, "end": 0.5}, {"url": "red.mp4"}]
    captions = [{"text": "Hello", "start": 0.1, "end": 0.5}]
    target = clip.with_name("my film.mp4")
    assert stitch_timeline(clips, captions, target, output={**SMALL, "subtitles": ["srt"], "poster": 0.2}) == target
    film = probe(target)
    assert (film.width, film.height, film.duration) == (96, 64, pytest.approx(2.3, abs=1 / 60))
    assert sorted(path.name for path in clip.parent.iterdir()) == [
        "my film.mp4", "my film.srt", "poster.jpg", "red.mp4",
    ]  # fmt: skip


def test_paths_may_be_relative(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    Image.new("RGB", (96, 64), "blue").save("still.png")
    made = stitch_timeline([{"url": "red.mp4"}, {"url": "still.png", "duration": 0.5}], [], "film.mp4", output=SMALL)
    assert made == clip.with_name("film.mp4")
    assert probe(made).duration == pytest.approx(1.5, abs=1 / 60)


def test_the_suffix_is_the_format(clip: Path) -> None:
    assert probe(stitch_timeline([{"url": clip}], [], clip.with_name("a.wav"), output=SMALL)).kind == "audio"


def test_what_is_wrong_is_said_and_leaves_nothing_behind(clip: Path) -> None:
    with pytest.raises(InvalidParams, match=r"^clips\[0\] ends at 2.00 s"):
        stitch_timeline([{"url": clip, "end": 2}], [], clip.with_name("a.mp4"))
    with pytest.raises(InvalidParams, match="paths of local files"):
        stitch_timeline([{"url": "https://a.example/v.mp4"}], [], clip.with_name("a.mp4"))
    with pytest.raises(ValidationError, match="at least one clip"):
        stitch_timeline([], [], clip.with_name("a.mp4"))
    assert [path.name for path in clip.parent.iterdir()] == ["red.mp4"]


def test_the_same_from_the_command_line(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = clip.with_name("film.json"), clip.with_name("film.webm")
    source.write_text(f'{{"clips": [{{"url": "{clip}", "end": 0.3}}], "output": {{"width": 96, "height": 64}}}}')
    assert main(["stitch", str(source), str(target)]) == 0
    assert probe(target).video_codec == "vp9"
    source.write_text(f'{{"clips": [{{"url": "{clip}", "end": 9}}]}}')
    assert main(["stitch", str(source), str(target)]) == 1
    assert capsys.readouterr().err.startswith("clips[0] ends at 9.00 s")
