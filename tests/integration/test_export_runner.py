"""The runner with a real ffmpeg: every format made and measured, smart cuts exact to the frame, parts taken over."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.context import Checkpoints
from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.probe import probe
from gpu_worker.timeline.film import Film
from gpu_worker.timeline.pictures import chunks
from gpu_worker.timeline.runner import hardware, keep, render, space
from gpu_worker.timeline.runner import picture as runner_picture
from gpu_worker.timeline.runner.render import Rendered
from gpu_worker.timeline.runner.smart_cut import copies
from gpu_worker.timeline.sources import planned
from shared.errors import EngineFailed
from shared.timeline import Timeline

WIDTH, HEIGHT, FPS = 192, 108, 30
SIZE = {"width": WIDTH, "height": HEIGHT}
LUMA = "[0:v]setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "12", "-bf", "3", "-pix_fmt", "yuv420p"]
Pixels = NDArray[np.int64]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds in which every frame looks different, coded in the ways that cutting by packets trips over."""
    folder = tmp_path_factory.mktemp("media")

    def source(name: str, *options: str, rate: str = "30", hue: int = 0) -> None:
        picture = f"testsrc2=size={WIDTH}x{HEIGHT}:rate={rate}:duration=8"
        sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=8", "-c:a", "aac"]
        graph = ["-filter_complex", f"{LUMA},hue=h={hue}[v]", "-map", "[v]", "-map", "1:a"]
        run_ffmpeg(["-f", "lavfi", "-i", picture, *sound, *graph, *X264, *options, name], duration=8, folder=folder)

    source("one.mp4", "-g", "30")
    source("two.mp4", "-g", "30", hue=120)
    source("open.mp4", "-g", "30", "-x264-params", "open-gop=1:scenecut=0")
    source("rare.mp4", "-g", "250", "-keyint_min", "250", "-sc_threshold", "0")
    source("ntsc.mp4", "-g", "30", rate="30000/1001")
    source("small.mp4", "-g", "30", "-s", "96x54")

    def copy(name: str, *options: str, of: str = "one.mp4", first: tuple[str, ...] = ()) -> None:
        run_ffmpeg([*first, "-i", of, "-c", "copy", *options, name], duration=8, folder=folder)

    copy("one.mkv")
    copy("late.mp4", "-output_ts_offset", "5")
    copy("late.mkv", "-output_ts_offset", "5")
    copy("edited.mp4", first=("-ss", "2.5"))
    copy("negative.mp4", "-movflags", "negative_cts_offsets")
    copy("fragments.mp4", "-movflags", "frag_keyframe+empty_moov")
    Image.new("RGB", (64, 64), (255, 255, 255)).save(folder / "logo.png")
    return folder


Make = Callable[..., tuple[Film, Rendered]]
Reports = list[tuple[str, int]]


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
def make(media: Path, tmp_path: Path, reports: Reports) -> Make:
    def film_of(
        *clips: dict[str, Any], checkpoints: Checkpoints | None = None, folder: str = "job", **rest: Any
    ) -> tuple[Film, Rendered]:
        written = {"clips": [_referenced(clip) for clip in clips], **rest}
        written["output"] = SIZE | written.get("output", {})
        timeline = Timeline.model_validate(written)
        work = tmp_path / folder
        work.mkdir()

        def report(stage: str, progress: int, message: str = "") -> None:
            reports.append((stage, progress))

        film = planned(timeline, lambda url: media / url.rpartition("/")[2], work, report)
        return film, render.render(film, work, report, checkpoints)

    return film_of


def _referenced(part: dict[str, Any]) -> dict[str, Any]:
    return part | {"url": f"storage://uploads/{part['url']}"}


def cut(name: str, start: float, end: float, **rest: Any) -> dict[str, Any]:
    return {"url": name, "start": start, "end": end, **rest}


def luma(path: Path) -> Pixels:
    """The luma of every frame, a quarter of the size."""
    with av.open(str(path)) as file:
        shown = [frame.to_ndarray(format="gray") for frame in file.decode(video=0)]
    return np.stack(shown)[:, ::2, ::2].astype(np.int64)


def nearest(still: Image.Image, frames: Pixels) -> int:
    """The number of the frame that the still is of."""
    shown = np.asarray(still.convert("L")).astype(np.int64)[::2, ::2]
    return int(abs(frames - shown).mean(axis=(1, 2)).argmin())


def shows(film: Pixels, at: int, source: Pixels, numbers: range) -> bool:
    """Whether the film's frames from `at` on are these of the source and not their neighbours."""
    for k, n in enumerate(numbers):
        near = range(max(0, n - 1), min(len(source), n + 2))
        best = min(near, key=lambda other: float(abs(film[at + k] - source[other]).mean()))
        if best != n or abs(film[at + k] - source[n]).mean() > 3:
            return False
    return True


