"""The files behind a timeline: opened once each, as what they are, and named when they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.probe import probe
from gpu_worker.timeline import sources
from gpu_worker.timeline.film import Film
from gpu_worker.timeline.sources import planned
from shared.errors import InvalidParams, MediaRefused
from shared.timeline import Timeline
from tests.unit.planned import at, url

IDENTITY = "LUT_3D_SIZE 2\n" + "".join(f"{r} {g} {b}\n" for b in (0, 1) for g in (0, 1) for r in (0, 1))


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    run_ffmpeg(
        ["-f", "lavfi", "-i", "color=red:s=96x64:r=30:d=2", "-f", "lavfi", "-i", "sine=d=2", "-f", "mp4", "red.mp4"],
        duration=2,
        folder=folder,
    )  # fmt: skip
    logo = Image.new("RGBA", (40, 20), (0, 255, 0, 0))
    logo.paste((0, 255, 0, 128), (0, 0, 20, 20))
    logo.save(folder / "logo.png")
    sideways = Image.new("RGB", (60, 30), "blue")
    sideways.save(folder / "sideways.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0")
    Image.new("1", (10_001, 10_001)).save(folder / "huge.png")
    (folder / "look.cube").write_text(IDENTITY)
    (folder / "lines.srt").write_text("1\n00:00:00,500 --> 00:00:01,000\nHello\n")
    (folder / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    return folder


Make = Callable[..., Film]


@pytest.fixture
def make(media: Path, tmp_path: Path) -> Make:
    def film(*clips: dict[str, Any], **rest: Any) -> Film:
        timeline = Timeline.model_validate({"clips": clips, **rest})
        return planned(
            timeline, lambda address: media / address.rsplit("/", 1)[1], tmp_path, lambda *_args, **_more: None
        )

    return film


def test_a_still_is_upright_and_keeps_its_transparency(make: Make) -> None:
    film = make(at("sideways.jpg", duration=1), at("red.mp4"), overlays=[at("logo.png")])
    upright, logo = film.shots[0].source, film.layers[0].source
    assert upright is not None
    assert (upright.media.width, upright.media.height, upright.media.alpha) == (30, 60, False)
    assert (logo.media.width, logo.media.height, logo.media.alpha) == (40, 20, True)
    with Image.open(logo.path) as picture:
        assert picture.getpixel((5, 5)) == (0, 255, 0, 128)
        assert picture.getpixel((35, 5))[3] == 0  # type: ignore[index]
    assert probe(logo.path).kind == "image"
    assert film.frames == 90


def test_a_still_is_never_much_larger_than_a_frame(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_STILL_PIXELS", 450)
    [shot] = make(at("sideways.jpg", duration=1)).shots
    assert shot.source is not None
    assert (shot.source.media.width, shot.source.media.height) == (15, 30)
    with Image.open(shot.source.path) as picture:
        assert picture.size == (15, 30)


def test_each_file_is_opened_once(media: Path, tmp_path: Path) -> None:
    timeline = {"clips": [at("red.mp4")] * 3, "music": at("red.mp4"), "overlays": [at("red.mp4"), at("logo.png")]}
    opened: list[str] = []
    reports: list[tuple[str, str]] = []

    def find(address: str) -> Path:
        opened.append(address)
        return media / address.rsplit("/", 1)[1]

    def report(stage: str, progress: int, message: str = "") -> None:
        reports.append((stage, message))

    film = planned(Timeline.model_validate(timeline), find, tmp_path, report)
    assert opened == [url("red.mp4"), url("logo.png")]
    assert reports == [("probing", "opening clips[0]"), ("probing", "opening overlays[1]")]
    assert len({id(shot.source) for shot in film.shots}) == 1


def test_a_subtitle_file_and_a_lut_are_read(make: Make) -> None:
    film = make(at("red.mp4"), subtitle_file=at("lines.srt"), style={"lut_url": url("look.cube")}, caption_style="news")
    assert [(line.text, line.start, line.end, line.style) for line in film.captions] == [("Hello", 0.5, 1.0, "news")]
    assert film.lut is not None
    assert film.lut.read_text().startswith("LUT_3D_SIZE 2")


@pytest.mark.parametrize(
    ("clips", "rest", "error", "sentence"),
    [
        ([at("red.mp4"), at("playlist.mp4")], {}, MediaRefused, r"^clips\[1\]: This is not a video"),
        ([at("huge.png", end=1)], {}, MediaRefused, r"^clips\[0\]: This picture is too large"),
        ([at("red.mp4")], {"overlays": [at("playlist.mp4")]}, MediaRefused, r"^overlays\[0\]: This is not"),
        ([at("red.mp4")], {"music": at("lines.srt")}, MediaRefused, r"^music: This is not"),
        ([at("red.mp4")], {"style": {"lut_url": url("logo.png")}}, MediaRefused, r"^style.lut_url: "),
        ([at("red.mp4")], {"subtitle_file": at("logo.png")}, (MediaRefused, InvalidParams), r"^subtitle_file: "),
        ([at("red.mp4", end=3)], {}, InvalidParams, r"^clips\[0\] ends at 3.00 s, but its file is only 2.00 s long"),
    ],
)
def test_what_cannot_be_used_is_named(
    make: Make, tmp_path: Path, clips: list[dict[str, Any]], rest: dict[str, Any], error: Any, sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as refusal:
        make(*clips, **rest)
    assert str(tmp_path) not in str(refusal.value)
