"""Make a film over the HTTP API, from a fresh clone: `make demo`, or `make demo CLIPS="a.mp4 b.mp4"`.

Starts a control plane with its built-in endpoint, uploads pictures, has lines spoken and pictures moved, stitches the
film, fetches it by its signed URL and lets an independent probe look at it. Exit code 0 only if the probe agrees.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import av
from ambience import write_ambience
from board import Board, JobFailed
from client import ApiError, Client, Job
from film import FPS, TITLE_SECONDS, Film, Part, frame_size, scene_seconds
from rich.console import Console
from rich.table import Table
from server import ServerFailed, serving
from verify import Check, verify

HERE = Path(__file__).resolve().parent
CLIP_SECONDS = 5.0
CLIP_LEAST_SECONDS = 2.5
Script = dict[str, Any]


class BadInput(Exception):
    """Something the person gave cannot be used; the message says what."""


def main() -> int:
    """Make and check the film; the exit code."""
    arguments = parse_arguments()
    console = Console()
    # Being told to end is handled like Ctrl-C: cancel the jobs, stop the server.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(arguments, console)
    except (ApiError, BadInput, JobFailed, ServerFailed) as error:
        console.print(f"No film: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        console.print("Stopped: the jobs were canceled and the server was ended.")
    return 1


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make a film over the HTTP API and check it.")
    parser.add_argument("--clips", nargs="+", type=Path, metavar="FILE", help="your own videos, a few seconds of each")
    parser.add_argument("--say", default="", metavar="TEXT", help="with --clips: a line to speak over the first clip")
    parser.add_argument("--script", type=Path, default=HERE / "script.json", help="another script, with its pictures")
    parser.add_argument("--data-dir", type=Path, default=HERE.parent / "data" / "demo", help="where everything is kept")
    return parser.parse_args()


def run(arguments: argparse.Namespace, console: Console) -> int:
    """The whole demo, once the command line is understood."""
    began = time.monotonic()
    script = read_script(arguments.script)
    clips = [(path, clip_seconds(path)) for path in arguments.clips or []]
    folder: Path = arguments.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    console.print("Starting the control plane with its built-in endpoint ...")
    with serving(folder) as url:
        client = Client(url)
        with Board(client, console) as board:
            if clips:
                film = film_of_clips(client, board, script, clips, arguments.say)
            else:
                film = film_of_script(client, board, script, arguments.script.parent)
            bed = folder / "ambience.wav"
            write_ambience(bed, film.end + 1)
            made = board.wait([board.add("Film", client.stitch(film.timeline(client.upload(bed))))])[0]
        signed = made["output_urls"][0]
        path = folder / "film.mp4"
        client.download(signed, path)
    (folder / "plan.json").write_text(json.dumps(film.plan(), indent=1), encoding="utf-8")
    checks = verify(path, film.plan())
    show(console, path, signed, checks, time.monotonic() - began)
    return 0 if all(check.agrees for check in checks) else 1


def read_script(path: Path) -> Script:
    """The script: a title, a voice, and scenes of a photo, a motion, a line and a caption."""
    try:
        script: Script = json.loads(path.read_text(encoding="utf-8"))
        for scene in script["scenes"]:
            if not (path.parent / scene["photo"]).is_file():
                raise BadInput(f"the script names {scene['photo']}, and there is no such file beside it.")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is not a script like examples/script.json ({error}).") from error
    return script


def clip_seconds(path: Path) -> float:
    """How much of a person's own video to use, cut on a frame."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}.")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            known = stream.duration * stream.time_base if stream.duration and stream.time_base else None
            seconds = float(known or (container.duration or 0) / av.time_base)
    except (av.FFmpegError, OSError, IndexError):
        raise BadInput(f"{path} is not a video that can be read.") from None
    usable = int(min(seconds, CLIP_SECONDS) * FPS) / FPS
    if usable < CLIP_LEAST_SECONDS:
        raise BadInput(f"{path} lasts {seconds:.1f} s; each clip must last at least {CLIP_LEAST_SECONDS} s.")
    return usable


