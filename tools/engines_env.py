"""Makes `.venv-engines`: the worker together with torch and diffusers, from `engines/requirements.txt`.

It is apart from `.venv` because torch is large and most people never need it. Which build of torch is right depends on
the NVIDIA driver: PyTorch has an index for each. pip installs it, not uv: a machine's own wheels (a folder, a mirror)
are named in pip's settings, and pip alone reads them. `--lock` writes the requirements anew.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

from bootstrap import ROOT, SetupFailed, base_python, check_python, fetch_uv, find_uv, say

TORCH = "torch==2.13.0"
VENV = ROOT / ".venv-engines"
STAMP = VENV / "set-up.txt"
LOCK = ROOT / "engines" / "requirements.txt"
# torch names the CUDA packages of its own build, to the version: they are its affair, not this file's.
OF_TORCH = ("torch==", "triton==", "nvidia-", "cuda-")


def main(arguments: list[str]) -> int:
    """Make the environment ready, or write its lock; 0 when that is done."""
    try:
        check_python()
        if arguments == ["--lock"]:
            lock()
        else:
            prepare()
    except SetupFailed as failure:
        print(f"Set-up stopped: {failure}", file=sys.stderr)
        return 1
    return 0


def prepare() -> None:
    """Install what the lock names, once for each change of it."""
    build = build_for(driver())
    want = hashlib.sha256(LOCK.read_bytes() + f"{TORCH} {build} {base_python()}".encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == want:
        return
    say(f"installing torch ({build}) and what engines/requirements.txt names into .venv-engines")
    call(base_python(), "-m", "venv", "--clear", str(VENV))
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    call(*pip, "--no-deps", "--require-hashes", "--requirement", str(LOCK))
    # `2.13.0+cu126` of that index comes before the `2.13.0` of others; without the index there are still those.
    call(*pip, TORCH, "--extra-index-url", f"https://download.pytorch.org/whl/{build}")
    # uv carries the build backend in itself, pip would have to fetch it.
    uv = find_uv() or fetch_uv()
    call(uv, "pip", "install", "--quiet", "--python", pip[0], "--no-deps", "--editable", str(ROOT))
    STAMP.write_text(want, encoding="utf-8")


def driver() -> str:
    """The version of the NVIDIA driver; empty where there is none."""
    try:
        asked = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return asked.stdout.strip()


def build_for(driver: str) -> str:
    """Which of torch's builds a driver runs: CUDA 13 needs 580, CUDA 12.6 every one since 525 (minor versions of CUDA
    12 agree: https://docs.nvidia.com/deploy/cuda-compatibility/).
    """
    if not driver:
        return "cpu"
    return "cu130" if int(driver.split(".")[0]) >= 580 else "cu126"


def lock() -> None:
    """Resolve `requirements.in` and the project for Python 3.11, at the versions of uv.lock wherever it has them."""
    uv = find_uv() or fetch_uv()
    with TemporaryDirectory() as folder:
        known, found = Path(folder) / "known.txt", Path(folder) / "found.txt"
        everything = ["--all-extras", "--all-groups", "--no-hashes", "--no-emit-project"]
        call(uv, "export", "--quiet", "--frozen", *everything, "--output-file", str(known))
        sources = ["pyproject.toml", "--extra", "all", "engines/requirements.in", "--constraint", str(known)]
        words = ["--generate-hashes", "--no-header", "--no-annotate", "--python-version", "3.11", "--quiet"]
        call(uv, "pip", "compile", *sources, *words, "--output-file", str(found))
        LOCK.write_text(without_torch(found.read_text(encoding="utf-8")), encoding="utf-8")


def without_torch(text: str) -> str:
    """The requirements but for torch and what belongs to it; one requirement goes on over its lines of hashes."""
    kept, keep = [], True
    for line in text.splitlines(keepends=True):
        if not line.startswith(" "):
            keep = not line.startswith(OF_TORCH)
        kept += [line] if keep else []
    return "".join(kept)


def call(*command: str) -> None:
    """Run one command; SetupFailed when it does not succeed."""
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise SetupFailed("the engines could not be installed; the words above say why. A second try is harmless.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
