"""Runs a plan: the picture in bounded runs of clips, then the sound and the mux, each an ffmpeg of its own."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

from gpu_worker.context import Report
from gpu_worker.media.ffmpeg import run_ffmpeg
from gpu_worker.timeline.captions import ass_file
from gpu_worker.timeline.picture import FONT_FOLDER, picture_arguments
from gpu_worker.timeline.plan import Film, Piece, length
from gpu_worker.timeline.runs import groups
from gpu_worker.timeline.sound import film_arguments
from shared.fonts import FONT_DIR

_PICTURES_FROM, _SOUND_FROM, _DONE = 5, 85, 99


def render(film: Film, folder: Path, report: Report) -> Path:
    """Make the film in `folder` and return its path; EngineFailed when ffmpeg fails."""
    (folder / FONT_FOLDER).symlink_to(FONT_DIR)
    runs = groups(film.pieces, film.fps)
    starts = accumulate((length(run) for run in runs), initial=0)
    parts = [_picture(film, run, start, folder, report) for run, start in zip(runs, starts, strict=False)]

    def mixed(share: float) -> None:
        report("muxing", round(_SOUND_FROM + share * (_DONE - _SOUND_FROM)), "mixing the sound")

    mixed(0)
    arguments = film_arguments(film, _joined(parts, folder), "film.mp4")
    run_ffmpeg(arguments, duration=film.duration, on_progress=mixed, folder=folder)
    return folder / "film.mp4"


def _picture(film: Film, run: tuple[Piece, ...], start: int, folder: Path, report: Report) -> tuple[str, float]:
    """Encode one run whose first frame is frame `start` of the film; returns its file's name and its seconds."""
    frames = length(run)
    seconds = frames / film.fps

    def encoded(share: float) -> None:
        done = (start + share * frames) / film.frames
        at = f"{done * film.duration:.1f} of {film.duration:.1f} s"
        report("encoding", round(_PICTURES_FROM + done * (_SOUND_FROM - _PICTURES_FROM)), at)

    name, script = f"picture{start}.mp4", f"captions{start}.ass"
    captions = ass_file(film, first=start, last=start + frames)
    (folder / script).write_text(captions, encoding="utf-8")
    arguments = picture_arguments(film, run, script if captions else None, name)
    run_ffmpeg(arguments, duration=seconds, on_progress=encoded, folder=folder)
    return name, seconds


def _joined(parts: list[tuple[str, float]], folder: Path) -> list[str]:
    """ffmpeg's arguments that open the parts as one picture. The lengths are exact: no part's own is believed."""
    lines = [f"file {name}\nduration {seconds:.6f}\n" for name, seconds in parts]
    (folder / "pictures.ffconcat").write_text("ffconcat version 1.0\n" + "".join(lines))
    return ["-f", "concat", "-protocol_whitelist", "file,pipe", "-i", "pictures.ffconcat"]
