"""Make `.venv` out of a bare Python: find or fetch uv, then install exactly what uv.lock says.

    python3 tools/bootstrap.py              what the programs need
    python3 tools/bootstrap.py dev s3-server    that, and these dependency groups

Standard library only, and neither pip nor ensurepip is expected: Debian ships both apart from python3. Nothing outside
the clone is touched. Done once, it is a no-op until uv.lock, pyproject.toml or the Python change.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BOOT = ROOT / ".boot"
STAMP = VENV / ".bootstrap.json"
OLDEST, TOO_NEW = (3, 11), (3, 14)
EXTRAS = ("--extra=all", "--extra=observability")
UV = "0.13.8"
# The wheels of that version, as PyPI lists them. The first whose machine and libc fit is fetched.
WHEELS = {
    ("Linux", "x86_64", "glibc"): (
        f"uv-{UV}-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984",
    ),
    ("Linux", "x86_64", ""): (
        f"uv-{UV}-py3-none-musllinux_1_1_x86_64.whl",
        "29451c60f5e8b07403e0a175d5229efc36b0289b34143ff4aaa499a5dd52553a",
    ),
    ("Linux", "aarch64", "glibc"): (
        f"uv-{UV}-py3-none-manylinux_2_28_aarch64.whl",
        "5337c30bb893b4f9ce0ceb921ba2da0d13f649da644f40ad3bef84083bef0203",
    ),
    ("Linux", "aarch64", ""): (
        f"uv-{UV}-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "0b3e8b1a4f5e405e31e2ff33de8af4744831e9f7338539671efbd8c3c94e791d",
    ),
    ("Darwin", "x86_64", ""): (
        f"uv-{UV}-py3-none-macosx_10_12_x86_64.whl",
        "b7124ca1956ec2e476a1003ea5715a15f0266afaec37f4dc9c6972ba8183e6d1",
    ),
    ("Darwin", "arm64", ""): (
        f"uv-{UV}-py3-none-macosx_11_0_arm64.whl",
        "62b6943c7fd64fac6854f780bea6e0359e5a5bc3241f83ee357bb38276afac49",
    ),
}


class SetupFailed(Exception):
    """Set-up cannot go on; the message is for a person."""


def main(groups: list[str]) -> int:
    """Make `.venv` ready for `groups`; 0 when it is."""
    try:
        check_python()
        prepare(set(groups))
    except SetupFailed as failure:
        print(f"Set-up stopped: {failure}", file=sys.stderr)
        return 1
    return 0


def check_python() -> None:
    """Go on under a newer Python where one is installed beside a too old (or too new) `python3`."""
    if OLDEST <= sys.version_info[:2] < TOO_NEW:
        return
    for minor in range(TOO_NEW[1] - 1, OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        # Version managers put names on PATH that only explain how to install that version.
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            os.execv(found, [found, *sys.argv])
    raise SetupFailed(
        f"Python 3.11, 3.12 or 3.13 is needed, and python3 here is {platform.python_version()}. "
        "Install one, or name it: make PYTHON=/path/to/python3.11"
    )


def prepare(groups: set[str]) -> None:
    """Bring `.venv` up to date, keeping the groups that an earlier call added."""
    want = fingerprint()
    done, installed = last_set_up()
    if done == want and groups <= installed:
        return
    groups |= installed & known_groups()
    sync(find_uv() or fetch_uv(), groups)
    STAMP.write_text(json.dumps({"fingerprint": want, "groups": sorted(groups)}), encoding="utf-8")


def fingerprint() -> str:
    """What `.venv` depends on, as one hash."""
    files = [ROOT / "uv.lock", ROOT / "pyproject.toml", Path(__file__)]
    parts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return hashlib.sha256("".join([*parts, str(ROOT), base_python(), sys.version]).encode()).hexdigest()


def base_python() -> str:
    """This interpreter outside any virtual environment: `.venv` must not be made of itself."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def last_set_up() -> tuple[str, set[str]]:
    """The fingerprint of what is in `.venv`, and the groups in it; an empty one where nothing was finished."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        done = stamp["fingerprint"] if (VENV / "bin" / "python").exists() else ""
        return done, set(stamp["groups"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", set()


def known_groups() -> set[str]:
    """The dependency groups there are."""
    import tomllib  # an older Python, which is refused in words, has none

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return set(project["dependency-groups"])


def sync(uv: str, groups: set[str]) -> None:
    """Install the locked set; every index, proxy and cache setting of the person's own stays in force."""
    say("installing what uv.lock names into .venv")
    wanted = ["--frozen", *EXTRAS, "--no-default-groups", *(f"--group={group}" for group in sorted(groups))]
    python = ["--no-managed-python", "--python", base_python()]
    if own_index() is None:
        call(uv, "sync", *wanted, *python)
        return
    # `uv sync` takes files from where the lock found them; `uv pip` asks the person's index for the same hashes.
    requirements = BOOT / "locked.txt"
    BOOT.mkdir(exist_ok=True)
    call(uv, "export", "--quiet", "--no-emit-project", *wanted, "--output-file", str(requirements))
    call(uv, "venv", "--clear", *python, str(VENV))
    into = ["--python", str(VENV), "--no-deps", "--default-index", str(own_index())]
    call(uv, "pip", "install", *into, "--require-hashes", "--requirements", str(requirements))
    call(uv, "pip", "install", *into, "--editable", str(ROOT))


