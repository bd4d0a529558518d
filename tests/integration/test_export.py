"""EXPORT with real files and a real ffmpeg: what comes out is measured by PyAV, pixel by pixel and tone by tone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.context import JobContext, Produced
from gpu_worker.job_types import export
from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.probe import probe
from gpu_worker.timeline.pictures import chunks
from gpu_worker.timeline.runner import render
from shared.errors import EngineFailed, InvalidParams, MediaRefused
from shared.job_types import ExportParams

RATE = 48_000
SMALL = {"width": 160, "height": 90}
WIDE = {"width": 320, "height": 180}
HOSTILE = r"{\pos(20,20)}{\an7}up\Nhere' : % , ; [c0] \h $(x) 😀 שלום"
Pixels = NDArray[np.int64]


@dataclass
class Film:
    """A finished film, taken apart."""

    produced: Produced
    reports: list[tuple[str, int]]
    frames: list[Pixels] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        with av.open(str(self.path)) as file:
            for frame in file.decode(video=0):
                self.frames.append(frame.to_ndarray(format="rgb24").astype(np.int64))
                self.times.append(float(frame.time or 0))

    @property
    def path(self) -> Path:
        return self.produced.files[0].path

    def colour(self, frame: int, x: float = 0.5, y: float = 0.5) -> tuple[int, int, int]:
        height, width, _ = self.frames[frame].shape
        red, green, blue = self.frames[frame][int(y * (height - 1)), int(x * (width - 1))]
        return int(red), int(green), int(blue)

    def white(self, frame: int, top: float, bottom: float) -> int:
        rows = self.frames[frame][int(top * len(self.frames[frame])) : int(bottom * len(self.frames[frame]))]
        return int((rows.min(axis=2) > 200).sum())

    def sound(self) -> NDArray[np.float64]:
        """The left ear's samples."""
        with av.open(str(self.path)) as file:
            return np.concatenate([block.to_ndarray()[0] for block in file.decode(audio=0)]).astype(np.float64)


def loudness(sound: NDArray[np.float64], hertz: float, start: float, seconds: float = 0.3) -> float:
    """The amplitude of one tone in a stretch of sound (a single bin of the Fourier transform)."""
    part = sound[int(start * RATE) : int((start + seconds) * RATE)]
    return float(2 * abs(np.mean(part * np.exp(-2j * np.pi * hertz * np.arange(len(part)) / RATE))))


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")

    def colour(name: str, size: str = "160x90") -> list[str]:
        return ["-f", "lavfi", "-i", f"color={name}:size={size}:rate=30:duration=2"]

    def tone(hertz: int, volume: float, seconds: float = 2) -> list[str]:
        return ["-f", "lavfi", "-i", f"aevalsrc={volume}*sin({hertz}*2*PI*t):d={seconds}"]

    for arguments in (
        [*colour("red"), *tone(440, 0.2), "red.mp4"],
        [*colour("blue"), "blue.mp4"],
        [*colour("red", "90x160"), "tall.mp4"],
        [*colour("black"), "black.mp4"],
        [
            "-f",
            "lavfi",
            "-i",
            "color=black:size=64x64:rate=25:duration=4,drawbox=c=white:t=fill:enable=gte(t\\,2)",
            "late.mp4",
        ],
        [*tone(220, 0.5, 1.3), "music.mp3"],
        [*tone(1000, 0.4, 1), "voice.wav"],
    ):
        run_ffmpeg(arguments, duration=2, folder=folder)
    Image.new("RGB", (400, 300), (0, 200, 0)).save(folder / "green.jpg", quality=95)
    (folder / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    return folder


Make = Callable[..., Film]


def url(name: str) -> str:
    return f"storage://uploads/{name}"


@pytest.fixture
def make(media: Path, tmp_path: Path) -> Make:
    def make_film(*clips: dict[str, Any], **rest: Any) -> Film:
        timeline = {"clips": [{**clip, "url": url(clip["url"])} for clip in clips], "output": SMALL, **rest}
        reports: list[tuple[str, int]] = []
        workdir = tmp_path / "job"
        workdir.mkdir()
        context = JobContext(
            workdir=workdir,
            inputs={url(file.name): file for file in media.iterdir()},
            report=lambda stage, progress, message="": reports.append((stage, progress)),
        )
        return Film(export.run(ExportParams.model_validate(timeline), context), reports)

    return make_film


def is_near(colour: tuple[int, int, int], expected: tuple[int, int, int], tolerance: int = 12) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(colour, expected, strict=True))


