"""The one-call form, for programs that import this one: local files in, a film out."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from gpu_worker.context import ProducedFile, Report
from gpu_worker.timeline.runner.render import render
from gpu_worker.timeline.sources import planned
from shared.errors import InvalidParams, MediaRefused
from shared.timeline import Timeline
from shared.timeline.output import CODECS

Json = Any
_FORMATS = tuple(CODECS)


def stitch_timeline(
    clips: Sequence[Mapping[str, Json]],
    captions: Sequence[Mapping[str, Json]],
    path: Path | str,
    *,
    report: Report | None = None,
    note: Callable[[str], None] | None = None,
    **more: Json,
) -> Path:
    """Make the film of `clips` and `captions` at `path` and return it; `more` is the rest of a timeline.

    Everything is written as in an EXPORT job, but every `url` is a local path. The format is that of the path's
    suffix, unless `output` names one. Other files that `output` asks for come to lie beside the film. `note` gets each
    sentence about what was done that was not literally asked for.
    Raises pydantic's ValidationError for a timeline that cannot be made, and otherwise what an EXPORT job fails with:
    MediaRefused, InvalidParams, EngineFailed.
    """
    return stitch({"clips": clips, "captions": captions, **more}, path, report=report, note=note)


def stitch(
    timeline: Mapping[str, Json],
    path: Path | str,
    *,
    report: Report | None = None,
    note: Callable[[str], None] | None = None,
) -> Path:
    """`stitch_timeline` of a timeline in one piece, such as one read from a file."""
    # ffmpeg runs in a folder of its own, so that no path may be relative.
    target = Path(path).absolute()
    files: dict[str, Path] = {}
    try:
        written = _with_references({**timeline, "output": _with_format(timeline.get("output"), target)}, files)
    except RecursionError as depth:
        raise InvalidParams("The timeline is nested too deeply.") from depth
    checked = Timeline.model_validate(written)
    with _folder_beside(target) as folder:
        film = planned(checked, lambda url: _local(files[url]), folder, report or _silent)
        _spare([target], files.values())
        made = render(film, folder, report or _silent)
        _put(made.files, target, files.values())
    if note is not None:
        for sentence in made.engine.get("notes", ()):
            note(sentence)
    return target


def _with_format(output: Json, path: Path) -> Json:
    output = {} if output is None else output
    if not isinstance(output, Mapping):
        return output
    suffix = path.suffix.removeprefix(".").lower()
    if suffix in _FORMATS:
        return {"format": suffix, **output}
    if suffix and "format" not in output:
        known = ", ".join(f".{name}" for name in _FORMATS)
        raise InvalidParams(f"No film ends with .{suffix}: take one of {known}, or name output.format.")
    return output


def _with_references(value: Json, files: dict[str, Path], name: str = "") -> Json:
    """A copy in which references stand for the local files, which are gathered in `files`."""
    if isinstance(value, Mapping):
        return {key: _with_references(part, files, str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_references(part, files, name) for part in value]
    return _reference(value, files) if name.endswith("url") and isinstance(value, str | Path) else value


def _reference(path: str | Path, files: dict[str, Path]) -> str:
    if isinstance(path, str) and _is_address(path):
        raise InvalidParams("stitch_timeline takes paths of local files; send addresses to POST /timeline/stitch.")
    file = Path(path).absolute()
    reference = next((known for known, other in files.items() if other == file), f"storage://uploads/{len(files)}")
    files[reference] = file
    return reference


def _is_address(path: str) -> bool:
    with contextlib.suppress(ValueError):
        return len(urlsplit(path).scheme) > 1
    return False


def _local(path: Path) -> Path:
    """The path; MediaRefused, for whoever names the part, unless a file lies there that may be read."""
    with _in_words(MediaRefused, path):
        if not path.is_file():
            raise MediaRefused(f"there is no file {path.name!r}.")
        path.open("rb").close()
    return path


@contextlib.contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    with _in_words(InvalidParams, target.parent):
        if target.is_dir():
            raise InvalidParams(f"{target.name!r} is a folder; name the film in it.")
        folder = TemporaryDirectory(prefix=".rushes-", dir=target.parent)
    with folder as name:
        yield Path(name)


@contextlib.contextmanager
def _in_words(kind: type[InvalidParams | MediaRefused], path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else None
        raise kind(f"{path.name[:80]!r} cannot be used: {(why or 'no file has such a name').lower()}.") from problem


def _put(made: Sequence[ProducedFile], target: Path, used: Iterable[Path]) -> None:
    """Where the person finds them; the film last."""
    places = [target, *(target.with_name(file.path.name.replace("film", target.stem, 1)) for file in made[1:])]
    _spare(places, used)
    for file, place in reversed(list(zip(made, places, strict=True))):
        with _in_words(InvalidParams, place):
            shutil.move(file.path, place)


def _spare(places: Sequence[Path], used: Iterable[Path]) -> None:
    """InvalidParams where something would be written over what the film is made of."""
    sources = {path.resolve() for path in used}
    for place in places:
        with _in_words(InvalidParams, place):
            is_source = place.resolve() in sources
        if is_source:
            raise InvalidParams(f"{place.name!r} would be written over a file that the film is made of.")


def _silent(stage: str, progress: int, message: str = "") -> None:
    """Nobody is watching."""
