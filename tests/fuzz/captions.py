"""atheris on the caption escaper: no text is markup, breaks its line of the script, or is lost on the way.

python -m tests.fuzz.captions SECONDS SEED
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["gpu_worker.timeline.words"]):
    from gpu_worker.timeline.words import markup

from tests.fuzz.libfuzzer import fuzz


def check(data: bytes) -> None:
    """One text."""
    text = atheris.FuzzedDataProvider(data).ConsumeUnicodeNoSurrogates(2000)
    shown = markup.escaped(text)
    bare = shown.replace("\\{", "").replace("\\}", "")
    assert "{" not in bare, "no override block is opened"
    assert "}" not in bare, "nor closed"
    assert not any(c in shown for c in "\r\n\0\x1b"), "the event stays on its line"
    rest = bare.replace(f"\\{markup._WORD_JOINER}", "").replace("\\N", "")
    assert "\\" not in rest, "no backslash stands before a letter that libass would read with it"


if __name__ == "__main__":
    fuzz(check, int(sys.argv[1]), int(sys.argv[2]), [rb"{\pos(0,0)}", rb"\N\h", "שלום\u202e".encode(), b"\\\n{"])
