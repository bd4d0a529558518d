"""`/console`: the page for people. Static files, kept in memory, under a policy that lets nothing else run."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from control_plane.api.reading import matches
from control_plane.api.services import Services, Use
from shared.errors import NotFound

router = APIRouter(include_in_schema=False)

FOR_EVER = "public, max-age=31536000, immutable"
LATER = ("js/form/", "js/timeline/", "js/pages/new-page.js")
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


@dataclass(frozen=True)
class Asset:
    """One file as it is sent, plain or packed."""

    body: bytes
    packed: bytes
    media_type: str


@dataclass(frozen=True)
class Page:
    """The first page, and every file that it loads by the path it asks for. `build` changes with any of them."""

    build: str
    index: Asset
    assets: dict[str, Asset]


@lru_cache(maxsize=1)
def page() -> Page:
    """The console as it was installed, read once. Files lie below their build's name, so that they can be kept."""
    found = dict(sorted(_files(files("control_plane") / "console")))
    draft = found.pop("index.html").decode()
    build = hashlib.blake2b(b"".join(found.values()) + draft.encode(), digest_size=6).hexdigest()
    scripts = "\n".join(f'<link rel="modulepreload" href="{build}/{name}">' for name in found if _is_first(name))
    index = draft.replace("<!--scripts-->", scripts).replace("{build}", build)
    return Page(
        build,
        _asset("index.html", index.encode()),
        {f"{build}/{name}": _asset(name, body) for name, body in found.items()},
    )


@router.get("/console")
async def open_console() -> Response:
    """The address that people type."""
    return RedirectResponse("/console/", status_code=308)


@router.api_route("/console/{path:path}", methods=["GET", "HEAD"])
async def read_console(services: Use, request: Request, path: str) -> Response:
    """The page, or one of its files."""
    if not path:
        headers = {"Content-Security-Policy": policy(services), "Cache-Control": "no-cache"}
        return _answer(request, page().index, headers)
    asset = page().assets.get(path)
    if asset is None:
        raise NotFound("There is no such file")
    return _answer(request, asset, {"Cache-Control": FOR_EVER})


def policy(services: Services) -> str:
    """Scripts and styles are this page's own files; media also comes from the bucket, and uploads go there."""
    stores = " ".join(sorted(_store_origins(services)))
    return "; ".join((
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "font-src 'self'",
        f"img-src 'self' blob: data: {stores}", f"media-src 'self' blob: {stores}", f"connect-src 'self' {stores}",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'", "trusted-types 'none'",
    ))  # fmt: skip


def _store_origins(services: Services) -> set[str]:
    """Where signed addresses lead: asked of the stores themselves, who know about regions and public addresses."""
    current = services.stores.current
    addresses = [store.signed_get("uploads/console", 60) for store in (current, services.files)]
    addresses.append(current.signed_put("uploads/console", "video/mp4", 1, 60).url)
    return {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, addresses)}


def _answer(request: Request, asset: Asset, headers: dict[str, str]) -> Response:
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    body = asset.packed if is_packed else asset.body
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = SAFE_HEADERS | headers | {"ETag": etag, "Vary": "Accept-Encoding"}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=asset.media_type, headers=headers)


def _asset(name: str, body: bytes) -> Asset:
    return Asset(body, gzip.compress(body, 9, mtime=0), MEDIA_TYPES[PurePosixPath(name).suffix])


def _is_first(name: str) -> bool:
    """A module that every visit needs; the others are imported by the pages that need them."""
    return name.endswith(".js") and not name.startswith(LATER)


def _files(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _files(entry, f"{prefix}{entry.name}/")
        elif PurePosixPath(entry.name).suffix in MEDIA_TYPES:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found