def film_of_script(client: Client, board: Board, script: Script, folder: Path) -> Film:
    """Speak each line, move each picture for as long as its line takes, and put the title in front."""
    scenes = script["scenes"]
    lines = [
        speak(client, board, script, f"Voice {number}", scene["narration"]) for number, scene in enumerate(scenes, 1)
    ]
    pictures = [client.upload(folder / scene["photo"]) for scene in scenes]
    title = start_title(client, board, script)
    spoken = [speech_seconds(job) for job in board.wait(lines)]
    moved = []
    for number, (scene, picture, seconds) in enumerate(zip(scenes, pictures, spoken, strict=True), 1):
        length = scene_seconds(seconds, last=number == len(scenes))
        move = {"motion": scene["motion"], "strength": scene.get("strength", 0.5), "duration": length, "fps": FPS}
        job_id = client.submit("IMG2VID", {"image_url": picture, **move, "resolution": resolution(script)})
        moved.append((board.add(f"Picture {number}", job_id), length))
    board.wait([title, *(job_id for job_id, _ in moved)])
    film = Film(frame_size(resolution(script)))
    film.add(Part(f"job:{title}", TITLE_SECONDS))
    for scene, (job_id, length), line, seconds in zip(scenes, moved, lines, spoken, strict=True):
        film.add(Part(f"job:{job_id}", length, scene["caption"], f"job:{line}", seconds))
    return film


def film_of_clips(client: Client, board: Board, script: Script, clips: list[tuple[Path, float]], say: str) -> Film:
    """A title, then some seconds of each of a person's own videos, with the files' names as captions."""
    title = start_title(client, board, script | {"title": "A first cut"})
    line = speak(client, board, script, "Voice", say) if say else ""
    film = Film(frame_size(resolution(script)), of_clips=True)
    addresses = [client.upload(path) for path, _ in clips]
    board.wait([title, *([line] if line else [])])
    film.add(Part(f"job:{title}", TITLE_SECONDS))
    for address, (path, seconds) in zip(addresses, clips, strict=True):
        film.add(Part(address, seconds, path.stem.replace("_", " ").replace("-", " ")[:60]))
    if line:
        start = TITLE_SECONDS
        seconds = speech_seconds(client.job(line))
        film.voiceover.append({"url": f"job:{line}", "start": start})
        film.narration.append((start, min(start + seconds, film.end)))
    return film


def start_title(client: Client, board: Board, script: Script) -> str:
    """Queue the opening title; its job id."""
    params = {"prompt": script["title"], "duration": TITLE_SECONDS, "resolution": resolution(script), "seed": 1}
    return board.add("Title", client.submit("RENDER", params))


def speak(client: Client, board: Board, script: Script, label: str, text: str) -> str:
    """Queue a line to be spoken; its job id."""
    manner = {"voice_preset": script.get("voice", "default"), "speed": script.get("speed", 1.0)}
    return board.add(label, client.submit("TTS", {"text": text, **manner}))


def speech_seconds(job: Job) -> float:
    """How long the finished line lasts, as the worker measured it."""
    return float(job["outputs"][0]["duration_seconds"])


def resolution(script: Script) -> str:
    """The film's short side."""
    return str(script.get("resolution", "720p"))


def show(console: Console, path: Path, signed: str, checks: list[Check], seconds: float) -> None:
    """The film's path and address, and every probed fact beside what was planned."""
    table = Table("", "check", "found", "planned")
    for check in checks:
        table.add_row("✓" if check.agrees else "✗", check.name, check.found, check.planned)
    console.print(table)
    wrong = [check.name for check in checks if not check.agrees]
    console.print(f"The probe disagrees on: {', '.join(wrong)}." if wrong else "The probe agrees with the plan.")
    console.print(f"Film:       {path}", f"Signed URL: {signed}", sep="\n", soft_wrap=True, highlight=False)
    console.print(f"Made and checked in {seconds:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
