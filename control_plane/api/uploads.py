"""`POST /uploads`: a signed PUT into the owner's own store, so that media never passes through a job's params."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from fastapi import APIRouter
from uuid6 import uuid7

from control_plane.api.problems import Problem
from control_plane.api.schemas import UploadRequest, UploadView
from control_plane.api.services import Use
from shared.errors import FieldProblem, InvalidRequest

router = APIRouter(tags=["uploads"], responses={"4XX": {"model": Problem}})

MAX_UPLOAD_BYTES = 5_000_000_000
UPLOAD_SECONDS = 3600
MEDIA_TYPES = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif",
    "video/mp4": ".mp4", "video/quicktime": ".mov", "video/webm": ".webm", "video/x-matroska": ".mkv",
    "audio/mpeg": ".mp3", "audio/wav": ".wav", "audio/x-wav": ".wav", "audio/mp4": ".m4a", "audio/aac": ".aac",
    "audio/ogg": ".ogg", "audio/flac": ".flac", "audio/webm": ".weba",
    "application/x-subrip": ".srt", "text/vtt": ".vtt", "text/x-ssa": ".ass", "application/x-cube": ".cube",
}  # fmt: skip
_ODD = re.compile(r"[^A-Za-z0-9_-]+")


@router.post("/uploads", status_code=201)
async def create_upload(services: Use, wanted: UploadRequest) -> UploadView:
    """Where to PUT a file. Size and type are signed: anything else is refused by the store."""
    extension = MEDIA_TYPES.get(wanted.content_type)
    if extension is None:
        raise _refuse("/content_type", f"use one of {', '.join(MEDIA_TYPES)}")
    if wanted.bytes > MAX_UPLOAD_BYTES:
        raise _refuse("/bytes", f"a file may have at most {MAX_UPLOAD_BYTES:,} bytes")
    stem = _ODD.sub("-", PurePosixPath(wanted.filename).stem).strip("-")[:80] or "file"
    key = f"uploads/{uuid7()}/{stem}{extension}"
    signed = services.stores.current.signed_put(key, wanted.content_type, wanted.bytes, UPLOAD_SECONDS)
    return UploadView(upload_url=signed.url, method="PUT", headers=signed.headers, url=f"storage://{key}")


def _refuse(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"{pointer.strip('/')}: {detail}", FieldProblem(pointer, detail), code="UPLOAD_REFUSED")
