"""Brings weights from the Hugging Face hub: safetensors alone (or made of pickles), at one commit, whole or not at all.

The commit that a branch stands at is written down beside the files, and that is what results name from then on.
"""

from __future__ import annotations

import fnmatch
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_worker.models.convert import convert_all
from gpu_worker.models.files import PICKLES, BadWeights, check_folder, only_pickles
from gpu_worker.models.store import NOTE, ModelStore, Weights
from shared.catalog.model import Model, Source
from shared.errors import EngineUnavailable, RushesError

HEADROOM_BYTES = 2 * 10**9
"""Free disk that fetching leaves for everything else."""
Say = Callable[[str, int, int], None]
"""`say(file, bytes done, bytes in all)`, before each file and once at the end."""


class NoRoom(RushesError):
    """There is too little free disk space for the weights."""

    code = "DISK_FULL"


class FetchFailed(EngineUnavailable):
    """The weights could not be fetched."""

    code = "FETCH_FAILED"
    retryable = True


@dataclass(frozen=True)
class Listing:
    """What a repository has of what we take, at one commit. `files` maps names to bytes."""

    repo: str
    revision: str
    files: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.files.values())


def fetch(
    model: Model, store: ModelStore, say: Say, *, endpoint: str | None = None, token: str | None = None
) -> Weights:
    """Fetch a model into the store. Raises BadWeights, NoRoom, FetchFailed, each in one sentence.

    An interrupted fetch goes on where it was. `endpoint` is the hub's address, None for the public one.
    """
    if model.source is None:
        raise EngineUnavailable(f"{model.id} needs no weights.")
    hub = _Hub(endpoint, token)
    sources = (
        {".": model.source} | {name: part.source for name, part in model.video.parts.items()}
        if model.video
        else {".": model.source}
    )
    listings = {name: hub.listing(source, model.id) for name, source in sources.items()}
    target = store.target() / model.id
    draft = target.with_name(f"{model.id}.partial")
    _check_room(draft, sum(listing.size for listing in listings.values()), model)
    _Fetching(hub, say, listings).run(draft)
    if model.source.pickled:
        convert_all(draft, model.id)
    check_folder(draft, model.id)
    note = {name: {"repo": it.repo, "revision": it.revision} for name, it in listings.items()}
    (draft / NOTE).write_text(json.dumps(note["."] | {"parts": note}, indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    found = store.find(model)
    if found is None:
        raise FetchFailed(f"{model.id} was fetched but is not found in {target.parent}.")
    return found


def _check_room(draft: Path, needed: int, model: Model) -> None:
    draft.mkdir(parents=True, exist_ok=True)
    there = sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
    free = shutil.disk_usage(draft).free
    if needed - there + HEADROOM_BYTES > free:
        raise NoRoom(f"{model.id} takes {needed / 1e9:.1f} GB, and only {free / 1e9:.1f} GB of the disk are free.")


@dataclass
class _Fetching:
    hub: _Hub
    say: Say
    listings: dict[str, Listing]

    def run(self, draft: Path) -> None:
        done, total = 0, sum(listing.size for listing in self.listings.values())
        for name, listing in self.listings.items():
            for file, size in listing.files.items():
                self.say(file, done, total)
                self.hub.bring(listing, file, draft / name)
                done += size
            shutil.rmtree(draft / name / ".cache", ignore_errors=True)
        self.say("", done, total)


class _Hub:
    """huggingface_hub behind the three things we ask of it."""

    def __init__(self, endpoint: str | None, token: str | None) -> None:
        try:
            import huggingface_hub
        except ImportError as missing:
            raise EngineUnavailable(
                "Fetching needs the engines: run python tools/engines_env.py, then use .venv-engines/bin/python."
            ) from missing
        self._hub: Any = huggingface_hub
        self._endpoint, self._token = endpoint, token

    def listing(self, source: Source, name: str) -> Listing:
        try:
            api = self._hub.HfApi(endpoint=self._endpoint, token=self._token)
            info = api.model_info(source.repo, revision=source.revision, files_metadata=True)
        except Exception as trouble:
            raise self._failed(source.repo, trouble) from trouble
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        wanted = {file: size for file, size in sizes.items() if any(fnmatch.fnmatch(file, p) for p in source.files)}
        if source.pickled and wanted:
            return Listing(source.repo, str(info.sha), wanted)
        kept = {file: size for file, size in wanted.items() if not file.endswith(PICKLES)}
        if not any(file.endswith(".safetensors") for file in kept):
            raise (
                only_pickles(name)
                if any(file.endswith(PICKLES) for file in sizes)
                else BadWeights(f"{source.repo} has no weights in safetensors.")
            )
        return Listing(source.repo, str(info.sha), kept)

    def bring(self, listing: Listing, file: str, folder: Path) -> None:
        try:
            self._hub.hf_hub_download(
                listing.repo,
                file,
                revision=listing.revision,
                local_dir=folder,
                endpoint=self._endpoint,
                token=self._token,
            )
        except Exception as trouble:
            raise self._failed(f"{listing.repo}/{file}", trouble) from trouble

    def _failed(self, what: str, trouble: Exception) -> FetchFailed:
        if isinstance(trouble, self._hub.errors.OfflineModeIsEnabled):
            return FetchFailed(f"{what} may not be fetched: HF_HUB_OFFLINE is set. Unset it.", retryable=False)
        status = getattr(getattr(trouble, "response", None), "status_code", None)
        match status:
            case 401 | 403:
                # Jobs open hostile media: the token is not with them.
                return FetchFailed(
                    f"The hub refuses {what}: accept its licence there, set HF_TOKEN, and fetch it before any job: "
                    "python -m gpu_worker models fetch.",
                    retryable=False,
                )
            case 404:
                return FetchFailed(f"The hub does not know {what}, or you may not see it.", retryable=False)
            case _:
                return FetchFailed(f"{what} could not be fetched ({type(trouble).__name__}); try again, it goes on.")
