"""What the job is given: a film or a picture as frames, and a recording as samples, through ffmpeg's pipes."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from gpu_worker.engines.lipsync.mel import RATE, Floats
from gpu_worker.media.ffmpeg import BOUNDED, ffmpeg_path
from gpu_worker.media.frames import Frame
from gpu_worker.media.pictures import open_picture
from gpu_worker.media.probe import MediaInfo, input_arguments, probe
from gpu_worker.media.tone import to_sdr
from shared.errors import MediaRefused

_STILL_FPS = Fraction(25)
_MOST_FPS = 120
_MOST_SECONDS = 4 * 3600
_AHEAD = 3
T = TypeVar("T")


@dataclass(frozen=True)
class Footage:
    """A film of even sides at a constant rate. A picture is a film of one frame."""

    path: Path
    media: MediaInfo
    width: int
    height: int
    fps: Fraction

    @property
    def is_still(self) -> bool:
        """True for a picture."""
        return self.media.kind == "image"

    @property
    def frames_said(self) -> int:
        """How many frames its header promises; only reading them tells."""
        return 1 if self.is_still else max(1, round(self.media.duration * self.fps))

    def frames(self, size: tuple[int, int] | None = None) -> Generator[Frame, None, None]:
        """Every frame, upright, at `size` or its own, read a little ahead. MediaRefused when there is none."""
        width, height = size or (self.width, self.height)
        if self.is_still:
            yield np.array(open_picture(self.path).resize((width, height)))
            return
        with closing(ahead(_decoded(self, width, height), _AHEAD)) as frames:
            yield from frames


def open_footage(path: Path) -> Footage:
    """The film or picture in a file. Raises MediaRefused for what has none."""
    media = probe(path)
    if media.width is None or media.height is None:
        raise MediaRefused("video_url: there is no picture in this file.")
    rate = Fraction(min(media.fps or _STILL_FPS, _MOST_FPS)).limit_denominator(1001)
    width = max(2, round(media.width * media.pixel_aspect / 2) * 2)
    return Footage(path, media, width, max(2, media.height // 2 * 2), _STILL_FPS if media.kind == "image" else rate)


def open_sound(path: Path) -> Floats:
    """A recording as mono samples at RATE, from -1 to 1. Raises MediaRefused for a file without sound."""
    media = probe(path)
    if not media.has_audio:
        raise MediaRefused("audio_url: there is no sound in this file.")
    channel = ["-map", f"0:{media.audio_stream}", "-ac", "1", "-ar", str(RATE), "-f", "f32le"]
    with _pipe([*input_arguments(path, media), *channel]) as pipe:
        heard = pipe.read(4 * (_MOST_SECONDS * RATE + 1))
    if len(heard) > 4 * _MOST_SECONDS * RATE:
        raise MediaRefused(f"audio_url: this recording is longer than {_MOST_SECONDS // 3600} hours.")
    samples = np.frombuffer(heard[: len(heard) // 4 * 4], np.float32)
    if not len(samples):
        raise MediaRefused("audio_url: there is no sound in this file.")
    return np.nan_to_num(samples, posinf=0, neginf=0)


def ahead(items: Generator[T, None, None], depth: int) -> Generator[T, None, None]:
    """The same items, up to `depth` of them made in a thread while the caller is busy with the one before. Closing
    it ends both.
    """
    made: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    room, is_over = threading.Semaphore(depth), threading.Event()

    def work() -> None:
        error: BaseException | None = None
        try:
            with closing(items):
                for item in items:
                    room.acquire()
                    if is_over.is_set():
                        break
                    made.put((item, None))
        except BaseException as problem:  # noqa: BLE001 - it is raised where the item would have come
            error = problem
        made.put((None, error or StopIteration()))

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc] # without an error it is an item
            room.release()
    finally:
        is_over.set()
        room.release()
        thread.join()


def _decoded(footage: Footage, width: int, height: int) -> Generator[Frame, None, None]:
    media = footage.media
    graph = ["yadif"] if media.interlaced else []
    graph.append(f"fps={footage.fps}")
    if media.is_hdr:
        graph += [f"scale={width}:{height}", *to_sdr(media), "scale=in_color_matrix=bt709"]
    else:
        matrix = "" if media.matrix == "rgb" else f":in_color_matrix={media.matrix}"
        graph.append(f"scale={width}:{height}{matrix}")
    picture = ["-map", f"0:{media.video_stream}", "-vf", ",".join(graph), "-f", "rawvideo", "-pix_fmt", "rgb24"]
    count = 0
    with _pipe([*input_arguments(footage.path, media), *picture]) as pipe:
        while True:
            frame = np.empty((height, width, 3), np.uint8)
            if not _filled(pipe, frame.reshape(-1).data):
                break
            count += 1
            yield frame
    if count == 0:
        raise MediaRefused("video_url: not one frame of this film can be read.")


def _filled(pipe: IO[bytes], room: memoryview) -> bool:
    got = 0
    while got < len(room):
        read = pipe.readinto(room[got:])  # type: ignore[attr-defined] # an unbuffered or buffered reader has it
        if not read:
            return False
        got += read
    return True


@contextmanager
def _pipe(arguments: list[str]) -> Iterator[IO[bytes]]:
    """What ffmpeg writes. Leaving the block ends it."""
    command = [*BOUNDED, str(ffmpeg_path()), "-hide_banner", "-nostdin", "-v", "error", *arguments, "pipe:1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None  # noqa: S101 - opened with PIPE
    try:
        yield process.stdout
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
