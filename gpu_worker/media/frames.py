"""Raw frames into an H.264 file: ffmpeg reads them from its stdin as fast as they are made."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from gpu_worker.context import ProducedFile, Report
from gpu_worker.media.ffmpeg import ffmpeg_path
from shared.errors import EngineFailed

_log = logging.getLogger(__name__)

Frame = NDArray[np.uint8]
"""One picture: height x width x 3, sRGB."""

# Players take untagged HD video for BT.709 while ffmpeg would convert by BT.601: say and do the same thing.
_TAGS = "color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
_COLOUR = ["-vf", f"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams={_TAGS}"]


class FrameEncoder:
    """`with FrameEncoder(path, width, height, fps) as film: film.write(frame)`, then `film.produced()`.

    Both sides are even pixel counts; `fps` may be a fraction such as 30000/1001. Leaving the block finishes the file;
    leaving it by an exception ends ffmpeg and removes what was written. Raises EngineFailed when ffmpeg stops.
    """

    def __init__(self, path: Path, width: int, height: int, fps: int | Fraction) -> None:
        self._path, self._width, self._height, self._fps = path, width, height, fps
        self._frames = 0

    def __enter__(self) -> Self:
        self._log_file: IO[bytes] = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log_file
        )
        return self

    def write(self, frame: Frame) -> None:
        """Append one frame; ValueError when it is not `height` x `width` x 3 of uint8."""
        if frame.shape != (self._height, self._width, 3) or frame.dtype != np.uint8:
            msg = f"a frame is {self._height} x {self._width} x 3 of uint8, not {frame.shape} of {frame.dtype}"
            raise ValueError(msg)
        try:
            self._stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError as broken:
            raise EngineFailed("The video encoder stopped before the last frame.") from broken
        self._frames += 1

    def write_all(self, frames: Iterable[Frame], total: int, report: Report) -> None:
        """Append every frame of `frames` and report how many of `total` are done, about a hundred times in all."""
        every = max(1, total // 100)
        for done, frame in enumerate(frames, start=1):
            self.write(frame)
            if done % every == 0 or done == total:
                # 100 is said by who uploads: the file is not closed yet.
                report("rendering", min(99, 100 * done // total), f"frame {done}/{total}")

    def produced(self) -> ProducedFile:
        """The finished file and its measures."""
        return ProducedFile(
            self._path,
            "video",
            "video/mp4",
            self._width,
            self._height,
            float(self._frames / self._fps),
            float(self._fps),
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._log_file:
            if error is None:
                self._finish()
            else:
                self._abandon()

    def _finish(self) -> None:
        # communicate() closes stdin and bears that ffmpeg has already gone.
        self._process.communicate()
        if self._process.returncode != 0:
            self._abandon()
            raise EngineFailed("The video encoder could not finish the file.")

    def _abandon(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._path.unlink(missing_ok=True)
        self._log_file.seek(0)
        _log.warning("ffmpeg was ended: %s", self._log_file.read(4000).decode("utf-8", "replace"))

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - opened with PIPE in __enter__
        return self._process.stdin

    def _command(self) -> list[str]:
        source = ["-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{self._width}x{self._height}"]
        source += ["-framerate", str(self._fps), "-i", "pipe:0"]
        codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-movflags", "+faststart", "-f", "mp4"]
        return [str(ffmpeg_path()), "-hide_banner", "-v", "error", "-y", *source, *_COLOUR, *codec, str(self._path)]
