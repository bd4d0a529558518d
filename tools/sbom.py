"""The software bill of materials of this environment, as CycloneDX 1.5 JSON: its Python and its Debian packages.

    python tools/sbom.py > sbom.cdx.json

Standard library only: it runs inside the images, where nothing is installed for it. (Format: cyclonedx.org/docs/1.5;
names of packages: github.com/package-url/purl-spec.)
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from typing import Any
from urllib.parse import quote


def main() -> int:
    """Write it to the output; 0."""
    components = sorted([*python_packages(), *debian_packages()], key=lambda one: one["purl"])
    json.dump(
        {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}, sys.stdout, indent=1
    )
    return 0


def python_packages() -> list[dict[str, Any]]:
    """Everything that is installed where this runs."""
    found = {}
    for one in distributions():
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
        found[name] = component("pypi", name, one.version, one.metadata["License-Expression"])
    return list(found.values())


def debian_packages() -> list[dict[str, Any]]:
    """What dpkg has installed; nothing on other systems."""
    if shutil.which("dpkg-query") is None:
        return []
    form = "${db:Status-Status} ${Package} ${Version}\n"
    said = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True).stdout
    rows = [line.split(" ") for line in said.splitlines()]
    return [component("deb/debian", name, version) for status, name, version in rows if status == "installed"]


def component(kind: str, name: str, version: str, licence: str | None = None) -> dict[str, Any]:
    """One package; `licence` is an SPDX expression."""
    purl = f"pkg:{kind}/{quote(name)}@{quote(version)}"
    licences = {"licenses": [{"expression": licence}]} if licence else {}
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl, **licences}


if __name__ == "__main__":
    sys.exit(main())
