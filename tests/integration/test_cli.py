"""`rushes doctor` and `rushes backup` as the owner runs them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.integration.served import served
from tests.standins.careless_s3 import careless_s3
from tests.standins.runpod import RunPodStandIn


async def rushes(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, output, and what was said beside it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "control_plane", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},  # noqa: TID251 - as a shell would
    )
    output, beside = await process.communicate()
    assert b"Traceback" not in beside, beside.decode()
    assert process.returncode is not None
    return process.returncode, output.decode(), beside.decode()


def findings(output: str) -> dict[str, tuple[bool, str]]:
    lines = [line.split(maxsplit=2) for line in output.splitlines()]
    return {what: (verdict == "ok", words) for verdict, what, words in lines}


async def test_on_a_fresh_machine_all_is_well(tmp_path: Path) -> None:
    code, output, _ = await rushes("doctor", DATA_DIR=str(tmp_path / "data"))
    found = findings(output)
    assert (code, set(found)) == (0, {"settings", "disk", "database", "store", "endpoint"})
    assert all(ok for ok, _ in found.values())
    assert not list((tmp_path / "data").rglob("*.json")), "it leaves nothing behind"


async def test_a_wrong_setting_is_called_by_its_name(tmp_path: Path) -> None:
    code, output, _ = await rushes("doctor", PORT="99999", WEBHOOK_SECRET="whsec_c2hvcnQ=", RETENTION_LEFTOVER_DAYS="1")
    assert code == 1
    for name in ("PORT", "WEBHOOK_SECRET", "RETENTION_LEFTOVER_DAYS"):
        assert f"{name}: " in output


async def test_what_is_wrong_comes_with_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "rushes.db").write_text("This is not a database. " * 50)
    with careless_s3() as bucket:
        async with RunPodStandIn() as runpod:
            settings = {
                "DATA_DIR": str(tmp_path), "API_KEY": "k", "RUNPOD_ENDPOINT": runpod.url, "RUNPOD_API_KEY": "wrong",
                "RUNPOD_ENDPOINT_EXPORT": "http://127.0.0.1:9/v2/gone", "S3_BUCKET": "b",
                "S3_ENDPOINT_URL": bucket, "S3_ACCESS_KEY_ID": "k", "S3_SECRET_ACCESS_KEY": "s3cret",
            }  # fmt: skip
            code, output, _ = await rushes("doctor", **settings)
            assert code == 1
            found = findings(output)
            right = findings((await rushes("doctor", **settings | {"RUNPOD_API_KEY": runpod.key}))[1])
    for what, words in (
        ("database", "restore a backup"),
        ("store", "Use a bucket that does"),
        ("endpoint", "set RUNPOD_API_KEY"),
        ("EXPORT", "Check its address"),
    ):
        ok, message = found[what]
        assert not ok
        assert words in message
    assert right["endpoint"] == (True, "answers; workers: 1 idle, 1 ready")
    assert "s3cret" not in output


async def test_a_backup_of_a_running_server_is_made_and_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with served(data) as api:
        await api.job_id()
        code, output, _ = await rushes("backup", DATA_DIR=str(data))
        assert code == 0
        copy = Path(output.partition(": ")[0])
        assert copy.parent == data / "backups"
        assert f"{copy.stat().st_size:,} bytes" in output
    async with served(tmp_path / "restored", db_path=copy) as api:
        assert len((await api.client.get("/jobs")).json()) == 1


@pytest.mark.parametrize("file", ["here.db", None])
async def test_a_backup_that_cannot_be_made_is_a_sentence(tmp_path: Path, file: str | None) -> None:
    (tmp_path / "here.db").touch()
    settings = {"DATA_DIR": str(tmp_path)} | ({"DB_PATH": str(tmp_path / "here.db")} if file else {})
    code, output, beside = await rushes("backup", *([str(tmp_path / file)] if file else []), **settings)
    assert (code, output) == (1, "")
    assert beside.strip().count("\n") == 0
    assert "there" in beside.lower()