@pytest.mark.parametrize(
    ("output", "codec", "sound"),
    [
        ({"format": "mp4"}, "h264", "aac"),
        ({"format": "mp4", "codec": "h265"}, "hevc", "aac"),
        ({"format": "webm"}, "vp9", "opus"),
        ({"format": "webm", "codec": "av1"}, "av1", "opus"),
        ({"format": "mov"}, "prores", "pcm_s16le"),
        ({"format": "mp4", "video_bitrate": 300}, "h264", "aac"),
        ({"format": "gif"}, "gif", None),
        ({"format": "mp3"}, None, "mp3"),
        ({"format": "wav"}, None, "pcm_s16le"),
    ],
)
def test_each_format_is_what_it_says(make: Make, output: dict[str, Any], codec: str | None, sound: str | None) -> None:
    _, made = make(cut("one.mp4", 0.5, 1.5), cut("small.mp4", 0, 0.5), output=output)
    path = made.files[0].path
    found = probe(path)
    assert (found.video_codec, found.audio_codec) == (codec, sound)
    assert found.duration == pytest.approx(1.5, abs=0.1)
    if codec:
        assert (found.width, found.height) == (WIDTH, HEIGHT)
        assert len(luma(path)) == (45 if codec != "gif" else 38), "a gif has at most 25 frames a second"


def test_several_files_come_from_one_composition(make: Make) -> None:
    also = [{"format": "webm", "resolution": "240p"}, {"format": "mp4", "codec": "h265"}, {"format": "mp3"}]
    also.append({"format": "gif"})
    film, made = make(cut("one.mp4", 0, 1), output={"also": also})
    assert [file.path.name for file in made.files] == [
        "film.mp4",
        "film-2.webm",
        "film-3.mp4",
        "film-4.mp3",
        "film-5.gif",
    ]
    assert [file.kind for file in made.files] == ["video", "video", "video", "audio", "video"]
    assert made.files[1].height == HEIGHT, "a rendition is never larger than the film"
    assert made.engine["encoders"] == ["libx264", "libvpx-vp9", "libx265"]
    assert film.frames == 30


def test_marks_subtitles_and_pictures_from_the_film(make: Make) -> None:
    _, made = make(
        cut("one.mp4", 0, 3),
        captions=[{"text": "Hello", "start": 0.5, "end": 1}, {"text": "again", "start": 2, "end": 3}],
        metadata={"title": "A; 'title' = x", "author": "Me"},
        output={"captions": "soft", "subtitles": ["srt", "vtt"], "poster": 2.99, "thumbnails": 2, "sprite": True},
    )
    files = {file.path.name: file for file in made.files}
    with av.open(str(files["film.mp4"].path)) as film:
        assert film.metadata["title"] == "A; 'title' = x"
        assert film.metadata["artist"] == "Me"
        assert film.metadata["comment"] == "Made with AI"
        assert film.streams.subtitles[0].codec_context.name == "mov_text"
        lines = [bytes(packet)[2:] for packet in film.demux(subtitles=0) if packet.size > 2]
    assert lines == [b"Hello", b"again"]
    assert "00:00:00,500 --> 00:00:01,000\nHello" in files["film.srt"].path.read_text()
    assert files["film.vtt"].path.read_text().startswith("WEBVTT")
    frames = luma(files["film.mp4"].path)
    for name, number in (("poster.jpg", 89), ("thumbnail-01.jpg", 22), ("thumbnail-02.jpg", 67)):
        with Image.open(files[name].path) as still:
            assert still.size == (WIDTH, HEIGHT)
            assert nearest(still, frames) == number, name
    with Image.open(files["sprite.jpg"].path) as sprite:
        assert sprite.size == (1600, 90), "three tiles in a row of ten"
    assert files["sprite.vtt"].path.read_text().count("sprite.jpg#xywh=") == 3


@pytest.mark.parametrize(("format", "codec"), [("mp4", "h264"), ("mp4", "h265"), ("webm", "vp9"), ("gif", None)])
def test_pictures_are_of_their_moments_whatever_the_film_is_made_of(make: Make, format: str, codec: str | None) -> None:
    kept = {"format": "mp4"} if format == "gif" else {"format": "gif"}
    output = {"smart_cut": "off", "poster": 0.5, "thumbnails": 3, "also": [kept]}
    _, made = make(cut("one.mp4", 0, 2), output={"format": format, "codec": codec, **output})
    files = {file.path.name: file.path for file in made.files}
    frames = luma(next(path for path in files.values() if path.suffix == ("." + format).replace("gif", "mp4")))
    for name, number in (("poster", 15), ("thumbnail-01", 10), ("thumbnail-02", 30), ("thumbnail-03", 50)):
        with Image.open(files[f"{name}.jpg"]) as still:
            assert nearest(still, frames) == number, name


