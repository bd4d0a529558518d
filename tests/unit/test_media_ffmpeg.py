from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import psutil
import pytest

from gpu_worker.media.ffmpeg import ffmpeg_path, ffmpeg_version, run_ffmpeg
from shared.errors import EngineFailed, EngineUnavailable

PACKAGED = Path(imageio_ffmpeg.get_ffmpeg_exe())
TWO_SECONDS = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=30:duration=2"]
ENDLESS = ["-f", "lavfi", "-re", "-i", "testsrc2=size=64x64:rate=30", "-f", "null", "-"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is all of PATH; the choice of ffmpeg is made anew before and after."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    ffmpeg_path.cache_clear()
    yield folder
    ffmpeg_path.cache_clear()


def answering(folder: Path, answer: str) -> None:
    script = folder / "ffmpeg"
    script.write_text(f'#!/bin/sh\ncase "$*" in\n{answer}\nesac\n')
    script.chmod(0o755)


def test_the_machines_own_ffmpeg_is_taken_when_it_can_do_everything(machine: Path) -> None:
    (machine / "ffmpeg").symlink_to(PACKAGED)
    assert ffmpeg_path() == machine / "ffmpeg"


@pytest.mark.parametrize(
    "answer",
    [
        "*-version*) echo 'libavfilter      9. 1.100';; *-filters*) echo ' ... ass V->V';; *) echo libx264 aac;;",
        f"*-version*) echo 'libavfilter      7. 85.100';; *) exec {PACKAGED} \"$@\";;",
        "*) exit 1;;",
    ],
    ids=["lacks filters", "too old", "broken"],
)
def test_a_poorer_one_is_passed_over(machine: Path, answer: str) -> None:
    answering(machine, answer)
    assert ffmpeg_path() == PACKAGED


def test_none_at_all_is_said_in_words(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(machine / "nothing"))
    with pytest.raises(EngineUnavailable, match="no ffmpeg"):
        ffmpeg_path()


def test_the_version_is_the_one_it_names() -> None:
    named = subprocess.run([ffmpeg_path(), "-version"], capture_output=True, text=True, check=True).stdout
    assert named.startswith(f"ffmpeg version {ffmpeg_version()} ")


def test_progress_rises_to_one(tmp_path: Path) -> None:
    seen: list[float] = []
    run_ffmpeg([*TWO_SECONDS, "-c:v", "libx264", "out.mp4"], duration=2, on_progress=seen.append, folder=tmp_path)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1, abs=0.05)
    assert (tmp_path / "out.mp4").stat().st_size > 0


def test_a_failure_is_one_sentence_and_the_log_has_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(EngineFailed) as failure:
        run_ffmpeg(["-i", "/secret/place/film.mp4", "out.mp4"], duration=1)
    assert "/" not in failure.value.message
    assert "\n" not in failure.value.message
    assert "/secret/place/film.mp4" in caplog.text


def test_an_exception_from_the_progress_ends_an_endless_run() -> None:
    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ffmpeg(ENDLESS, duration=1, on_progress=stop)


def test_a_stop_is_heard_before_anything_has_come_out() -> None:
    """An encoder that looks far ahead gives nothing out for long."""
    heard: list[float] = []

    def stop(share: float) -> None:
        heard.append(share)
        raise KeyboardInterrupt

    slow = [
        "-re",
        "-f",
        "lavfi",
        "-i",
        "color=s=64x64:r=2",
        "-c:v",
        "libx264",
        "-rc-lookahead",
        "100",
        "-f",
        "null",
        "-",
    ]
    with pytest.raises(KeyboardInterrupt):
        run_ffmpeg(slow, duration=1000, on_progress=stop)
    assert heard == [0]


def test_ffmpeg_cannot_take_all_memory_or_fill_the_disk() -> None:
    limits: list[tuple[int, int]] = []

    def look(_share: float) -> None:
        [ffmpeg] = [child for child in psutil.Process().children() if child.name().startswith("ffmpeg")]
        limits.extend((ffmpeg.rlimit(psutil.RLIMIT_DATA), ffmpeg.rlimit(psutil.RLIMIT_FSIZE)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ffmpeg(ENDLESS, duration=1, on_progress=look)
    assert all(0 < most < 2**40 for _, most in limits)
