"""Environments of speech engines: made whole or not at all, and every failure says what to do."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from gpu_worker.engines.speech import environment
from gpu_worker.engines.speech.environment import Apart, like_ours, make, python_of
from gpu_worker.settings import WorkerSettings
from shared.errors import EngineUnavailable


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerSettings:
    """Kokoro's environment is what pip finds without asking anybody."""
    monkeypatch.setattr(environment, "_REQUIREMENTS", tmp_path)
    monkeypatch.setattr(environment, "version", lambda _: "2.13.0")
    monkeypatch.setitem(environment.APART, "kokoro", Apart("json", ("pip",)))
    (tmp_path / "kokoro.txt").write_text("")
    return WorkerSettings(speech_env_dir=tmp_path / "environments")


def test_every_engine_with_requirements_has_the_rest_too() -> None:
    assert set(environment.OWN) == set(environment.APART)
    assert not [
        line
        for path in Path(environment.__file__).with_name("requirements").iterdir()
        for line in path.read_text(encoding="utf-8").splitlines()
        if "==" not in line.partition("#")[0] and not line.startswith("#")
    ]


def test_what_is_missing_is_named_and_what_is_there_stays(settings: WorkerSettings, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="models env kokoro makes it"):
        python_of("kokoro", settings)
    lone = Apart("json", ("pip",), wheel=str(tmp_path / "english.whl"), lacking="English")
    environment.APART["kokoro"] = lone
    with pytest.raises(EngineUnavailable, match=r"has its environment, but for English.*-m pip install --no-deps"):
        make("kokoro", settings)
    python = python_of("kokoro", settings)
    assert python.is_file()
    environment.APART["kokoro"] = Apart("no_such_module", ("pip",))
    with pytest.raises(EngineUnavailable, match="could not be made; the words above say why"):
        make("kokoro", settings)
    assert python_of("kokoro", settings) == python
    assert [folder.name for folder in (tmp_path / "environments").iterdir()] == ["kokoro"]


def test_an_engine_without_one_says_so(settings: WorkerSettings) -> None:
    with pytest.raises(EngineUnavailable, match="espeak needs no environment of its own"):
        make("espeak", settings)


@pytest.mark.parametrize(
    ("ours", "taken"),
    [
        ("2.13.0", ["torch==2.13.0"]),
        (None, ["torch==2.13.0"]),
        (
            "2.13.0+cu126",
            ["torch==2.13.0+cu126", "--extra-index-url", "https://download.pytorch.org/whl/cu126"],
        ),
    ],
)
def test_torch_is_of_the_build_that_the_workers_is(
    monkeypatch: pytest.MonkeyPatch, ours: str | None, taken: list[str]
) -> None:
    def version(_name: str) -> str:
        if ours is None:
            raise PackageNotFoundError
        return ours

    monkeypatch.setattr(environment, "version", version)
    assert like_ours(("torch==2.13.0",)) == taken
