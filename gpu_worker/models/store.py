"""Finds a model's weights on this machine. The order: the owner's folder, the image, RunPod's cache, the volume.

A folder of ours is named after the model and has a `rushes-model.json` that says which commit of which repository it
is. RunPod's cache is laid out as huggingface_hub lays out its own: `models--<owner>--<name>/snapshots/<commit>`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gpu_worker.models.files import check_folder
from gpu_worker.settings import WorkerSettings
from shared.catalog.model import Model, Source
from shared.errors import EngineUnavailable

Place = Literal["folder", "image", "cache", "volume"]
NOTE = "rushes-model.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Weights:
    """A model's weights: one folder, and one for each part that comes from a repository of its own."""

    folder: Path
    revision: str | None
    place: Place
    parts: dict[str, Path] = field(default_factory=dict)


class ModelStore:
    """`folder`, `image` and `volume` hold one folder a model, `cache` is laid out by huggingface_hub."""

    def __init__(self, folder: Path, *, image: Path, cache: Path, volume: Path) -> None:
        self.folder, self.image, self.cache, self.volume = folder, image, cache, volume

    def find(self, model: Model) -> Weights | None:
        """The weights of a model, unopened, or None when they are nowhere."""
        return next(self._found(model), None)

    def require(self, model: Model) -> Weights:
        """Like `find`, but EngineUnavailable when they are nowhere."""
        found = self.find(model)
        if found is None:
            raise EngineUnavailable(
                f"The weights of {model.id} {self._why_not(model)}: python -m gpu_worker models fetch {model.id}"
            )
        return found

    def get(self, model: Model) -> Weights:
        """The weights, each file seen to be whole. EngineUnavailable when they are not here, BadWeights when unfit."""
        found = self.require(model)
        for folder in (found.folder, *found.parts.values()):
            check_folder(folder, model.id)
        return found

    def target(self) -> Path:
        """Where fetched weights go: the volume where there is one, for the next worker to find, else the folder."""
        return self.volume if self.volume.parent.is_dir() else self.folder

    def _why_not(self, model: Model) -> str:
        here = [noted_revision(root / model.id) for root in (self.folder, self.image, self.volume)]
        if model.source:
            here += [path.name for path in sorted(self._repo(model.source).glob("snapshots/*"))]
        other = next((commit for commit in here if commit), None)
        if other is None or model.source is None:
            return "are not on this worker"
        return f"here are of commit {other[:8]}, and the catalog names {model.source.revision[:8]}"

    def _found(self, model: Model) -> Iterator[Weights]:
        if model.source is None:
            return
        yield from self._in(self.folder, "folder", model)
        yield from self._in(self.image, "image", model)
        # What is cached as it was published is no use where that is pickles.
        yield from self._cached(model, model.source) if not model.source.pickled else ()
        yield from self._in(self.volume, "volume", model)

    def _in(self, root: Path, place: Place, model: Model) -> Iterator[Weights]:
        folder = root / model.id
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        revision = noted_revision(folder)
        if is_wanted(model.source, revision):
            names = model.video.parts if model.video else {}
            yield Weights(folder, revision, place, {name: folder / name for name in names})

    def _cached(self, model: Model, source: Source) -> Iterator[Weights]:
        snapshot = self._snapshot(source)
        sources = {name: part.source for name, part in model.video.parts.items()} if model.video else {}
        parts = {name: found for name, part in sources.items() if (found := self._snapshot(part))}
        if snapshot and len(parts) == len(sources):
            yield Weights(snapshot, snapshot.name, "cache", parts)

    def _repo(self, source: Source) -> Path:
        return self.cache / f"models--{source.repo.replace('/', '--')}"

    def _snapshot(self, source: Source) -> Path | None:
        repo, commit = self._repo(source), source.revision
        if not _COMMIT.fullmatch(commit):
            try:
                commit = (repo / "refs" / commit).read_text(encoding="utf-8").strip()
            except OSError:
                return None
        snapshot = repo / "snapshots" / commit
        return snapshot if _COMMIT.fullmatch(commit) and snapshot.is_dir() else None


def open_models(settings: WorkerSettings, model_dir: Path | None = None) -> ModelStore:
    """The store that the settings describe; `model_dir` stands in for theirs."""
    folder = model_dir or settings.model_dir or settings.data_dir / "models"
    return ModelStore(
        folder.resolve(),
        image=settings.model_baked_dir,
        cache=settings.model_hub_dir,
        volume=settings.model_volume_dir,
    )


def noted_revision(folder: Path) -> str | None:
    """The commit a folder of ours was fetched at; None for one that was put there by hand."""
    try:
        revision = json.loads((folder / NOTE).read_text(encoding="utf-8"))["revision"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(revision)


def is_wanted(source: Source | None, revision: str | None) -> bool:
    """Whether weights of this commit may stand for the source: one that pins a commit takes no other, but trusts
    what the owner put there without a note.
    """
    return source is None or revision is None or not _COMMIT.fullmatch(source.revision) or source.revision == revision
