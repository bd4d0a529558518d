"""The soak in its short form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.soak import Soak


@pytest.mark.nightly
@pytest.mark.timeout(400)
def test_nothing_grows_or_stays(tmp_path: Path) -> None:
    outcome = Soak(tmp_path, seed=1).run(seconds=45)
    assert outcome.wrong == []
    assert outcome.jobs.total() > 10
    assert outcome.faults.total() > 5