RED, BLUE, GREEN, BLACK = (254, 0, 0), (0, 0, 254), (0, 200, 0), (0, 0, 0)


def test_clips_a_crossfade_a_cut_and_a_still_are_where_they_belong(make: Make) -> None:
    film = make(
        {"url": "red.mp4", "end": 1.5, "transition": {"duration": 0.5}},
        {"url": "blue.mp4", "start": 0.5},
        {"url": "green.jpg", "end": 1, "fit": "cover"},
    )
    assert len(film.frames) == 105, "1.5 + 1.5 - 0.5 + 1 s at 30 fps"
    assert film.times == pytest.approx([n / 30 for n in range(105)], abs=1e-4)
    assert is_near(film.colour(29), RED)
    red, green, blue = film.colour(37)
    assert 100 < red < 155
    assert green < 20
    assert 100 < blue < 155
    assert is_near(film.colour(45), BLUE)
    assert is_near(film.colour(74), BLUE)
    assert is_near(film.colour(75), GREEN)
    assert is_near(film.colour(104), GREEN)


def test_the_result_says_what_was_measured(make: Make) -> None:
    film = make({"url": "red.mp4", "end": 1}, output={"resolution": "240p", "aspect_ratio": "9:16", "fps": 25})
    [file] = film.produced.files
    assert (file.path.name, file.kind, file.content_type) == ("film.mp4", "video", "video/mp4")
    assert (file.width, file.height, file.duration_seconds, file.fps) == (240, 426, 1.0, 25.0)
    assert film.produced.engine["name"] == "ffmpeg"
    assert film.produced.engine["device"] == "cpu"


def test_the_file_plays_anywhere_and_from_its_first_bytes(make: Make) -> None:
    film = make({"url": "red.mp4"})
    with av.open(str(film.path)) as file:
        video, audio = file.streams.video[0].codec_context, file.streams.audio[0].codec_context
        assert (video.name, video.profile, video.pix_fmt) == ("h264", "High", "yuv420p")
        assert (audio.name, audio.sample_rate, audio.channels) == ("aac", RATE, 2)
    content = film.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_progress_tells_the_stages_in_order_and_only_rises(make: Make) -> None:
    reports = make({"url": "red.mp4"}, music={"url": url("music.mp3")}).reports
    assert list(dict.fromkeys(stage for stage, _ in reports)) == ["probing", "mixing", "encoding", "muxing"]
    progress = [share for _, share in reports]
    assert progress == sorted(progress)
    assert 90 <= progress[-1] <= 100


@pytest.mark.parametrize(("fit", "corner_is_red"), [("contain", False), ("cover", True), ("blur", True)])
def test_an_upright_clip_in_a_wide_frame(make: Make, fit: str, corner_is_red: bool) -> None:
    film = make({"url": "tall.mp4", "end": 0.5, "fit": fit})
    assert is_near(film.colour(5), RED)
    assert is_near(film.colour(5, 0.02, 0.1), RED if corner_is_red else BLACK)


