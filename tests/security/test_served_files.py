"""What the local store gives a browser: by signed address alone, and never anything it would run."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.storage.signing import UrlSigner
from tests.integration.served import Served, served

EVIL = b"<html><svg onload=alert(1)><script>fetch('/jobs')</script>"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path / "data") as running:
        yield running


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.xhtml", "a.xml", "a.js", "a.pdf", "a.mp4.html", "a", "a.png"])
async def test_html_and_svg_are_downloads(api: Served, name: str) -> None:
    api.app.state.services.files.put_if_absent(f"uploads/{name}", EVIL, content_type="text/html")
    answer = await api.client.get(api.app.state.services.files.signed_get(f"uploads/{name}", 60))
    assert answer.status_code == 200
    assert answer.headers["content-type"] in ("application/octet-stream", "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript"])
async def test_no_upload_of_what_a_browser_runs_is_signed(api: Served, content_type: str) -> None:
    wanted = {"filename": "a.png", "content_type": content_type, "bytes": len(EVIL)}
    assert (await api.client.post("/uploads", json=wanted)).status_code == 422
    asked = await api.client.post("/uploads", json={**wanted, "content_type": "image/png"})
    place = asked.json()["upload_url"]
    refused = await api.client.put(place, content=EVIL, headers={"Content-Type": content_type})
    assert refused.status_code == 401, "the type is signed too"


async def test_an_address_is_for_one_method_one_key_and_one_time(api: Served, tmp_path: Path) -> None:
    files = api.app.state.services.files
    files.put_if_absent("uploads/a.png", b"mine")
    link = files.signed_get("uploads/a.png", 60)
    query = urlsplit(link).query
    assert (await api.client.get(link)).content == b"mine"
    later = str(int(parse_qs(query)["expires"][0]) + 3600)
    for altered in (
        link.replace("a.png", "b.png"),
        link.replace("uploads/", "uploads//"),
        link.replace(parse_qs(query)["expires"][0], later),
        link + "&filename=x.html",
        link.replace("signature=", "signature=0"),
    ):
        assert (await api.client.get(altered)).status_code in (401, 404), altered
    put = await api.client.put(link, content=b"mine", headers={"Content-Type": "image/png"})
    assert put.status_code == 401, "reading is not writing"
    for method in ("DELETE", "POST", "PATCH"):
        assert (await api.client.request(method, link)).status_code == 405
    secret = (tmp_path / "data/secret").read_bytes()
    expired = UrlSigner(secret, api.url, lambda: time.time() - 3600).sign_get("uploads/a.png", 60)
    assert (await api.client.get(expired)).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["../rushes.db", "..%2frushes.db", "%2e%2e/secret", "uploads/..%2f..%2fsecret", "/etc/passwd", "%2fetc%2fpasswd",
     "uploads/%00", ".lock", ".tmp/x", "uploads/a%0d%0aX:1"],
)  # fmt: skip
async def test_no_path_leaves_the_store_even_when_it_is_signed(api: Served, tmp_path: Path, path: str) -> None:
    signer = UrlSigner((tmp_path / "data/secret").read_bytes(), api.url, time.time)
    for key in (path, path.replace("%2f", "/").replace("%2e", ".").replace("%00", "\0")):
        query = urlsplit(signer.sign_get(key, 60).replace("\r", "").replace("\n", "")).query
        answer = await api.client.get(f"{api.url}/files/{path}?{query}")
        assert answer.status_code in (401, 404, 422), answer.text
        assert b"root:" not in answer.content


async def test_a_link_in_the_store_is_not_followed(api: Served, tmp_path: Path) -> None:
    secret = tmp_path / "data/secret"
    folder = tmp_path / "data/objects/uploads"
    folder.mkdir(parents=True)
    (folder / "a.png").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    signer = UrlSigner(secret.read_bytes(), api.url, time.time)
    for key in ("uploads/a.png", "uploads/up/data/secret"):
        answer = await api.client.get(signer.sign_get(key, 60))
        assert answer.status_code in (404, 503)
        assert secret.read_bytes() not in answer.content
