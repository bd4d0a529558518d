"""Where weights are found, in which order, and which are refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from gpu_worker.models.files import BadWeights
from gpu_worker.models.store import NOTE, ModelStore, open_models
from gpu_worker.settings import WorkerSettings
from shared.catalog import catalog
from shared.catalog.model import Model
from shared.errors import EngineUnavailable

COMMIT, OTHER = "a" * 40, "b" * 40


def weights(folder: Path, name: str = "model.safetensors", revision: str | None = None) -> Path:
    """A folder with one whole, tiny safetensors file."""
    folder.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / name).write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    if revision:
        (folder / NOTE).write_text(json.dumps({"revision": revision}))
    return folder


def pinned(model: Model, revision: str) -> Model:
    assert model.source is not None
    return model.model_copy(update={"source": model.source.model_copy(update={"revision": revision})})


MODEL = pinned(catalog()["cogvideox-5b"], "main")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(
        tmp_path / "own", image=tmp_path / "image", cache=tmp_path / "hub", volume=tmp_path / "volume" / "models"
    )


def test_the_nearest_place_wins(store: ModelStore) -> None:
    assert store.find(MODEL) is None
    snapshot = store.cache / "models--zai-org--CogVideoX-5b" / "snapshots" / COMMIT
    refs = snapshot.parents[1] / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(COMMIT)
    for place, folder in (
        ("volume", store.volume / MODEL.id),
        ("cache", snapshot),
        ("image", store.image / MODEL.id),
        ("folder", store.folder / MODEL.id),
    ):
        weights(folder)
        found = store.get(MODEL)
        assert (found.place, found.folder) == (place, folder)
        assert found.revision == (COMMIT if place == "cache" else None)


def test_a_pinned_commit_takes_no_other(store: ModelStore) -> None:
    weights(store.folder / MODEL.id, revision=OTHER)
    assert store.get(MODEL).revision == OTHER, "a branch takes what was fetched"
    weights(store.volume / MODEL.id, revision=COMMIT)
    assert store.get(pinned(MODEL, COMMIT)).place == "volume"
    with pytest.raises(EngineUnavailable, match=r"here are of commit bbbbbbbb, .* names cccccccc: .*models fetch"):
        store.get(pinned(MODEL, "c" * 40))


def test_another_commit_in_the_platforms_cache_is_named(store: ModelStore) -> None:
    weights(store.cache / "models--zai-org--CogVideoX-5b" / "snapshots" / OTHER)
    with pytest.raises(EngineUnavailable, match="here are of commit bbbbbbbb, and the catalog names aaaaaaaa"):
        store.get(pinned(MODEL, COMMIT))
    with pytest.raises(EngineUnavailable, match="are not on this worker"):
        store.get(pinned(catalog()["svd"], COMMIT))


def test_pickles_are_refused(store: ModelStore) -> None:
    folder = weights(store.folder / MODEL.id)
    (folder / "unet").mkdir()
    (folder / "unet" / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(BadWeights, match="only safetensors are used"):
        store.get(MODEL)
    weights(folder / "unet")
    assert store.get(MODEL).folder == folder, "the same weights as safetensors lie beside them"


@pytest.mark.parametrize("cut", [3, 20, -1])
def test_a_file_that_was_cut_off_is_named(store: ModelStore, cut: int) -> None:
    folder = weights(store.folder / MODEL.id / "transformer")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:cut])
    with pytest.raises(BadWeights, match=r"transformer/model\.safetensors is not a whole"):
        store.get(MODEL)


@pytest.mark.parametrize(
    "header", [b"[1]", b'{"x": 1}', b'{"x": {"data_offsets": "no"}}', b"not json", b"\xff\xfe\xfd"]
)
def test_hostile_headers_are_refused(store: ModelStore, header: bytes) -> None:
    folder = weights(store.folder / MODEL.id)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(BadWeights, match="not a whole safetensors"):
        store.get(MODEL)


def test_a_missing_shard_is_named(store: ModelStore) -> None:
    folder = weights(store.folder / MODEL.id, "model-00001-of-00002.safetensors")
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    with pytest.raises(BadWeights, match=r"model-00002-of-00002\.safetensors is missing"):
        store.get(MODEL)


def test_an_empty_folder_is_no_model(store: ModelStore) -> None:
    (store.folder / MODEL.id).mkdir(parents=True)
    assert store.find(MODEL) is None
    (store.folder / MODEL.id / "model_index.json").write_text("{}")
    with pytest.raises(BadWeights, match="holds no weights"):
        store.get(MODEL)


def test_what_needs_no_weights_has_none(store: ModelStore) -> None:
    assert store.find(catalog()["animatic"]) is None


def test_the_settings_name_the_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODEL_VOLUME_DIR", str(tmp_path / "v" / "models"))
    store = open_models(WorkerSettings())
    assert store.folder == tmp_path / "data" / "models"
    assert store.target() == store.folder, "there is no volume"
    (tmp_path / "v").mkdir()
    assert store.target() == tmp_path / "v" / "models"
    assert open_models(WorkerSettings(), tmp_path / "mine").folder == tmp_path / "mine"
