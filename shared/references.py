"""The addresses a person may put into params.

`https://…`, `storage://<key>` (the owner's store), `s3://<own bucket>/<key>`, `job:<job_id>` (a finished job's output).
Plain `http://` passes here and is refused by the fetch guard unless private addresses are allowed.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints

USER_PREFIXES = ("uploads/", "twins/", "jobs/")
JOB_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""A job's id as it is made and written here, for patterns."""
TWIN_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,511}")
_JOB = re.compile(r"job:[0-9a-fA-F-]{36}")


def check_key(key: str) -> str:
    """Return `key` when it is a plain relative key; ValueError on traversal, empty parts or odd characters."""
    if not _KEY.fullmatch(key) or any(part in ("", ".", "..") for part in key.split("/")):
        msg = "a storage key is made of letters, digits, '.', '_', '-' and single '/'"
        raise ValueError(msg)
    return key


def check_user_key(key: str) -> str:
    """A key that a user's params may name: uploads, twins and the outputs of jobs, never claims or results."""
    check_key(key)
    inside = key.startswith(USER_PREFIXES) and "/claims/" not in key and not key.endswith("/result.json")
    if not inside:
        msg = "only uploads/, twins/ and outputs of jobs may be used"
        raise ValueError(msg)
    return key


def check_reference(url: str) -> str:
    """Return `url` when it is one of the four forms; ValueError says what is wrong with it."""
    scheme = url.partition(":")[0].lower()
    match scheme:
        case "storage":
            check_user_key(url.removeprefix("storage://"))
        case "job":
            if not _JOB.fullmatch(url):
                msg = "write job:<job id>, the id as POST /jobs returned it"
                raise ValueError(msg)
        case "s3":
            _, _, key = url.removeprefix("s3://").partition("/")
            check_user_key(key)
        case "https" | "http":
            if not urlsplit(url).hostname:
                msg = "the address has no host"
                raise ValueError(msg)
        case _:
            msg = "use https://…, storage://<key>, s3://<your bucket>/<key> or job:<job id>"
            raise ValueError(msg)
    return url


def check_lora(lora: str) -> str:
    """Return `lora` when it is the name of a twin or the storage key of a LoRA; ValueError says what is wrong."""
    check_reference(lora_reference(lora))
    return lora


def lora_reference(lora: str) -> str:
    """Where the LoRA lies: a twin's under its name, anything else under its own key."""
    key = f"twins/{lora}/lora.safetensors" if TWIN_NAME.fullmatch(lora) else lora.removeprefix("storage://")
    return f"storage://{key}"


MediaReference = Annotated[str, StringConstraints(min_length=5, max_length=2048), AfterValidator(check_reference)]
