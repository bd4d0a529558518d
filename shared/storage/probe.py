"""Does a store keep its promise of conditional puts? Not every server that speaks S3 does, and nothing else tells."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from shared.storage.base import ObjectStore

_STALE_ETAG = '"00000000000000000000000000000000"'


@dataclass(frozen=True)
class ConditionalPuts:
    """Which conditions the store enforces: `If-None-Match: *` when a key is taken, `If-Match` when it has changed."""

    if_none_match: bool
    if_match: bool

    @property
    def enforced(self) -> bool:
        """True when claims are safe there."""
        return self.if_none_match and self.if_match


def probe_conditional_puts(store: ObjectStore) -> ConditionalPuts:
    """Try both conditions on a scratch key, which is gone afterwards. StorageFailed when the store cannot be used."""
    key = f"probes/{uuid.uuid4()}.json"
    try:
        created = store.put_if_absent(key, b'{"probe": 1}')
        if created is None:
            return ConditionalPuts(if_none_match=False, if_match=False)
        second = store.put_if_absent(key, b'{"probe": 2}')
        stale = store.put_if_match(key, b'{"probe": 3}', _STALE_ETAG)
        fresh = store.put_if_match(key, b'{"probe": 4}', stale or second or created)
    finally:
        store.delete(key)
    return ConditionalPuts(if_none_match=second is None, if_match=stale is None and fresh is not None)
