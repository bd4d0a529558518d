"""atheris for so many seconds, from a few seeds, with its findings in a folder that is removed when there are none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp

import atheris

LARGEST_INPUT = 8192


def fuzz(check: Callable[[bytes], None], seconds: int, seed: int, seeds: Sequence[bytes]) -> None:
    """Never returns: libFuzzer ends the process, with 0 when `check` held for every input."""
    folder = Path(mkdtemp(prefix="rushes-fuzz-"))
    for number, content in enumerate(seeds):
        (folder / f"seed-{number}").write_bytes(content)
    sys.stderr.write(f"corpus and findings: {folder}\n")
    options = [
        f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LARGEST_INPUT}", "-timeout=5", "-rss_limit_mb=1024",
        f"-artifact_prefix={folder}/", "-print_final_stats=1", "-verbosity=0",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(folder)], check, enable_python_coverage=True)
    atheris.Fuzz()