def test_a_blurred_fill_is_the_picture_enlarged_and_soft(media: Path, make: Make) -> None:
    halves = Image.new("RGB", (90, 160), (255, 0, 0))
    halves.paste((0, 0, 255), (0, 80, 90, 160))
    halves.save(media / "halves.png")
    film = make({"url": "halves.png", "end": 0.2, "fit": "blur"}, output=WIDE)
    assert is_near(film.colour(0, 0.5, 0.1), RED), "the picture itself is sharp and whole"
    assert is_near(film.colour(0, 0.5, 0.9), BLUE)
    edge = [film.colour(0, 0.05, y / 20)[0] for y in range(20)]
    assert edge[0] > 180 > 80 > edge[-1]
    assert max(a - b for a, b in pairwise(edge)) < 80, "no hard edge is left in the fill"


def test_a_clip_begins_with_the_picture_on_show_at_its_start(make: Make) -> None:
    film = make({"url": "late.mp4", "start": 1.5, "end": 2.5}, output={**SMALL, "fit": "cover"})
    assert [is_near(film.colour(n), BLACK) for n in (0, 14, 15, 29)] == [True, True, False, False]


def test_captions_are_there_when_they_should_be_and_gone_after(make: Make) -> None:
    film = make(
        {"url": "black.mp4"},
        captions=[{"text": "Hello", "start": 0.5, "end": 1.0}],
        output=WIDE,
    )
    seen = [n for n in range(60) if film.white(n, 0.75, 1.0)]
    assert seen == list(range(15, 30))
    assert not any(film.white(n, 0.0, 0.75) for n in range(60))


def test_hostile_text_is_shown_and_not_obeyed(make: Make) -> None:
    film = make(
        {"url": "black.mp4"},
        captions=[{"text": HOSTILE, "start": 0, "end": 1}, {"text": "W" * 400, "start": 1, "end": 2}],
        output={"width": 640, "height": 360},
    )
    assert film.white(10, 0.8, 1.0) > 200
    assert film.white(10, 0.0, 0.7) == 0, "neither moved to the top nor broken into a second line"
    long_word = film.frames[45].min(axis=2) > 200
    assert long_word.any()
    assert not long_word[:, :30].any()
    assert not long_word[:, -30:].any()


def test_sound_follows_the_clips_and_their_crossfade(make: Make) -> None:
    film = make(
        {"url": "red.mp4", "transition": {"duration": 1}},
        {"url": "blue.mp4"},
        {"url": "red.mp4", "end": 1, "volume": 0.5},
        {"url": "red.mp4", "end": 1, "mute": True},
    )
    sound = film.sound()
    full = loudness(sound, 440, 0.2)
    assert full == pytest.approx(0.2, rel=0.1)
    assert loudness(sound, 440, 1.4, 0.2) == pytest.approx(full / 2, rel=0.1), "half way through the fade"
    assert loudness(sound, 440, 2.2) < 0.002
    assert loudness(sound, 440, 3.2) == pytest.approx(full / 2, rel=0.1)
    assert loudness(sound, 440, 4.2) < 0.002
    assert len(sound) / RATE == pytest.approx(5.0, abs=0.05)


def test_music_loops_to_the_end_fades_and_makes_room_for_the_voice(make: Make) -> None:
    sound = make(
        {"url": "green.jpg", "end": 6},
        music={"url": url("music.mp3"), "volume": 0.5, "fade_in": 0.5, "fade_out": 1},
        voiceover=[{"url": url("voice.wav"), "start": 2.5}],
    ).sound()
    before, during, after = (loudness(sound, 220, at) for at in (1.7, 2.9, 4.4))
    assert before == pytest.approx(0.25, rel=0.15)
    assert during < before / 2
    assert after == pytest.approx(before, rel=0.1), "the music of 1.3 s is in its fourth round and loud again"
    assert loudness(sound, 220, 0, 0.1) < before / 2
    assert loudness(sound, 220, 5.8, 0.2) < before / 2
    assert loudness(sound, 1000, 2.9) == pytest.approx(0.4, rel=0.15)
    assert loudness(sound, 1000, 1.7) < 0.005
    assert loudness(sound, 1000, 3.7) < 0.005


