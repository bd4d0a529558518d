"""The probe of conditional puts, on stores that keep the promise and on one that does not."""

from __future__ import annotations

import pytest

from control_plane.dispatch.store_check import StoreCheck, explain
from shared.errors import StorageFailed
from shared.storage.base import ObjectStore
from shared.storage.probe import ConditionalPuts, probe_conditional_puts
from shared.storage.s3 import S3Store
from tests.standins.careless_s3 import careless_s3


def test_our_stores_enforce_both_conditions_and_keep_nothing_of_it(store: ObjectStore) -> None:
    assert probe_conditional_puts(store) == ConditionalPuts(if_none_match=True, if_match=True)
    assert list(store.list("")) == []


@pytest.mark.parametrize("honours_if_match", [False, True])
def test_a_server_that_ignores_a_condition_is_found_out(honours_if_match: bool) -> None:
    with careless_s3(honours_if_match=honours_if_match) as url:
        found = probe_conditional_puts(S3Store("bucket", url, "auto", "key", "secret"))
    assert found == ConditionalPuts(if_none_match=False, if_match=honours_if_match)
    sentence = explain(found)
    assert sentence
    assert ("If-Match" in sentence) is not honours_if_match


async def test_a_store_that_does_not_answer_is_asked_again() -> None:
    with careless_s3() as url:
        pass
    check = StoreCheck(S3Store("bucket", url, "auto", "key", "secret"))
    await check.look()
    assert check.puts is None
    assert check.trouble == "The bucket did not answer."
    with pytest.raises(StorageFailed):
        probe_conditional_puts(S3Store("bucket", url, "auto", "key", "secret"))