def test_a_film_of_one_frame_has_pictures_too(make: Make) -> None:
    _, made = make(cut("one.mp4", 1, 1 + 1 / FPS), output={"poster": 0, "thumbnails": 2, "sprite": True})
    assert {"poster.jpg", "thumbnail-02.jpg", "sprite.jpg"} <= {file.path.name for file in made.files}


@pytest.mark.parametrize(
    ("name", "first"),
    # The sound of late.mp4 begins 23 ms before its picture.
    [("one.mp4", 41), ("one.mkv", 41), ("late.mp4", 40), ("late.mkv", 41), ("negative.mp4", 41)],
)
def test_a_smart_cut_shows_the_same_frames_as_the_whole(make: Make, media: Path, name: str, first: int) -> None:
    clips = [cut(name, 1.37, 5.37), cut("two.mp4", 2.71, 6.71)]
    film, made = make(*clips)
    source, other, shown = luma(media / name), luma(media / "two.mp4"), luma(made.files[0].path)
    assert made.engine.get("copied_frames", 0) >= 120, "at least two seconds of each"
    assert len(shown) == film.frames == 240
    assert shows(shown, 0, source, range(first, first + 120))
    assert shows(shown, 120, other, range(81, 201))


def test_what_cannot_be_copied_is_encoded_and_as_exact(make: Make, media: Path) -> None:
    """Key pictures too far apart or without a fresh start (open GOPs), another rate."""
    for n, name in enumerate(("rare.mp4", "open.mp4", "ntsc.mp4")):
        film, made = make(cut(name, 1.37, 4.37), folder=f"job{n}")
        assert "copied_frames" not in made.engine, name
        shown = luma(made.files[0].path)
        assert len(shown) == film.frames == 90
        source = luma(media / name)
        assert shows(shown, 0, source, range(41, 71)), name


@pytest.mark.parametrize("name", ["edited.mp4", "fragments.mp4"])
def test_edit_lists_and_fragments_show_what_players_show(make: Make, media: Path, name: str) -> None:
    whole = make(cut(name, 0.37, 3.37), output={"smart_cut": "off"}, folder="whole")[1]
    smart = make(cut(name, 0.37, 3.37), folder="smart")[1]
    one, other = luma(whole.files[0].path), luma(smart.files[0].path)
    assert len(one) == len(other) == 90
    assert abs(one - other).mean(axis=(1, 2)).max() < 3


def test_a_smart_cut_goes_around_captions_overlays_and_transitions(make: Make, media: Path) -> None:
    film, made = make(
        cut("one.mp4", 0, 7, transition={"duration": 1}),
        cut("two.mp4", 0, 7),
        captions=[{"text": "MMMM", "start": 3, "end": 4, "style": "bold"}],
        overlays=[_referenced({"url": "logo.png", "start": 9, "end": 10})],
    )
    copied = [(copy.first, copy.end) for copy in copies(film)]
    assert made.engine["copied_frames"] == sum(end - first for first, end in copied)
    for first, end in ((90, 120), (180, 210), (270, 300)):
        assert not any(a < end and first < b for a, b in copied), "what is touched is not copied"
    shown, source, other = luma(made.files[0].path), luma(media / "one.mp4"), luma(media / "two.mp4")
    assert len(shown) == 390
    assert shows(shown, 0, source, range(90))
    assert shows(shown, 120, source, range(120, 180))
    assert shows(shown, 210, other, range(30, 90))
    assert shows(shown, 300, other, range(120, 210))
    for touched in (105, 195, 285):
        assert abs(shown[touched] - source[min(touched, 209)]).mean() > 1, "words, mixture and logo are really there"


def test_smart_cut_can_be_turned_off(make: Make) -> None:
    _, made = make(cut("one.mp4", 0, 4), output={"smart_cut": "off"})
    assert "copied_frames" not in made.engine