def test_music_stays_where_ducking_is_not_wanted(make: Make) -> None:
    sound = make(
        {"url": "green.jpg", "end": 3},
        music={"url": url("music.mp3"), "volume": 0.5, "duck": False, "fade_out": 0},
        voiceover=[{"url": url("voice.wav"), "start": 1.5}],
    ).sound()
    assert loudness(sound, 220, 1.8) == pytest.approx(loudness(sound, 220, 1.0), rel=0.1)


def test_the_loudest_mix_does_not_clip(make: Make) -> None:
    sound = make(
        {"url": "red.mp4", "volume": 4},
        music={"url": url("music.mp3"), "volume": 4, "duck": False},
        voiceover=[{"url": url("voice.wav"), "volume": 4}],
    ).sound()
    assert 0.5 < np.abs(sound).max() < 1.0


def test_a_film_of_many_clips_is_the_same_whether_in_one_run_or_several(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "chunks", lambda film: chunks(film, seconds=0.5))
    clips = [{"url": name, "end": 0.7, "transition": {"duration": 0.2}} for name in ("red.mp4", "blue.mp4") * 3]
    film = make(*clips, captions=[{"text": "across", "start": 0, "end": 3}], output=WIDE)
    assert len(list(film.path.parent.glob("h264-*.mp4"))) > 1
    assert len(film.frames) == 96, "6 × 0.7 - 5 × 0.2 s"
    assert film.times == pytest.approx([n / 30 for n in range(96)], abs=1e-4)
    for n in range(6):
        assert is_near(film.colour(15 * n + 10), RED if n % 2 == 0 else BLUE)
    assert [bool(film.white(n, 0.7, 1.0)) for n in (0, 89, 90, 95)] == [True, True, False, False]


def test_the_same_file_may_be_used_for_everything(make: Make) -> None:
    film = make(
        {"url": "red.mp4", "end": 1},
        {"url": "red.mp4"},
        music={"url": url("red.mp4")},
        voiceover=[{"url": url("red.mp4")}],
    )
    assert film.produced.files[0].duration_seconds == 3.0


@pytest.mark.parametrize(
    ("clips", "rest", "error", "sentence"),
    [
        ([{"url": "red.mp4"}, {"url": "playlist.mp4"}], {}, MediaRefused, r"^clips\[1\]: This is not a video"),
        ([{"url": "red.mp4", "end": 3}], {}, InvalidParams, r"^clips\[0\] ends at 3.00 s.* only 2.00 s long"),
        ([{"url": "green.jpg"}], {}, InvalidParams, r"^clips\[0\] is a still picture"),
        ([{"url": "red.mp4"}], {"music": {"url": url("playlist.mp4")}}, MediaRefused, r"^music: This is not"),
        (
            [{"url": "red.mp4"}],
            {"voiceover": [{"url": url("blue.mp4")}]},
            InvalidParams,
            r"^voiceover\[0\] has no sound",
        ),
    ],
)
def test_what_cannot_be_made_is_one_sentence_that_names_the_part(
    make: Make, tmp_path: Path, clips: list[dict[str, Any]], rest: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as refusal:
        make(*clips, **rest)
    assert str(tmp_path) not in str(refusal.value)
    assert not (tmp_path / "job" / "film.mp4").exists()


def test_a_film_that_does_not_measure_as_planned_is_a_failure(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "chunks", lambda film: chunks(film, seconds=2)[:1])
    with pytest.raises(EngineFailed, match="does not have the length"):
        make({"url": "red.mp4"}, {"url": "blue.mp4"})


def test_nothing_of_the_persons_camera_is_left_in_the_film(media: Path, make: Make) -> None:
    place = ["-metadata", "location=+48.8577+002.295/", "-metadata", "comment=private"]
    run_ffmpeg(["-i", "red.mp4", "-c", "copy", *place, "tagged.mp4"], duration=2, folder=media)
    with av.open(str(make({"url": "tagged.mp4"}).path)) as file:
        assert "private" not in str(file.metadata)
        assert "48.8577" not in str(file.metadata)
    assert probe(media / "tagged.mp4").kind == "video"
