"""What a worker says of its machine before it takes a job."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpu_worker import fitness
from gpu_worker.fitness import Unfit, judge
from gpu_worker.settings import WorkerSettings
from shared.errors import EngineUnavailable

FIT = {
    "torch": "2.13.0+cu128", "built_for": "12.8", "usable": True, "name": "NVIDIA H100", "chip": "sm_90",
    "chips": ["sm_80", "sm_90"], "works": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"built_for": None, "usable": False}, "built without CUDA"),
        ({"usable": False, "chip": "", "works": False}, "CUDA 12.8, which driver 535.1 cannot run"),
        ({"chip": "sm_120", "name": "NVIDIA RTX 5090"}, r"no code for this GPU \(NVIDIA RTX 5090, sm_120\)"),
        ({"works": False}, "no code for this GPU"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_told_with_the_reason(told: dict[str, Any], word: str) -> None:
    with pytest.raises(Unfit, match=word):
        judge(FIT | told, "535.1")


@pytest.mark.parametrize("chip", ["sm_90", "sm_86"])
def test_a_gpu_that_it_can_use_is_named(chip: str) -> None:
    assert judge(FIT | {"chip": chip}, "570.8").startswith("NVIDIA H100, driver 570.8, torch 2.13.0+cu128")


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    return WorkerSettings(data_dir=tmp_path, model_volume_dir=tmp_path / "nowhere" / "models")


def test_a_gpu_without_torch_and_torch_without_a_gpu_are_named(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitness, "has_torch", lambda: False)
    monkeypatch.setattr(fitness, "driver_version", lambda: "570.8")
    with pytest.raises(EngineUnavailable, match="torch and diffusers are not installed"):
        fitness.gpu(settings)
    monkeypatch.setattr(fitness, "has_torch", lambda: True)
    monkeypatch.setattr(fitness, "driver_version", lambda: "")
    with pytest.raises(EngineUnavailable, match="has no GPU"):
        fitness.gpu(settings)


def test_the_weights_that_are_not_here_are_named_with_the_command(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitness, "has_torch", lambda: True)
    with pytest.raises(EngineUnavailable, match=r"RENDER, IMG2VID, .*models fetch cogvideox-5b cogvideox-5b-i2v"):
        fitness.models(settings)
    chosen = settings.model_copy(update={"model_render": "ltx-video"})
    with pytest.raises(EngineUnavailable, match="fetch ltx-video"):
        fitness.models(chosen)
    assert "by the first job" in fitness.models(settings.model_copy(update={"model_download": True}))


def test_damaged_fonts_and_a_full_disk_are_told(settings: WorkerSettings, tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="not here"):
        fitness.fonts(tmp_path)
    (tmp_path / "A.ttf").write_bytes(b"no font")
    with pytest.raises(Unfit, match=r"A\.ttf"):
        fitness.fonts(tmp_path)
    with pytest.raises(EngineUnavailable, match="GB free"):
        fitness.disk(settings.model_copy(update={"fetch_reserve_bytes": 10**18}))


def test_without_ffmpeg_a_worker_is_unfit(settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise EngineUnavailable("This worker has no ffmpeg.")

    monkeypatch.setattr(fitness, "ffmpeg_path", none)
    found = {finding.name: finding for finding in fitness.examine(settings)}
    assert (found["ffmpeg"].verdict, found["ffmpeg"].message) == ("unfit", "This worker has no ffmpeg.")
    assert found["store"].verdict == "ok"


def test_the_sdk_gets_a_check_by_name_that_raises_for_what_no_job_survives(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    added: list[Callable[[], None]] = []
    (tmp_path / "file").touch()
    fitness.register(added.append, settings.model_copy(update={"data_dir": tmp_path / "file" / "data"}))
    by_name = {look.__name__: look for look in added}
    assert list(by_name) == ["fonts", "disk", "ffmpeg", "store", "gpu", "models"]
    with pytest.raises(Unfit, match="The store, folder DATA_DIR/objects, cannot be used"):
        by_name["store"]()
    monkeypatch.setattr(fitness, "has_torch", lambda: True)
    by_name["models"]()


def test_the_doctor_on_the_command_line(tmp_path: Path) -> None:
    def doctor(**environment: str) -> subprocess.CompletedProcess[str]:
        given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]), "DATA_DIR": str(tmp_path)}
        command = [sys.executable, "-m", "gpu_worker", "doctor"]
        return subprocess.run(
            command, env=given | environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    well = doctor()
    assert (well.returncode, well.stderr) == (0, "")
    assert [line.split()[1] for line in well.stdout.splitlines()] == [
        "fonts", "disk", "ffmpeg", "store", "gpu", "models",
    ]  # fmt: skip
    (tmp_path / "file").touch()
    ill = doctor(DATA_DIR=str(tmp_path / "file" / "data"))
    assert ill.returncode == 1
    assert "unfit    store" in ill.stdout
    assert "Traceback" not in ill.stderr
