"""EXPORT against the limit, against ffmpeg by hand and against other programs, in one run.

    make bench-export                                   # --quick: small frames, a minute or two
    make bench-export ARGS="--rounds 3 --install-as-root"

Every row is programs of their own, children counted: seconds by the clock, CPU seconds, and the most memory at one
time (sum of RSS, ten times a second). Rounds are interleaved and medians printed. Other programs go once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import planning
from benchmarks.export import films, others, plain
from benchmarks.export.measure import Command, Failed, Usage, decode_errors, frames, run, worst_psnr
from benchmarks.export.sources import FULL, QUICK, Scale, alike_sources, mixed_sources
from gpu_worker.media.ffmpeg import ffmpeg_path, ffmpeg_version

Steps = list[list[Command]]
Make = Callable[[str], Steps]
LIMIT, PLAIN, OURS, PREVIEW = "encode-only limit", "ffmpeg, two processes", "Rushes", "Rushes, preview"
WHOLE, OFF, SMART = "ffmpeg, all encoded", "Rushes, smart cut off", "Rushes, smart cut"
MOVIEPY, EDITLY = "MoviePy 2.2.1", "editly 0.14.2"


class Bench:
    """One run: where things lie, how large they are, and what was measured."""

    def __init__(self, chosen: argparse.Namespace, folder: Path) -> None:
        self.scale: Scale = QUICK if chosen.quick else FULL
        self.rounds: int = chosen.rounds
        self.as_root: bool = chosen.install_as_root
        self.folder = folder / "work"
        self.sources = folder / ("quick" if chosen.quick else "full")
        self.tools = folder / "tools"
        for one in (self.folder, self.sources, self.tools):
            one.mkdir(parents=True, exist_ok=True)

    def ours(self, timeline: films.Timeline, target: str) -> Steps:
        """Rushes as EXPORT runs it: timeline → plan → film, in a process of its own."""
        written = self.folder / f"{target}.json"
        written.write_text(json.dumps(timeline))
        return [[[sys.executable, "-m", "gpu_worker.timeline", "stitch", written, self.folder / target]]]

    def interleaved(self, contenders: dict[str, Make], once: tuple[str, ...] = ()) -> dict[str, Usage]:
        """The median of each contender; those of `once` run in the first round alone."""
        found: defaultdict[str, list[Usage]] = defaultdict(list)
        for number in range(self.rounds):
            for name, make in contenders.items():
                if number == 0 or name not in once:
                    self._measure(name, make, found)
        return {name: _median(usages) for name, usages in found.items()}

    def _measure(self, name: str, make: Make, found: defaultdict[str, list[Usage]]) -> None:
        try:
            usage = run(make(self.made(name).name), self.folder)
        except others.LeftOut as reason:
            print(f"  {name} is left out: {reason}")
        except Failed as problem:
            print(f"  {name} failed:\n{problem}")
        else:
            sys.stderr.write(f"  {name}: {usage.wall:.1f} s, {usage.cpu:.1f} CPU s, {usage.peak_mb:.0f} MB\n")
            found[name].append(usage)

    def goal(self, what: str, figure: float, relation: str, bound: float) -> None:
        """Say whether a goal is reached; at the small size start-up is all there is, and goals mean nothing."""
        reached = {"at most": figure <= bound, "under": figure < bound, "at least": figure >= bound}[relation]
        word = "" if self.scale is QUICK else "reached" if reached else "MISSED"
        print(f"  {word:<8} {what}: {figure:.2f} (goal: {relation} {bound:g})", flush=True)

    def made(self, name: str) -> Path:
        """The film of a contender."""
        return self.folder / f"{name.replace(' ', '-')}.mp4"


def mixed(bench: Bench) -> None:
    """T1."""
    mixed_sources(bench.scale, bench.sources)
    timeline = films.mixed(bench.scale, bench.sources)
    run(plain.two_processes(bench.scale, bench.sources, bench.folder, "first.mp4"), bench.folder)
    master = bench.folder / "master.mp4"
    run([[plain.lossless(bench.folder / "first.mp4", master)]], bench.folder)
    moviepy = partial(others.moviepy, bench.scale, bench.sources, bench.tools, bench.folder)
    editly = partial(others.editly, bench.scale, bench.sources, bench.tools, bench.folder, as_root=bench.as_root)
    contenders: dict[str, Make] = {
        LIMIT: partial(plain.limit, master),
        PLAIN: partial(plain.two_processes, bench.scale, bench.sources, bench.folder),
        OURS: partial(bench.ours, timeline),
        PREVIEW: partial(bench.ours, timeline | {"output": {**timeline["output"], "profile": "preview"}}),
        MOVIEPY: partial(moviepy, graded="film"),
        "MoviePy, clips graded": partial(moviepy, graded="clips"),
        EDITLY: editly,
    }
    found = bench.interleaved(contenders, once=(MOVIEPY, "MoviePy, clips graded", EDITLY))
    seconds = films.mixed_seconds(bench.scale)
    title = f"T1: {seconds:g} s, 5 mixed clips, crossfades, captions, warm, ducked music and voice, loudness"
    _table(title, found, LIMIT, {name: f"{frames(bench.made(name))} frames" for name in found})
    ours, limit, best, quick = (found[name] for name in (OURS, LIMIT, PLAIN, PREVIEW))
    bench.goal("CPU of the limit", ours.cpu / limit.cpu, "at most", 1.9)
    bench.goal("wall of the two-process form", ours.wall / best.wall, "at most", 1.0)
    bench.goal("peak MB", ours.peak_mb, "under", 500)
    bench.goal("preview, times faster by the clock", ours.wall / quick.wall, "at least", 8)
    for name, times in ((MOVIEPY, 4), (EDITLY, 2)):
        if name in found:
            bench.goal(f"times less CPU than {name}", found[name].cpu / ours.cpu, "at least", times)


def alike(bench: Bench) -> None:
    """T2, and what captions cost."""
    alike_sources(bench.scale, bench.sources)
    contenders: dict[str, Make] = {
        WHOLE: partial(plain.whole, bench.scale, bench.sources),
        OFF: partial(bench.ours, films.alike(bench.scale, bench.sources, smart_cut="off")),
        SMART: partial(bench.ours, films.alike(bench.scale, bench.sources)),
    }
    found = bench.interleaved(contenders)
    planned = round(bench.scale.copied_clips * bench.scale.copied_seconds * films.FPS)
    path, whole = bench.made(SMART), bench.made(OFF)
    _table(f"T2: {bench.scale.copied_clips} clips of one kind", found, WHOLE, {})
    bench.goal("CPU of encoding all", found[SMART].cpu / found[WHOLE].cpu, "at most", 0.333)
    bench.goal("frames more or less than planned", abs(frames(path) - planned), "at most", 0)
    bench.goal("lines of decode errors", decode_errors(path), "at most", 0)
    bench.goal("worst PSNR against all encoded, dB", worst_psnr(path, whole), "at least", 35)


def captions(bench: Bench) -> None:
    """The same film with none, some and very many."""
    alike_sources(bench.scale, bench.sources)
    counts = (0, 10, 2000)
    contenders: dict[str, Make] = {
        f"{count} captions": partial(bench.ours, films.captioned(bench.scale, bench.sources, count)) for count in counts
    }
    found = bench.interleaved(contenders)
    _table("Captions drawn into T2's film", found, "0 captions", {})
    for count in counts[1:]:
        more = 100 * (found[f"{count} captions"].cpu / found["0 captions"].cpu - 1)
        bench.goal(f"% more CPU for {count}", more, "under", 10)


def many(bench: Bench) -> None:
    """A film of hundreds of clips, each fading into the next."""
    mixed_sources(bench.scale, bench.sources)
    found = bench.interleaved({"many": partial(bench.ours, films.many(bench.scale, bench.sources))}, once=("many",))
    clips = bench.scale.many_clips
    _table(f"{clips} mixed clips with crossfades", found, "many", {"many": f"{frames(bench.made('many'))} frames"})
    bench.goal("peak MB", found["many"].peak_mb, "under", 500)


def plans(_bench: Bench) -> None:
    """Three hours planned, no file opened."""
    print("\nPlanning (goal: three hours in under a second)", flush=True)
    planning.main()


PARTS = {"mixed": mixed, "alike": alike, "captions": captions, "many": many, "plans": plans}


def _table(title: str, found: dict[str, Usage], base: str, said: dict[str, str]) -> None:
    print(f"\n{title}\n{'':<26}{'wall s':>8}{'CPU s':>8}{'CPU/' + base[:12]:>18}{'peak MB':>9}")
    for name, usage in found.items():
        share = usage.cpu / found[base].cpu
        print(f"{name:<26}{usage.wall:>8.1f}{usage.cpu:>8.1f}{share:>18.2f}{usage.peak_mb:>9.0f}  {said.get(name, '')}")


def _median(usages: list[Usage]) -> Usage:
    return Usage(*(statistics.median(getattr(one, key) for one in usages) for key in ("wall", "cpu", "peak_mb")))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description="EXPORT measured")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts; all when left out")
    parser.add_argument("--quick", action="store_true", help="small versions of all")
    parser.add_argument("--rounds", type=int, default=1, help="how often each is measured")
    parser.add_argument("--folder", type=Path, help="keeps inputs and other programs for the next run")
    parser.add_argument("--install-as-root", action="store_true", help="apt-get what editly needs")
    chosen = parser.parse_args()
    print(f"ffmpeg {ffmpeg_version()}, {ffmpeg_path().name}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(chosen, (chosen.folder or Path(temporary)).absolute())
        for name in chosen.parts or PARTS:
            PARTS[name](bench)


if __name__ == "__main__":
    main()
