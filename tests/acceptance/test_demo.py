"""`make demo` for real, with a shorter script: it succeeds, it notices a wrong film, and it leaves nothing running."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCENES = [
    {"photo": "coffee.jpg", "motion": "zoom_in", "narration": "A cup of coffee.", "caption": "A cup of coffee."},
    {"photo": "rocket.jpg", "motion": "pan_up", "narration": "And a tall rocket.", "caption": "And a tall rocket."},
]


def write_script(folder: Path) -> Path:
    """Two short scenes, small enough for a test."""
    scenes = [scene | {"photo": str(EXAMPLES / "photos" / scene["photo"])} for scene in SCENES]
    path = folder / "script.json"
    path.write_text(json.dumps({"title": "A short test", "resolution": "360p", "scenes": scenes}), encoding="utf-8")
    return path


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def processes_of(data_dir: Path) -> list[int]:
    """Every process that was told to keep its data in this folder."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mentions(path, data_dir)]


def mentions(environ: Path, data_dir: Path) -> bool:
    try:
        return f"DATA_DIR={data_dir}".encode() in environ.read_bytes().split(b"\0")
    except OSError:
        return False


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, run("demo.py", "--script", write_script(folder), "--data-dir", folder)


def test_the_demo_makes_a_film_that_its_probe_agrees_with(
    made: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, demo = made
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert str(folder / "film.mp4") in demo.stdout
    assert "Signed URL: http://127.0.0.1:" in demo.stdout
    assert "The probe agrees with the plan." in demo.stdout
    assert processes_of(folder) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["-vf", "drawbox=y=ih*0.6:h=ih*0.4:color=black:t=fill"], "captions"),
        (["-af", "volume=0"], "narration"),
        (["-an"], "audio"),
        (["-t", "3"], "length"),
        (["-r", "25"], "frame rate"),
        (["-vf", "scale=320:180"], "size"),
    ],
    ids=["captions covered", "voice silenced", "sound removed", "cut short", "other frame rate", "other size"],
)
def test_the_probe_disagrees_with_a_film_that_was_tampered_with(
    made: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, change: list[str], complaint: str
) -> None:
    folder, _ = made
    film = tmp_path / "film.mp4"
    options = [*change, "-preset", "ultrafast", "-movflags", "+faststart"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(folder / "film.mp4"), *options, str(film)]
    subprocess.run(command, check=True)
    probe = run("verify.py", film, folder / "plan.json")
    assert probe.returncode == 1
    assert f"WRONG {complaint}:" in probe.stdout


def test_the_probe_disagrees_with_a_damaged_file(
    made: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder, _ = made
    film = tmp_path / "film.mp4"
    film.write_bytes((folder / "film.mp4").read_bytes()[:1000])
    probe = run("verify.py", film, folder / "plan.json")
    assert probe.returncode == 1
    assert probe.stdout.startswith("WRONG decodes:")


def test_a_persons_own_clips_become_a_film(made: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    own, script = made[0] / "film.mp4", made[0] / "script.json"
    data_dir = tmp_path / "data"
    demo = run("demo.py", "--script", script, "--data-dir", data_dir, "--say", "My own film.", "--clips", own, own)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert len(json.loads((data_dir / "plan.json").read_text())["captions"]) == 2


def test_a_clip_that_is_no_video_is_refused_in_a_sentence(tmp_path: Path) -> None:
    clip = tmp_path / "notes.mp4"
    clip.write_text("not a video")
    demo = run("demo.py", "--data-dir", tmp_path, "--clips", clip)
    assert demo.returncode == 1
    assert "is not a video that can be read" in demo.stdout
    assert "Traceback" not in demo.stderr


def test_ctrl_c_cancels_the_jobs_and_ends_the_server(tmp_path: Path) -> None:
    command = [sys.executable, "-u", str(EXAMPLES / "demo.py"), "--data-dir", str(tmp_path)]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    next(line for line in demo.stdout if "Voice 1" in line)
    assert processes_of(tmp_path) != []
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "Stopped" in said
    assert processes_of(tmp_path) == []
