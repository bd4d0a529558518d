"""The stores by name: an output is read from the store it was written to, also when the settings have changed since."""

from __future__ import annotations

from collections.abc import Iterable

from shared.errors import StorageFailed
from shared.storage.base import ObjectStore


class StoreDirectory:
    """`current` takes what is new; `at` finds what is old."""

    def __init__(self, current: ObjectStore, others: Iterable[ObjectStore] = ()) -> None:
        self.current = current
        self._by_name = {store.name: store for store in (*others, current)}

    @property
    def all(self) -> list[ObjectStore]:
        """Every store the settings reach."""
        return list(self._by_name.values())

    def at(self, name: str) -> ObjectStore:
        """The store called `name`. StorageFailed when the settings do not reach it any more."""
        store = self._by_name.get(name)
        if store is None:
            raise StorageFailed(f"The store {name} is not configured any more")
        return store