def test_a_copy_that_does_not_stand_its_check_is_made_anew(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu_worker.timeline.runner.smart_cut.decodes_across", lambda *_: False)
    film, made = make(cut("one.mp4", 0.5, 4.5))
    assert "copied_frames" not in made.engine
    assert len(luma(made.files[0].path)) == film.frames == 120


def test_progress_never_goes_back(make: Make, reports: Reports) -> None:
    make(cut("one.mp4", 0, 3), cut("small.mp4", 0, 3), output={"also": [{"format": "gif"}]})
    progress = [share for stage, share in reports if stage != "probing"]
    assert progress == sorted(progress)
    assert 90 <= progress[-1] <= 100


def test_the_result_says_who_encoded_and_a_card_that_fails_is_done_without(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, made = make(cut("small.mp4", 0, 1), folder="plain", output={"hardware": "off"})
    assert (made.engine["device"], made.engine["encoders"]) == ("cpu", ["libx264"])
    assert "notes" not in made.engine
    # Its trial succeeds and the work fails, as on any machine whose ffmpeg has NVENC and that has no card.
    monkeypatch.setattr(hardware, "_encodes", lambda encoder: True)
    monkeypatch.setattr(hardware, "_decodes", lambda codec: True)
    film, made = make(cut("small.mp4", 0, 1), folder="card")
    assert (made.engine["device"], made.engine["encoders"]) == ("cpu", ["libx264"])
    assert made.engine["notes"] == ["The graphics card failed at this film, so it was made without it."]
    assert len(luma(made.files[0].path)) == film.frames


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "chunks", lambda film: chunks(film, seconds=2))
    monkeypatch.setattr(keep, "WORTH_KEEPING_SECONDS", 0.0)


@pytest.mark.usefixtures("in_parts")
def test_parts_of_a_lost_worker_are_taken_over(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store"
    store.mkdir()
    kept = Checkpoints(store, lambda path, name: str(shutil.copy(path, store / name)) and None)
    clips = [cut("one.mp4", 0, 6, speed=1.5), cut("two.mp4", 0, 4, speed=2)]
    whole = luma(make(*clips, checkpoints=kept, folder="first")[1].files[0].path)
    parts = sorted(store.iterdir())
    assert len(parts) == 3
    parts[1].unlink()
    encoded: list[str] = []
    real = runner_picture.run_ffmpeg

    def noted(arguments: list[str], **rest: Any) -> None:
        encoded.append(arguments[-1])
        real(arguments, **rest)

    monkeypatch.setattr(runner_picture, "run_ffmpeg", noted)
    again = luma(make(*clips, checkpoints=kept, folder="second")[1].files[0].path)
    assert len(encoded) == 1
    assert np.array_equal(whole, again)


@pytest.mark.usefixtures("in_parts")
def test_no_part_of_what_lay_at_an_address_before_is_taken_over(make: Make, media: Path, tmp_path: Path) -> None:
    """Another film is put under the same name while the worker is lost."""
    store = tmp_path / "store"
    store.mkdir()
    kept = Checkpoints(store, lambda path, name: str(shutil.copy(path, store / name)) and None)

    def made(folder: str, **rest: Any) -> bytes:
        return make(cut("any.mp4", 0, 4, speed=2), folder=folder, **rest)[1].files[0].path.read_bytes()

    shutil.copy(media / "one.mp4", media / "any.mp4")
    before = made("first", checkpoints=kept)
    shutil.copy(media / "two.mp4", media / "any.mp4")
    assert made("second", checkpoints=kept) == made("anew") != before


@pytest.mark.usefixtures("in_parts")
def test_one_failing_part_stops_the_others(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    real = runner_picture.run_ffmpeg

    def failing(arguments: list[str], **rest: Any) -> None:
        begun.append(arguments[-1])
        real(["-i", "missing.mp4", *arguments] if len(begun) == 1 else arguments, **rest)

    monkeypatch.setattr(runner_picture, "run_ffmpeg", failing)
    monkeypatch.setattr(runner_picture, "crew", lambda *_: runner_picture.Crew(1, 1))
    with pytest.raises(EngineFailed, match="stopped with an error"):
        make(*[cut("small.mp4", 0, 6)] * 4)
    assert len(begun) <= 2, "of twelve"


def test_too_small_a_disk_is_said_before_the_work(
    make: Make, monkeypatch: pytest.MonkeyPatch, reports: Reports
) -> None:
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**8))
    with pytest.raises(EngineFailed, match=r"^The film may take 0\.\d GB .* disk has 0\.1") as refusal:
        make(cut("one.mp4", 0, 1))
    assert refusal.value.retryable
    assert {stage for stage, _ in reports} == {"probing"}


def test_a_preview_is_small_and_has_the_same_times(make: Make, media: Path) -> None:
    film, made = make(cut("one.mp4", 1, 3), cut("two.mp4", 1, 3), output={"profile": "preview"})
    assert (film.fps, film.frames) == (10, 40)
    shown, source = luma(made.files[0].path), luma(media / "two.mp4")
    assert len(shown) == 40
    nearest = min(range(len(source)), key=lambda n: float(abs(shown[30] - source[n]).mean()))
    assert abs(nearest - 60) <= 3, "pictures may be left out, so a neighbour may stand in"
