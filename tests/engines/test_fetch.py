"""Fetching weights from a hub: whole, at one commit, safetensors alone, or a sentence that says why not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpu_worker.models.fetch import FetchFailed, NoRoom, fetch
from gpu_worker.models.files import BadWeights
from gpu_worker.models.store import ModelStore, Weights
from shared.catalog import catalog
from shared.catalog.model import Model
from shared.errors import EngineUnavailable
from tests.engines.hub import COMMIT, Hub, running

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hub(tmp_path: Path, tiny_models: Path) -> Iterator[Hub]:
    for name in ("tiny-t2v", "tiny-animatediff"):
        shutil.copytree(tiny_models / "models" / name, tmp_path / "hub" / "tiny" / name)
    shutil.move(
        tmp_path / "hub" / "tiny" / "tiny-animatediff" / "motion_adapter", tmp_path / "hub" / "tiny" / "adapter"
    )
    (tmp_path / "hub" / "tiny" / "tiny-t2v" / "weights.bin").write_bytes(b"\x80\x04 a pickle")
    with running(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    nowhere = tmp_path / "nowhere"
    return ModelStore(tmp_path / "models", image=nowhere, cache=nowhere, volume=nowhere / "models")


@pytest.fixture
def model(tiny_models: Path) -> Model:
    return catalog(tiny_models / "entries")["tiny-t2v"]


def bring(model: Model, store: ModelStore, hub: Hub) -> Weights:
    return fetch(model, store, lambda *_: None, endpoint=hub.url)


def test_a_model_is_fetched_whole_and_its_commit_noted(hub: Hub, store: ModelStore, model: Model) -> None:
    said: list[tuple[str, int, int]] = []
    found = fetch(model, store, lambda *news: said.append(news), endpoint=hub.url)
    assert (found.place, found.revision, found.folder) == ("folder", COMMIT, store.folder / "tiny-t2v")
    assert store.get(model) == found
    assert not (found.folder / "weights.bin").exists(), "a pickle beside safetensors is left there"
    assert [done for _, done, _ in said] == sorted(done for _, done, _ in said)
    assert said[-1][1] == said[-1][2] > 0
    assert all(f"/{COMMIT}/" in asked for asked in hub.asked if "/resolve/" in asked)
    assert not list(store.folder.glob("*.partial"))


def test_parts_come_along(hub: Hub, store: ModelStore, tiny_models: Path) -> None:
    model = catalog(tiny_models / "entries")["tiny-animatediff"]
    found = bring(model, store, hub)
    assert (found.parts["motion_adapter"] / "config.json").exists()
    assert (
        json.loads((found.folder / "rushes-model.json").read_text())["parts"]["motion_adapter"]["repo"]
        == "tiny/adapter"
    )


def test_an_interrupted_fetch_leaves_nothing_half_and_goes_on(hub: Hub, store: ModelStore, model: Model) -> None:
    hub.broken = {"vae/diffusion_pytorch_model.safetensors"}
    with pytest.raises(FetchFailed, match="goes on") as failed:
        bring(model, store, hub)
    assert failed.value.retryable_now
    assert store.find(model) is None
    hub.broken, hub.asked = set(), []
    assert bring(model, store, hub).revision == COMMIT
    assert not [asked for asked in hub.asked if asked.startswith("GET") and "transformer/diffusion" in asked]


def test_pickles_alone_are_refused_before_anything_is_fetched(hub: Hub, store: ModelStore, model: Model) -> None:
    for path in (hub.root / "tiny" / "tiny-t2v").rglob("*.safetensors"):
        path.rename(path.with_suffix(".bin"))
    with pytest.raises(BadWeights, match="only safetensors are used here"):
        bring(model, store, hub)
    assert not [asked for asked in hub.asked if "/resolve/" in asked]


def test_a_damaged_file_is_not_taken_over(hub: Hub, store: ModelStore, model: Model) -> None:
    file = hub.root / "tiny" / "tiny-t2v" / "transformer" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(BadWeights, match="not a whole safetensors"):
        bring(model, store, hub)
    assert store.find(model) is None


def test_a_full_disk_is_said_before_anything_is_fetched(
    hub: Hub, store: ModelStore, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(NoRoom, match="of the disk are free"):
        bring(model, store, hub)
    assert not [asked for asked in hub.asked if "/resolve/" in asked]


def test_who_must_accept_a_licence_is_told(hub: Hub, store: ModelStore, model: Model) -> None:
    hub.gated = True
    with pytest.raises(FetchFailed, match="accept its licence") as refused:
        bring(model, store, hub)
    assert not refused.value.retryable_now
    assert fetch(model, store, lambda *_: None, endpoint=hub.url, token="hf_x").revision == COMMIT


def test_an_unknown_repository_is_said(hub: Hub, store: ModelStore, model: Model) -> None:
    shutil.rmtree(hub.root / "tiny")
    with pytest.raises(FetchFailed, match="does not know tiny/tiny-t2v"):
        bring(model, store, hub)


def test_what_needs_no_weights_is_not_fetched(hub: Hub, store: ModelStore) -> None:
    with pytest.raises(EngineUnavailable, match="needs no weights"):
        bring(catalog()["animatic"], store, hub)


def models(tiny_models: Path, hub: Hub, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(ROOT), "MODEL_DIR": str(folder / "models"),
        "MODEL_CATALOG_DIR": str(tiny_models / "entries"), "HF_ENDPOINT": hub.url,
    } | more  # fmt: skip
    command = [sys.executable, "-m", "gpu_worker", "models", *words]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=100)


def test_who_forbids_the_hub_is_told_what_to_unset(tiny_models: Path, hub: Hub, tmp_path: Path) -> None:
    forbidden = models(tiny_models, hub, tmp_path, "fetch", "tiny-t2v", HF_HUB_OFFLINE="1")
    assert forbidden.returncode == 1
    assert "HF_HUB_OFFLINE is set. Unset it." in forbidden.stderr
    assert hub.asked == []


def test_on_the_command_line(tiny_models: Path, hub: Hub, tmp_path: Path) -> None:
    listed = models(tiny_models, hub, tmp_path, "list")
    assert "tiny-t2v" in listed.stdout
    assert "cogvideox-5b" in listed.stdout
    assert models(tiny_models, hub, tmp_path, "where", "tiny-t2v").returncode == 1
    fetched = models(tiny_models, hub, tmp_path, "fetch", "tiny-t2v")
    assert fetched.returncode == 0, fetched.stderr
    where = models(tiny_models, hub, tmp_path, "where", "tiny-t2v")
    assert where.stdout.strip() == str(tmp_path / "models" / "tiny-t2v")
    shown = models(tiny_models, hub, tmp_path, "show", "tiny-t2v").stdout
    assert COMMIT in shown
    wrong = models(tiny_models, hub, tmp_path, "fetch", "no-such")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "There is no model no-such" in wrong.stderr
    assert "Traceback" not in wrong.stderr
