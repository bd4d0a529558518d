"""The one-call form, for programs that import this one: local files in, a film out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from gpu_worker.context import Report
from gpu_worker.timeline.runner.render import render
from gpu_worker.timeline.sources import planned
from shared.errors import InvalidParams
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
    **more: Json,
) -> Path:
    """Make the film of `clips` and `captions` at `path` and return it; `more` is the rest of a timeline.

    Everything is written as in an EXPORT job, but every `url` is a local path. The format is that of the path's
    suffix, unless `output` names one. Other files that `output` asks for come to lie beside the film.
    Raises pydantic's ValidationError for a timeline that cannot be made, and otherwise what an EXPORT job fails with:
    MediaRefused, InvalidParams, EngineFailed.
    """
    # ffmpeg runs in a folder of its own, so that no path may be relative.
    target = Path(path).absolute()
    files: dict[str, Path] = {}
    output = _with_format(more.pop("output", None) or {}, target)
    written = {"clips": clips, "captions": captions, **more, "output": output}
    timeline = Timeline.model_validate(_with_references(written, files))
    with TemporaryDirectory(prefix=".rushes-", dir=target.parent) as name:
        folder = Path(name)
        film = planned(timeline, files.__getitem__, folder, report or _silent)
        made = render(film, folder, report or _silent).files
        for file in reversed(made):
            beside = target.with_name(file.path.name.replace("film", target.stem, 1))
            shutil.move(file.path, target if file is made[0] else beside)
    return target


def _with_format(output: Mapping[str, Json], path: Path) -> dict[str, Json]:
    suffix = path.suffix.removeprefix(".").lower()
    return {"format": suffix, **output} if suffix in _FORMATS else dict(output)


def _with_references(value: Json, files: dict[str, Path], name: str = "") -> Json:
    """A copy in which references stand for the local files, which are gathered in `files`."""
    if isinstance(value, Mapping):
        return {key: _with_references(part, files, key) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_references(part, files, name) for part in value]
    return _reference(value, files) if name.endswith("url") and isinstance(value, str | Path) else value


def _reference(path: str | Path, files: dict[str, Path]) -> str:
    if isinstance(path, str) and len(urlsplit(path).scheme) > 1:
        raise InvalidParams("stitch_timeline takes paths of local files; send addresses to POST /timeline/stitch.")
    file = Path(path).absolute()
    reference = next((known for known, other in files.items() if other == file), f"storage://uploads/{len(files)}")
    files[reference] = file
    return reference


def _silent(stage: str, progress: int, message: str = "") -> None:
    """Nobody is watching."""
