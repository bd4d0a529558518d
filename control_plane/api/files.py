"""`/files/{key}`: the local store by signed URL. Range, 304, and nothing a browser would run."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from control_plane.api.services import Services, Use
from control_plane.api.uploads import MEDIA_TYPES
from shared.errors import InvalidRequest, NotFound
from shared.storage.signing import UrlSigner, content_disposition

router = APIRouter(include_in_schema=False)

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "private, max-age=0, must-revalidate",
}


def _signer(request: Request) -> UrlSigner:
    signer: UrlSigner = request.app.state.signer
    return signer


@router.api_route("/files/{key:path}", methods=["GET", "HEAD"])
async def read_file(services: Use, key: str, request: Request) -> Response:
    """An object of the local store."""
    _signer(request).verify_get(key, request.query_params)
    try:
        info = services.files.head(key)
    except ValueError:  # a signed address of what can be no key
        info = None
    if info is None:
        raise NotFound("There is no such file")
    headers = {**SAFE_HEADERS, "ETag": info.etag}
    if request.headers.get("if-none-match") in (info.etag, "*"):
        return Response(status_code=304, headers=headers)
    if filename := request.query_params.get("filename"):
        headers["Content-Disposition"] = content_disposition(filename)
    return FileResponse(services.files.path(key), media_type=info.content_type, headers=headers)


@router.put("/files/{key:path}", status_code=201)
async def write_file(services: Use, key: str, request: Request) -> Response:
    """Create an object from exactly the signed number of bytes, once."""
    content_type = request.headers.get("content-type", "")
    length = _length(request)
    _signer(request).verify_put(key, request.query_params, content_type, length)
    if content_type not in MEDIA_TYPES:
        raise InvalidRequest("Files of this type are not taken", code="UPLOAD_REFUSED")
    return await _receive(services, key, request, length)


def _length(request: Request) -> int:
    declared = request.headers.get("content-length", "")
    if not declared.isdigit():
        raise InvalidRequest("Send a Content-Length", code="LENGTH_REQUIRED")
    return int(declared)


async def _receive(services: Services, key: str, request: Request, length: int) -> Response:
    etag = await services.files.receive(key, request.stream(), length)
    return Response(status_code=201, headers={"ETag": etag})