def own_index() -> str | None:
    """The package index this person's settings name, None for PyPI itself."""
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def call(uv: str, *arguments: str) -> None:
    """Run uv for this clone alone; SetupFailed when it does not succeed."""
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    env.update(UV_PYTHON_DOWNLOADS="never", UV_PROJECT_ENVIRONMENT=str(VENV))
    if ssl.create_default_context().cert_store_stats()["x509_ca"]:
        # uv's built-in list knows no company proxy and no mirror with a certificate of its own; the machine's does.
        env.setdefault("UV_SYSTEM_CERTS", "1")
    if subprocess.run([uv, *arguments], cwd=ROOT, env=env, check=False).returncode:
        raise SetupFailed("uv could not install the dependencies; its own words are above. A second try is harmless.")


def find_uv() -> str | None:
    """A uv of the pinned line on PATH, or the one an earlier set-up fetched."""
    for candidate in (shutil.which("uv"), str(BOOT / "bin" / "uv")):
        if candidate and fits(candidate):
            return candidate
    return None


def fits(uv: str) -> bool:
    """True when `uv` runs and reads this lock file: same minor version, at least the pinned one."""
    try:
        said = subprocess.run([uv, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        version = tuple(int(part) for part in said.split()[1].split(".")[:3])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return False
    pinned = tuple(int(part) for part in UV.split("."))
    return version[:2] == pinned[:2] and version >= pinned


def fetch_uv() -> str:
    """Put the pinned uv into `.boot`, by pip where there is one, else by hand, and return its path."""
    BOOT.mkdir(exist_ok=True)
    say(f"fetching uv {UV} into .boot")
    if not pip_install():
        unpack_wheel()
    uv = BOOT / "bin" / "uv"
    if not fits(str(uv)):
        raise SetupFailed(f"the uv {UV} that was fetched does not run on this machine ({platform.platform()}).")
    return str(uv)


def pip_install() -> bool:
    """Try pip, which knows the person's index, proxy and certificates; False when it is missing or fails."""
    hashes = " ".join(f"--hash=sha256:{digest}" for _, digest in WHEELS.values())
    requirements = BOOT / "requirements.txt"
    requirements.write_text(f"uv=={UV} {hashes}\n", encoding="utf-8")
    # --target needs no ensurepip and is allowed by Debian's externally managed Python.
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--upgrade"]
    command += ["--only-binary=:all:", "--target", str(BOOT), "--requirement", str(requirements)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode == 0


def unpack_wheel() -> None:
    """Fetch the wheel from the package index, check its pinned hash, and take the one program out of it."""
    libc = "glibc" if platform.libc_ver()[0] == "glibc" else ""
    try:
        name, digest = WHEELS[platform.system(), platform.machine(), libc]
    except KeyError:
        raise SetupFailed(
            f"there is no pinned uv for {platform.system()} on {platform.machine()}; install uv {UV} yourself."
        ) from None
    body = download(wheel_url(name))
    if hashlib.sha256(body).hexdigest() != digest:
        raise SetupFailed(f"the package index sent a {name} whose hash is not the pinned one; nothing was installed.")
    uv = BOOT / "bin" / "uv"
    uv.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(body)) as wheel:
        uv.write_bytes(wheel.read(f"uv-{UV}.data/scripts/uv"))
    uv.chmod(0o755)


def wheel_url(name: str) -> str:
    """The wheel's address in the index (simple repository API, PEP 503), the person's own where one is set."""
    page = f"{(own_index() or 'https://pypi.org/simple').rstrip('/')}/uv/"
    for link in re.findall(r'href="([^"]+)"', download(page).decode("utf-8", "replace")):
        url = urljoin(page, html.unescape(link))
        if unquote(urlsplit(url).path).endswith(f"/{name}"):
            return url
    raise SetupFailed(f"the package index at {urlsplit(page).hostname} does not list {name}.")


def download(url: str) -> bytes:
    """The body at `url`, small enough to hold in memory."""
    if urlsplit(url).scheme not in ("https", "http"):
        raise SetupFailed("the package index must be an http or https address.")
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return bytes(response.read())
    except OSError as error:
        reason = getattr(error, "reason", error)
        hint = " Install the ca-certificates package." if "CERTIFICATE_VERIFY_FAILED" in str(reason) else ""
        raise SetupFailed(
            f"{urlsplit(url).hostname} could not be reached ({reason}).{hint} The first set-up needs a network "
            "connection, or an index of your own in UV_DEFAULT_INDEX."
        ) from None


def say(what: str) -> None:
    """One line about what takes time, apart from what the programs print."""
    print(f"[set-up] {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
