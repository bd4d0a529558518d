"""Bring everything a job's params refer to onto this disk, under limits, naming the field that is to blame."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args, get_type_hints

from pydantic import BaseModel

from gpu_worker.context import Report
from gpu_worker.lease import persistently
from gpu_worker.settings import WorkerSettings
from shared.errors import InvalidParams, RushesError
from shared.fetch import FetchLimits, fetch
from shared.references import MediaReference, lora_reference
from shared.storage.base import ObjectStore


class DiskFull(RushesError):
    """This worker has too little free disk space for the job's inputs."""

    code = "DISK_FULL"
    retryable = True


def references(params: BaseModel) -> dict[str, str]:
    """Each address in the params with the first field that holds it, such as `clips[2].url`."""
    found: dict[str, str] = {}
    for place, reference in _walk(params, ""):
        found.setdefault(reference, place)
    if lora := getattr(params, "lora", None):
        found.setdefault(lora_reference(lora), "lora")
    return found


async def bring(
    params: BaseModel, folder: Path, store: ObjectStore, settings: WorkerSettings, report: Report
) -> dict[str, Path]:
    """Copy every input into `folder` once, and return the local file of each reference.

    Raises what the store and `shared.fetch` raise, with the field's name before the sentence; DiskFull.
    """
    wanted, files, left = references(params), dict[str, Path](), settings.fetch_max_total_bytes
    for number, (reference, place) in enumerate(wanted.items()):
        report("downloading", 100 * number // len(wanted), f"input {number + 1} of {len(wanted)}")
        path = folder / f"input-{number}"
        try:
            left -= await _bring_one(reference, path, store, settings, min(left, _room(folder, settings)))
        except RushesError as error:
            message = f"{place}: {error.message}"
            raise RushesError(message, code=error.code_now, retryable=error.retryable_now) from error
        files[reference] = path
    return files


async def _bring_one(reference: str, path: Path, store: ObjectStore, settings: WorkerSettings, room: int) -> int:
    max_bytes = min(settings.fetch_max_bytes, room)
    match reference.partition(":")[0].lower():
        case "storage":
            key = reference.removeprefix("storage://")
            return await persistently(settings.storage_patience_seconds, store.download, key, path, max_bytes)
        case "https" | "http":
            asked = FetchLimits(max_bytes=max_bytes, total_seconds=settings.fetch_timeout_seconds)
            return await fetch(reference, path, limits=asked, allow_private=settings.allow_private_urls)
        case scheme:
            raise InvalidParams(f"{scheme}: addresses are for the control plane; send this worker https or storage")


def _room(folder: Path, settings: WorkerSettings) -> int:
    room = shutil.disk_usage(folder).free - settings.fetch_reserve_bytes
    if room <= 0:
        raise DiskFull
    return room


def _walk(model: BaseModel, at: str) -> Iterator[tuple[str, str]]:
    for name, is_reference in _fields(type(model)).items():
        yield from _walk_value(getattr(model, name), f"{at}{name}", is_reference=is_reference)


@cache
def _fields(model: type[BaseModel]) -> dict[str, bool]:
    """Each field, and whether it holds references."""
    hints = get_type_hints(model, include_extras=True)
    return {name: _mentions(hints[name]) for name in model.model_fields}


def _walk_value(value: object, at: str, *, is_reference: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        yield from _walk(value, f"{at}.")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _walk_value(item, f"{at}[{number}]", is_reference=is_reference)
    elif isinstance(value, str) and is_reference:
        yield at, value


def _mentions(hint: object) -> bool:
    """Whether a field's type is, or is made of, MediaReference: a prompt that looks like an address is no input."""
    return hint == MediaReference or any(_mentions(part) for part in get_args(hint))
