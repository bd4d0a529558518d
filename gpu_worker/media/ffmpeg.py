"""Which ffmpeg runs, and how: one blocking call with real progress and one sentence on failure."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO

import imageio_ffmpeg

from shared.errors import EngineFailed, EngineUnavailable

_log = logging.getLogger(__name__)

_NEEDED = {
    "-filters": ("ass", "xfade", "acrossfade", "gblur", "tpad", "amix", "sidechaincompress", "alimiter"),
    "-encoders": ("libx264", "aac", "pcm_s16le"),
}
# The libavfilter of FFmpeg 5.0: older ones lack options that we use.
_OLDEST_AVFILTER = 8
_TAIL_BYTES = 4000
# What a hostile file may cost at most: 8 GiB of memory, a file of 200 GB, 1024 open files, no core dump. Set by a shell
# that then becomes ffmpeg, so that no byte is read without them. (`-f` counts half kilobytes, `-d` whole ones.)
# One heap for all threads (mallopt(3), M_ARENA_MAX): ffmpeg's frames leave holes in each, 30 MB in all.
BOUNDED = (
    "/bin/sh",
    "-c",
    'ulimit -c 0; ulimit -n 1024; ulimit -d 8388608; ulimit -f 400000000; export MALLOC_ARENA_MAX=1; exec "$@"',
    "ffmpeg",
)


@cache
def ffmpeg_path() -> Path:
    """The ffmpeg to run: the machine's own when it has all we use, else the one of the imageio-ffmpeg wheel.

    Raises EngineUnavailable when neither can do the work.
    """
    for candidate in (shutil.which("ffmpeg"), _packaged()):
        if candidate is not None and _is_good_enough(candidate):
            return Path(candidate)
    msg = "This worker has no ffmpeg with the filters and encoders that films need."
    raise EngineUnavailable(msg)


@cache
def ffmpeg_version() -> str:
    """The version of `ffmpeg_path()` as it names itself, for example `5.1.9-0+deb12u1`."""
    return _ask(str(ffmpeg_path()), "-version").partition("version ")[2].partition(" ")[0]


def run_ffmpeg(
    arguments: list[str],
    *,
    duration: float,
    on_progress: Callable[[float], None] | None = None,
    folder: Path | None = None,
) -> None:
    """Run ffmpeg to its end; `on_progress` gets 0 to 1 of `duration`, the seconds of output expected.

    It runs in `folder`, so that arguments can name files there without a path.
    The process stays in the caller's process group, so that whoever ends the job ends it too. Raises EngineFailed
    with one sentence; the end of ffmpeg's own log goes to `logging` alone, since it holds paths.
    """
    command = [*BOUNDED, str(ffmpeg_path()), "-hide_banner", "-nostdin", "-y", "-v", "warning", "-nostats"]
    command += ["-progress", "pipe:1", *arguments]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=folder) as process,
    ):
        try:
            _follow(process, duration, on_progress)
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            _log.warning("ffmpeg ended with %d: %s", process.returncode, _tail(log))
            raise EngineFailed("The video tool stopped with an error before it was finished.")
    if on_progress is not None:
        on_progress(1.0)


def _follow(process: subprocess.Popen[bytes], duration: float, on_progress: Callable[[float], None] | None) -> None:
    for line in process.stdout or ():
        name, _, value = line.decode("ascii", "replace").strip().partition("=")
        if on_progress is not None and name == "out_time_us":
            # Not a number until something has come out, which may take an encoder long; a stop is heard all the same.
            made = int(value) / 1e6 if value.lstrip("-").isdigit() else 0.0
            on_progress(min(max(made / max(duration, 1e-6), 0.0), 1.0))


def _tail(log: IO[bytes]) -> str:
    size = log.seek(0, 2)
    log.seek(max(0, size - _TAIL_BYTES))
    return log.read().decode("utf-8", "replace")


def _packaged() -> str | None:
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return None


def _is_good_enough(candidate: str) -> bool:
    library = re.search(r"libavfilter\s+(\d+)\.", _ask(candidate, "-version"))
    if library is None or int(library[1]) < _OLDEST_AVFILTER:
        return False
    return all(set(names) <= set(_ask(candidate, listing).split()) for listing, names in _NEEDED.items())


def _ask(candidate: str, question: str) -> str:
    try:
        answer = subprocess.run(
            [candidate, "-hide_banner", "-v", "error", question], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout
