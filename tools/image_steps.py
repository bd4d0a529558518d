"""Runs the steps of a Dockerfile in Debian roots, one after the other, where there is no Docker engine. As root:

    python tools/image_steps.py Dockerfile.worker worker /tmp/debian --arg TORCH=torch==2.13.0+cpu

`/tmp/debian` is a minimal Debian 12 (debootstrap) and stands for the python image: Debian's own Python 3.11 is put
into it. Each stage becomes a folder beside it. What is left out: layers, mounts of secrets, HEALTHCHECK, CMD. `--then`
runs a command in the finished image as its user; `--bind` and `--env` show it folders and settings of this machine (an
own package index, certificates).
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOST_FILES = ("/etc/resolv.conf", "/etc/pip.conf")


@dataclass
class Stage:
    """A root folder and what ENV, WORKDIR and USER have set in it."""

    folder: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    arguments: dict[str, str] = field(default_factory=dict)
    work: str = "/"
    user: str = "0"


class Build:
    """One Dockerfile up to one of its stages."""

    def __init__(self, base: Path, given: dict[str, str], binds: list[str], settings: list[str]) -> None:
        self.settings = settings
        self.base, self.given, self.binds = base, given, ["/proc", "/dev", *binds]
        self.stages: dict[str, Stage] = {}
        self.shared: dict[str, str] = {}
        self.now: Stage | None = None

    def run(self, dockerfile: Path, target: str) -> Stage:
        """Every instruction up to the end of the target."""
        for name, rest in instructions(dockerfile.read_text(encoding="utf-8")):
            if name == "FROM" and target in self.stages:
                break
            print(f"{name} {' '.join(rest.split())[:150]}", flush=True)
            getattr(self, f"do_{name.lower()}", lambda _: None)(rest)
        return self.stages[target]

    def do_from(self, rest: str) -> None:
        source, _, name = rest.partition(" AS ")
        parent = self.stages.get(source)
        folder = self.base.with_name(f"{self.base.name}-{name or 'last'}")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["cp", "-a", parent.folder if parent else self.base, folder], check=True)
        self.now = Stage(folder)
        if parent:
            self.now = Stage(folder, dict(parent.env), dict(parent.arguments), parent.work, parent.user)
        else:
            self.prepare()
        self.stages[name or "last"] = self.now

    def prepare(self) -> None:
        """What the python image has and a bare Debian has not."""
        assert self.now
        for file in HOST_FILES:
            if Path(file).exists():
                shutil.copy(file, f"{self.now.folder}{file}")
        self.chroot(
            "command -v python || { apt-get -qq update; apt-get -qq install -y python3 python3-pip > /dev/null;"
            " ln -s /usr/bin/python3 /usr/local/bin/python; rm -f /usr/lib/python3*/EXTERNALLY-MANAGED; }"
        )

    def do_arg(self, rest: str) -> None:
        name, _, value = rest.partition("=")
        where = self.now.arguments if self.now else self.shared
        where[name] = self.given.get(name, value.strip('"'))

    def do_env(self, rest: str) -> None:
        assert self.now
        for word in shlex.split(rest):
            name, _, value = word.partition("=")
            self.now.env[name] = value.replace("$PATH", self.now.env["PATH"])

    def do_workdir(self, rest: str) -> None:
        assert self.now
        self.now.work = rest
        (self.now.folder / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def do_user(self, rest: str) -> None:
        assert self.now
        self.now.user = re.sub(r"\$\{(\w+)\}", lambda found: self.now.arguments[found[1]], rest)  # type: ignore[union-attr] # set above

    def do_copy(self, rest: str) -> None:
        assert self.now
        words = rest.split()
        start = ROOT
        if words[0].startswith("--from="):
            start = self.stages[words.pop(0).removeprefix("--from=")].folder
        *sources, target = words
        there = self.now.folder / str(Path(self.now.work, target)).lstrip("/")
        for source in sources:
            into = there / Path(source).name if target.endswith("/") or (there.is_dir() and len(sources) > 1) else there
            into.parent.mkdir(parents=True, exist_ok=True)
            here = start / source.lstrip("/")
            subprocess.run(["cp", "-aT" if here.is_dir() else "-a", here, into], check=True)
            subprocess.run(["chown", "-R", "0:0", into], check=True)

    def do_run(self, rest: str) -> None:
        self.chroot(re.sub(r"--mount=\S+\s*", "", rest))

    def chroot(self, command: str) -> None:
        """A shell command in the stage of now, as its user."""
        assert self.now
        stage = self.now
        for folder in self.binds:
            (stage.folder / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", folder, f"{stage.folder}{folder}"], check=True)
        setting = [f"{name}={value}" for name, value in {**stage.arguments, **stage.env}.items()]
        try:
            subprocess.run(
                ["chroot", f"--userspec={stage.user}:{stage.user}", stage.folder, "/usr/bin/env", "-i", "-C",
                 stage.work, *setting, *self.settings, "/bin/sh", "-c", command],
                check=True,
            )  # fmt: skip
        finally:
            for folder in reversed(self.binds):
                subprocess.run(["umount", f"{stage.folder}{folder}"], check=True)


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction with what follows it, its lines joined and comments gone."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def main() -> int:
    """Build, then run `--then`; 0 when all of it worked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("target")
    parser.add_argument("base", type=Path)
    parser.add_argument("--arg", action="append", default=[])
    parser.add_argument("--bind", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--then", action="append", default=[])
    asked = parser.parse_args()
    build = Build(asked.base, dict(one.split("=", 1) for one in asked.arg), asked.bind, asked.env)
    build.run(asked.dockerfile, asked.target)
    for command in asked.then:
        print(f"THEN {command}", flush=True)
        build.chroot(command)
    print(f"{asked.target}: every step ran.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
