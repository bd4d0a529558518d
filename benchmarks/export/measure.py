"""What running programs costs, children and all, and what came out of it."""

from __future__ import annotations

import re
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import psutil

from gpu_worker.media.ffmpeg import ffmpeg_path

SAMPLE_SECONDS = 0.1
Command = Sequence[str | Path]


@dataclass(frozen=True)
class Usage:
    """Seconds by the clock, CPU seconds of all processes, and the most memory (the sum of their RSS) at one time."""

    wall: float
    cpu: float
    peak_mb: float


class Failed(Exception):
    """A program ended with an error; the message is the end of what it said."""


def run(steps: Sequence[Sequence[Command]], folder: Path) -> Usage:
    """Run the steps one after the other, the commands of a step side by side."""
    over = threading.Event()
    peaks = [0.0]
    sampler = threading.Thread(target=_watch, args=(over, peaks))
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    sampler.start()
    try:
        for step in steps:
            _together(step, folder)
    finally:
        over.set()
        sampler.join()
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Usage(wall, cpu, peaks[0])


def _together(commands: Sequence[Command], folder: Path) -> None:
    with tempfile.TemporaryFile() as log:
        processes = [subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) for command in commands]
        codes = [process.wait() for process in processes]
        if any(codes):
            log.seek(0)
            raise Failed(log.read().decode("utf-8", "replace")[-2000:])


def _watch(over: threading.Event, peaks: list[float]) -> None:
    me = psutil.Process()
    while not over.wait(SAMPLE_SECONDS):
        total = 0
        for child in me.children(recursive=True):
            try:
                total += child.memory_info().rss
            except psutil.Error:
                continue
        peaks[0] = max(peaks[0], total / 1e6)


def frames(path: Path) -> int:
    """How many pictures the file decodes to."""
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))


def decode_errors(path: Path) -> int:
    """Lines that ffmpeg has to say about the file while it decodes all of it."""
    said = _ffmpeg("-v", "error", "-i", path, "-f", "null", "-")
    return len(said.splitlines())


def worst_psnr(path: Path, reference: Path) -> float:
    """The PSNR, in dB, of the frame that is least like the reference's."""
    said = _ffmpeg("-i", path, "-i", reference, "-lavfi", "psnr", "-an", "-f", "null", "-")
    found = re.search(r"PSNR .*min:(\S+)", said)
    return float(found[1]) if found else 0.0


def _ffmpeg(*arguments: str | Path) -> str:
    command = [str(ffmpeg_path()), "-hide_banner", "-nostdin", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr
