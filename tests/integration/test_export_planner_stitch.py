"""`stitch_timeline`: local files in, a film out, in one call."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.media.probe import probe
from gpu_worker.timeline.__main__ import main
from gpu_worker.timeline.stitch import stitch_timeline
from shared.errors import InvalidParams, MediaRefused

SMALL = {"width": 96, "height": 64}


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("red")
    run_ffmpeg(
        ["-f", "lavfi", "-i", "color=red:s=96x64:r=30:d=1", "-f", "lavfi", "-i", "sine=d=1", "-f", "mp4", "red.mp4"],
        duration=1,
        folder=folder,
    )  # fmt: skip
    return folder / "red.mp4"


@pytest.fixture
def clip(red: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(red, tmp_path))


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


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("gone.mp4", "there is no file 'gone.mp4'"),
        (".", "there is no file"),
        ("pipe", "there is no file 'pipe'"),
        ("a\0b", "there is no file"),
        ("a\ud800b", "there is no file"),
        ("a" * 5000, "file name too long"),
        ("//[x", "there is no file"),
        ("words.txt", "not a video, sound or picture"),
    ],
)
def test_a_file_that_is_not_there_is_named_by_its_clip(clip: Path, url: str, sentence: str) -> None:
    os.mkfifo("pipe")
    Path("words.txt").write_text("words")
    with pytest.raises(MediaRefused, match=r"^clips\[1\]: .*" + re.escape(sentence)):
        stitch_timeline([{"url": clip}, {"url": url}], [], "film.mp4", output=SMALL)
    with pytest.raises(MediaRefused, match=r"^music: "):
        stitch_timeline([{"url": clip}], [], "film.mp4", output=SMALL, music={"url": url})
    assert not Path("film.mp4").exists()


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("no/film.mp4", "'no' cannot be used: no such file"),
        (".", "is a folder"),
        ("film.mkv", "No film ends with .mkv"),
        ("f\0.mp4", "no file has such a name"),
        ("red.mp4", "'red.mp4' would be written over a file that the film is made of"),
        ("poster.jpg.mp4", "'poster.jpg' would be written over"),
    ],
)
def test_a_film_that_cannot_be_put_there(clip: Path, target: str, sentence: str) -> None:
    Image.new("RGB", (96, 64), "blue").save("poster.jpg")
    before = {path: path.read_bytes() for path in clip.parent.iterdir()}
    clips = [{"url": "red.mp4", "end": 0.1}, {"url": "poster.jpg", "duration": 0.1}]
    with pytest.raises(InvalidParams, match=re.escape(sentence)):
        stitch_timeline(clips, [], target, output={**SMALL, "poster": 0})
    assert {path: path.read_bytes() for path in clip.parent.iterdir()} == before


def test_what_was_done_unasked_is_said(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    more = {"out_of_range": "clamp", "output": SMALL}
    stitch_timeline([{"url": clip, "end": 9}], [], clip.with_name("a.mp4"), note=said.append, **more)
    assert said == ["clips[0] ends at 9.00 s, but its file is only 1.00 s long; it ends there."]
    source = clip.with_name("film.json")
    source.write_text(json.dumps({"clips": [{"url": str(clip), "end": 9}], **more}))
    assert main(["stitch", str(source), str(clip.with_name("b.mp4"))]) == 0
    assert capsys.readouterr().err == f"{said[0]}\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "holds no timeline"),
        (b'{"clips": ' + b"[" * 700 + b"]" * 700 + b"}", "nested too deeply"),
        (b'{"clips": [{"url": "red.mp4"}], "path": "x"}', "path: Extra inputs"),
        (b'{"clips": [{"url": "red.mp4"}], "output": 5}', "output: Input should be"),
        (b'{"clips": [{"url": "gone.mp4"}]}', "clips[0]: there is no file 'gone.mp4'."),
    ],
)
def test_no_file_makes_the_command_stumble(
    clip: Path, text: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("film.json").write_bytes(text)
    assert main(["stitch", "film.json", "film.mp4"]) == 1
    assert sentence in capsys.readouterr().err
    assert main(["stitch", "gone.json", "film.mp4"]) == 1
    assert capsys.readouterr().err == "gone.json: No such file or directory\n"


def test_the_same_from_the_command_line(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = clip.with_name("film.json"), clip.with_name("film.webm")
    source.write_text(f'{{"clips": [{{"url": "{clip}", "end": 0.3}}], "output": {{"width": 96, "height": 64}}}}')
    assert main(["stitch", str(source), str(target)]) == 0
    assert probe(target).video_codec == "vp9"
    source.write_text(f'{{"clips": [{{"url": "{clip}", "end": 9}}]}}')
    assert main(["stitch", str(source), str(target)]) == 1
    assert capsys.readouterr().err.startswith("clips[0] ends at 9.00 s")
