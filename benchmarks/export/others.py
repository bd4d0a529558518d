"""Other programs that make such films, each installed into a folder of the benchmark's own, or left out by name."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from benchmarks.export.films import mixed
from benchmarks.export.measure import Command
from benchmarks.export.sources import Scale
from gpu_worker.media.ffmpeg import ffmpeg_path
from shared.fonts import BOLD

MOVIEPY, EDITLY, FFPROBE = "moviepy==2.2.1", "editly@0.14.2", "@ffprobe-installer/ffprobe@2.1.2"
# What editly's canvas and GL are built with, and the screen it wants.
PACKAGES = [
    "xvfb", "xauth", "build-essential", "pkg-config", "libcairo2-dev", "libpango1.0-dev", "libjpeg-dev", "libgif-dev",
    "librsvg2-dev", "libpixman-1-dev", "libxi-dev", "libglu1-mesa-dev", "libglew-dev", "libgl1-mesa-dri",
]  # fmt: skip
PATIENCE_SECONDS = 1800


class LeftOut(Exception):
    """It cannot run here; the message says why."""


def moviepy(scale: Scale, sources: Path, tools: Path, folder: Path, target: str, *, graded: str) -> list[list[Command]]:
    """T1 by MoviePy, which grades the whole `film` or its `clips`."""
    python = tools / "moviepy" / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv") or next(map(str, Path.cwd().glob(".boot/bin/uv")), None)
        if uv is None:
            raise LeftOut("it needs uv, which is not here")
        _install([uv, "venv", "--quiet", tools / "moviepy"])
        _install([uv, "pip", "install", "--quiet", "--python", python, MOVIEPY])
    (folder / "moviepy.json").write_text(json.dumps(mixed(scale, sources)))
    script = Path(__file__).with_name("moviepy_film.py")
    return [[[python, script, "moviepy.json", BOLD, target, graded]]]


def editly(
    scale: Scale, sources: Path, tools: Path, folder: Path, target: str, *, as_root: bool
) -> list[list[Command]]:
    """T1 by editly: without the look and the loudness, its captions in its own style."""
    program = tools / "editly" / "node_modules" / ".bin" / "editly"
    if not program.exists() or not shutil.which("xvfb-run"):
        if shutil.which("npm") is None:
            raise LeftOut("it needs npm, which is not here")
        if not as_root:
            raise LeftOut("it needs system packages; --install-as-root installs them")
        _install(["apt-get", "update", "-qq"])
        _install(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES])
        (tools / "editly").mkdir(parents=True, exist_ok=True)
        _npm(tools / "editly", "install", "--no-audit", "--no-fund", EDITLY, FFPROBE)
        # Newer npm runs what builds canvas and GL only when told to.
        _npm(tools / "editly", "rebuild", "--allow-scripts=canvas,gl", "canvas", "gl")
    probe = next((tools / "editly" / "node_modules" / "@ffprobe-installer").glob("*/ffprobe"))
    (folder / "editly.json").write_text(json.dumps(_for_editly(scale, sources, target, str(probe))))
    return [[["xvfb-run", "-a", program, "editly.json"]]]


def _for_editly(scale: Scale, sources: Path, target: str, probe: str) -> dict[str, object]:
    timeline = mixed(scale, sources)
    output, voice = timeline["output"], timeline["voiceover"][0]
    clips, half = [], scale.clip_seconds / 2 - 0.1
    for n, clip in enumerate(timeline["clips"]):
        video = {"type": "video", "path": clip["url"], "cutFrom": clip["start"], "cutTo": clip["end"]}
        words = [
            {"type": "subtitle", "text": one["text"], "start": half * k, "stop": half * (k + 1)}
            for k, one in enumerate(timeline["captions"][2 * n : 2 * n + 2])
        ]
        clips.append({"layers": [{**video, "resizeMode": "contain"}, *words]})
    tracks = [{"path": timeline["music"]["url"], "mixVolume": 0.3}, {"path": voice["url"], "start": voice["start"]}]
    return {
        "outPath": target, **output, "clips": clips, "audioTracks": tracks, "keepSourceAudio": True,
        "audioNorm": {"enable": True}, "defaults": {"transition": {"name": "fade", "duration": 0.5}},
        "customOutputArgs": ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p",
                             "-c:a", "aac", "-b:a", "192k"],
        "ffmpegPath": str(ffmpeg_path()), "ffprobePath": probe,
    }  # fmt: skip


def _npm(folder: Path, *words: str) -> None:
    _install(["npm", "--prefix", folder, *words])


def _install(command: Command) -> None:
    try:
        subprocess.run(command, check=True, timeout=PATIENCE_SECONDS, capture_output=True, text=True)
    except (OSError, subprocess.SubprocessError) as problem:
        said = str(getattr(problem, "stderr", "") or problem).strip().splitlines()
        raise LeftOut(f"it could not be installed ({said[-1] if said else problem})") from problem
