from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from shared.errors import Conflict, Unauthorized
from shared.storage.base import ObjectStore
from shared.storage.local import LocalStore
from shared.storage.s3 import S3Store
from shared.storage.signing import UrlSigner, content_disposition
from tests.standins.seaweed import S3Server


@pytest.fixture(scope="session")
def s3_store(s3_server: S3Server) -> S3Store:
    return S3Store(
        s3_server.bucket, s3_server.endpoint_url, "auto", s3_server.access_key_id, s3_server.secret_access_key
    )


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalStore(tmp_path / "objects", UrlSigner(b"secret", "http://files.test", time.time))
    store: S3Store = request.getfixturevalue("s3_store")
    for item in store.list(""):
        store.delete(item.key)
    return store


@pytest.fixture
async def browser(store: ObjectStore) -> AsyncIterator[httpx.AsyncClient]:
    """A client that reaches the addresses that the store signs."""
    transport = httpx.ASGITransport(_files_app(store)) if isinstance(store, LocalStore) else None
    async with httpx.AsyncClient(transport=transport, trust_env=False) as browser:
        yield browser


def _files_app(store: LocalStore) -> Starlette:
    """The least that serves a local store's signed addresses."""
    signer = store._signer
    assert signer

    async def files(request: Request) -> Response:
        key = request.path_params["key"]
        try:
            if request.method == "PUT":
                length = int(request.headers["content-length"])
                signer.verify_put(key, request.query_params, request.headers.get("content-type", ""), length)
                return Response(headers={"ETag": await store.receive(key, request.stream(), length)})
            signer.verify_get(key, request.query_params)
        except Unauthorized as error:
            return Response(error.message, 403)
        except Conflict as error:
            return Response(error.message, 412)
        info = store.head(key)
        if info is None:
            return Response(status_code=404)
        name = request.query_params.get("filename")
        headers = {"Content-Disposition": content_disposition(name)} if name else {}
        return FileResponse(store.path(key), media_type=info.content_type, headers=headers)

    return Starlette(routes=[Route("/files/{key:path}", files, methods=["GET", "PUT"])])
