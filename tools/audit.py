"""`make audit`: asks the OSV database (https://osv.dev) whether anything that a lock file names has a known hole.

One question for all locks: Python's, the engines', the speech engines', litestream's and the TypeScript client's. Exit
status 1 when something is found, 0 when nothing is, and 0 with a line that says so when the database cannot be reached.
`--ignore` names an advisory that does not concern us. (Protocol: https://google.github.io/osv.dev/post-v1-querybatch/)
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

ROOT = Path(__file__).resolve().parent.parent
OSV = "https://api.osv.dev"
MOST_IN_ONE = 1000
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.M)
Package = tuple[str, str, str]
"""Ecosystem as OSV calls it, name, version."""


class Unreachable(Exception):
    """The database gave no answer."""


def main() -> int:
    """Print what was found; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--osv", default=OSV, help="another server with the same protocol")
    parser.add_argument("--ignore", action="append", default=[], metavar="ADVISORY")
    asked = parser.parse_args()
    packages = sorted(set(locked()))
    try:
        found = advisories(asked.osv, packages)
    except Unreachable as why:
        print(f"Left out: the audit of {len(packages)} dependencies, as {asked.osv} cannot be reached ({why}).")
        return 0
    wrong = [(package, names) for package, all_names in found if (names := sorted(all_names - set(asked.ignore)))]
    for (_, name, version), names in wrong:
        print(f"{name} {version}: {', '.join(f'https://osv.dev/vulnerability/{one}' for one in names)}")
    print(f"{len(packages)} dependencies, {len(wrong)} with known holes.")
    return 1 if wrong else 0


def locked() -> Iterator[Package]:
    """Everything that a lock file of this repository pins."""
    for one in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]:
        if "registry" in one["source"]:
            yield "PyPI", one["name"], one["version"]
    lists = [*ROOT.glob("gpu_worker/engines/speech/requirements/*.txt"), ROOT / "engines/requirements.txt"]
    for file in [*lists, ROOT / "deploy/litestream-requirements.txt"]:
        for name, version in PINNED.findall(file.read_text(encoding="utf-8")):
            yield "PyPI", name, version
    for file in ROOT.glob("clients/*/package-lock.json"):
        for path, one in json.loads(file.read_text(encoding="utf-8"))["packages"].items():
            if "version" in one and "node_modules/" in path:
                yield "npm", path.rpartition("node_modules/")[2], one["version"]


def advisories(osv: str, packages: list[Package]) -> list[tuple[Package, set[str]]]:
    """The advisories of each package that has any. Raises Unreachable."""
    found: list[tuple[Package, set[str]]] = []
    for first in range(0, len(packages), MOST_IN_ONE):
        some = packages[first : first + MOST_IN_ONE]
        asked = [{"package": {"ecosystem": kind, "name": name}, "version": version} for kind, name, version in some]
        answers = ask(f"{osv}/v1/querybatch", {"queries": asked})["results"]
        found += [
            (package, {one["id"] for one in answer["vulns"]})
            for package, answer in zip(some, answers, strict=True)
            if answer.get("vulns")
        ]
    return found


def ask(url: str, question: dict[str, object]) -> dict[str, list[dict[str, list[dict[str, str]]]]]:
    """POST and read JSON. Raises Unreachable; an HTTPError where the question is wrong."""
    request = urllib.request.Request(url, json.dumps(question).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: dict[str, list[dict[str, list[dict[str, str]]]]] = json.load(answer)
            return body
    except (OSError, ValueError) as error:
        if isinstance(error, HTTPError) and error.code < 500:
            raise
        raise Unreachable(getattr(error, "reason", error)) from error


if __name__ == "__main__":
    sys.exit(main())
