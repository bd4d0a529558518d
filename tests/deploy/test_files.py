"""What is deployed with: the files parse, and every name in them is a real one."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from control_plane.cli import app
from control_plane.cli.endpoint import _DEFAULTS
from control_plane.settings import ClientSettings, Settings
from gpu_worker.settings import WorkerSettings
from shared.catalog import catalog
from tests.deploy.program import needs
from tests.standins.runpod import RunPodStandIn

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = (ROOT / "DEPLOYMENT.md").read_text(encoding="utf-8")
UNITS = sorted((DEPLOY / "systemd").iterdir())
DOCKERFILES = [ROOT / "Dockerfile.worker", DEPLOY / "Dockerfile.control-plane"]
THEIRS = {
    "UV_", "PYTHON", "NVIDIA_", "HF_", "RUNPOD_DEBUG_LEVEL", "PATH", "HOME", "TMPDIR", "GOMEMLIMIT", "GF_",
    "RUSHES_DOMAIN", "RUSHES_UPSTREAM",
}  # fmt: skip
"""Names that belong to other programs, or to these files alone."""


def settings() -> set[str]:
    fields = {*Settings.model_fields, *WorkerSettings.model_fields, *ClientSettings.model_fields}
    return {name.upper() for name in fields}


def unknown(names: set[str]) -> set[str]:
    known = settings()
    return {name for name in names if name not in known and not name.startswith(tuple(THEIRS))}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE, re.S | re.M)


def commands() -> list[list[str]]:
    """Every `rushes …` of the guide, continued lines joined."""
    text = "\n".join([*blocks("sh run"), *blocks("sh")]).replace("\\\n", " ")
    inline = re.findall(r"`(rushes [a-z][^`<…]*)`", GUIDE)
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("rushes ")]
    return [shlex.split(re.sub(r"\s[>|].*", "", line))[1:] for line in [*lines, *inline]]


def test_every_command_of_the_guide_is_a_real_one() -> None:
    there = typer.main.get_command(app)
    found = commands()
    assert len(found) > 15
    for words in found:
        command: Any = there
        rest = list(words)
        while rest and hasattr(command, "commands") and rest[0] in command.commands:
            command = command.commands[rest.pop(0)]
        assert command is not there, words
        options = {option for one in command.params for option in one.opts}
        assert {word for word in rest if word.startswith("--")} <= options | {"--help"}, words


def test_every_file_that_the_guide_names_is_there() -> None:
    named = set(re.findall(r"(?<![\w/.])((?:deploy|tools|docs|tests)/[\w./-]+\w)", GUIDE))
    assert len(named) > 10
    assert not [name for name in named if not (ROOT / name).exists()]


def test_every_setting_of_the_guide_is_a_real_one() -> None:
    named = set(re.findall(r"^['\"]?([A-Z][A-Z0-9_]+)=", "\n".join([*blocks("sh"), *blocks("sh run")]), re.M))
    named |= set(re.findall(r"`([A-Z][A-Z0-9]+_[A-Z0-9_]+)=?[^`]*`", GUIDE)) - {
        "SCOPE_MISSING",
        "OUT_OF_MEMORY",
        "ADA_48_PRO",
    }
    named = {name for name in named if not re.match(r"(ADA|AMPERE)_\d", name)}
    assert not unknown(named)


async def test_the_call_for_the_endpoints_own_view_is_right(tmp_path: Path) -> None:
    (call,) = [block for block in blocks("sh") if '/health"' in block]
    async with RunPodStandIn() as runpod:
        (tmp_path / ".env").write_text(f"RUNPOD_ENDPOINT={runpod.url}\nRUNPOD_API_KEY={runpod.key}\n")
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", call.replace("/opt/rushes", str(tmp_path)), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
    assert json.loads(said)["workers"] == runpod.workers


def test_links_inside_the_guide_lead_somewhere() -> None:
    heads = {
        re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^## (.*)$", GUIDE, re.M)
    }
    assert set(re.findall(r"\(#([\w-]+)\)", GUIDE)) <= heads


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_hardened_and_start_what_there_is(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    for words in re.findall(r"^ExecStart=/opt/rushes/.venv/bin/rushes (.*)$", text, re.M):
        assert CliRunner().invoke(app, [*words.split(), "--help"]).exit_code == 0
    for path in re.findall(r"/opt/rushes/(?!\.)([\w./-]+)", text):
        assert (ROOT / path).exists(), path
    assert not unknown(set(re.findall(r"^Environment=(\w+)=", text, re.M)))
    if unit.suffix == ".service":
        for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "MemoryMax=", "User=rushes", "PrivateDevices=yes"):
            assert line in text


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    analyze = needs("systemd-analyze")
    for unit in UNITS:
        # Programs that stand on the server alone are put into the place of a real one.
        text = re.sub(r"^(ExecStart\w*)=(\S+)", r"\1=/bin/true", unit.read_text(encoding="utf-8"), flags=re.M)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    verified = subprocess.run(
        [analyze, "verify", *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    for unit in UNITS:
        if unit.suffix == ".service":
            exposed = [analyze, "security", "--offline=true", "--threshold=20", str(unit)]
            assert subprocess.run(exposed, capture_output=True, check=False).returncode == 0, unit.name


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_images_are_pinned_unprivileged_and_copy_what_there_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert re.search(r"^ARG PYTHON=python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}$", text, re.M)
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) <= {"${PYTHON}", "build", "base", "worker"}
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert any(f"!{part}" in (ROOT / ".dockerignore").read_text() for part in (source, source.split("/")[0]))
    last = text[text.rindex("\nFROM ") :] if "FROM base AS thin" in text else text
    assert re.findall(r"^USER (\S+)", last, re.M)[-1] in ("10001", "${WORKER_USER}")
    assert "HEALTHCHECK" in text
    assert "sbom.cdx.json" in text
    assert not unknown(set(re.findall(r"^(?:ENV |    )([A-Z][A-Z0-9_]+)=", text, re.M)))


def test_the_image_and_the_endpoint_agree_on_cuda_and_torch() -> None:
    text = DOCKERFILES[0].read_text(encoding="utf-8")
    build = re.search(r"^ARG TORCH=torch==([\d.]+)\+cu(\d\d)(\d)$", text, re.M)
    assert build
    assert f"{build[2]}.{build[3]}" == _DEFAULTS["min_cuda"]
    assert f'TORCH = "torch=={build[1]}"' in (ROOT / "tools/engines_env.py").read_text(encoding="utf-8")
    assert f"NVIDIA_REQUIRE_CUDA=cuda>={_DEFAULTS['min_cuda']}" in text


def test_models_named_for_baking_are_in_the_catalog() -> None:
    named = re.findall(r'MODELS="([^"]+)"', GUIDE + DOCKERFILES[0].read_text(encoding="utf-8"))
    assert named
    assert {name for names in named for name in names.split()} <= set(catalog(None))


def test_compose_names_files_settings_and_pinned_images() -> None:
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    services = found["services"]
    assert {profile for one in services.values() for profile in one.get("profiles", ())} == {
        "nvidia", "s3", "nginx", "monitoring", "backup",
    }  # fmt: skip
    for name, one in services.items():
        assert "mem_limit" in one, name
        assert "no-new-privileges:true" in one.get("security_opt", ()) or name == "certbot"
        assert "build" in one or re.search(r":v?\d+\.\d+", one["image"]), f"{name}: pinned"
        if "build" in one:
            dockerfile = (ROOT / one["build"]["dockerfile"]).read_text(encoding="utf-8")
            assert f" AS {one['build']['target']}\n" in dockerfile
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in found["volumes"] or (ROOT / source).exists() or source.endswith("dashboards"), volume
        for port in one.get("ports", ()):
            assert port.startswith("127.0.0.1:") or name == "nginx", "only nginx is seen from outside"
        assert not unknown(set(one.get("environment", {})))


def test_policies_are_least_privilege() -> None:
    worker = json.loads((DEPLOY / "bucket/policy-worker.json").read_text(encoding="utf-8"))
    reached = str(worker)
    assert "backups" not in reached
    assert "s3:*" not in reached
    written = [one for one in worker["Statement"] if "s3:PutObject" in one["Action"]]
    assert not [
        one for one in written if any(resource.endswith(("uploads/*", "films/*")) for resource in one["Resource"])
    ]
    json.loads((DEPLOY / "bucket/policy-control-plane.json").read_text(encoding="utf-8"))


def test_the_bill_of_materials_names_what_is_installed() -> None:
    said = subprocess.run([sys.executable, ROOT / "tools/sbom.py"], capture_output=True, text=True, check=True).stdout
    found = json.loads(said)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    assert {"fastapi", "runpod"} <= {one["name"] for one in found["components"]}


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_hadolint_finds_nothing_wrong(file: Path) -> None:
    subprocess.run([needs("hadolint"), str(file)], check=True)
