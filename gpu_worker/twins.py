"""Makes a finished LoRA known by its name."""

from __future__ import annotations

from pathlib import Path

from shared.errors import StorageFailed
from shared.storage.base import ObjectStore
from shared.twins import Twin, card_key, weights_key


def register(store: ObjectStore, twin: Twin, weights: Path) -> bool:
    """Give the twin its name; False, and nothing changed, when another job's twin has it. Repeating it is harmless.

    Raises StorageFailed.
    """
    card = twin.model_dump_json(indent=1).encode()
    if store.put_if_absent(card_key(twin.name), card) is None and _owner(store, twin.name) != twin.job_id:
        return False
    store.upload(weights, weights_key(twin.name), "application/octet-stream")
    return True


def withdraw(store: ObjectStore, name: str, job_id: str) -> None:
    """Take the name back: the job that had registered it was canceled before its end was written down."""
    if _owner(store, name) == job_id:
        store.delete(card_key(name))
        store.delete(weights_key(name))


def _owner(store: ObjectStore, name: str) -> str | None:
    found = store.get(card_key(name))
    try:
        return Twin.model_validate_json(found.body).job_id if found else None
    except ValueError as damaged:
        raise StorageFailed(f"{card_key(name)} is damaged: delete the twin and try again.") from damaged
