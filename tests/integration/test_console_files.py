"""`/console` as it is served: small, cacheable, and under a policy that lets nothing foreign run."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from control_plane.api.console import page
from tests.integration.served import Served, served

FIRST_LOAD_BYTES = 100_000


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, api_key="s3cret") as running:
        yield running


async def test_the_page_needs_no_key_and_allows_only_its_own_scripts(api: Served) -> None:
    moved = await api.client.get("/console")
    assert (moved.status_code, moved.headers["location"]) == (308, "/console/")
    answer = await api.client.get("/console/")
    assert answer.status_code == 200
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {api.url}"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]* src=)|<style| on\w+=| style=", answer.text)


async def test_every_file_that_the_page_names_is_there_and_kept_for_ever(api: Served) -> None:
    text = (await api.client.get("/console/")).text
    named = re.findall(r'(?:href|src)="([^"]+)"', text)
    assert len(named) > 30
    for path in named:
        answer = await api.client.get(f"/console/{path}")
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]
        again = await api.client.get(f"/console/{path}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_every_import_of_a_module_leads_to_a_file() -> None:
    for name in page().assets:
        missing = imports(name, r'(?:from |import\()"(\.[^"]+)"') - set(page().assets)
        assert not missing, name


def imports(name: str, pattern: str = r'from "(\.[^"]+)"') -> set[str]:
    """The files that a module needs, by default before it can begin."""
    if not name.endswith(".js") or "/vendor/" in name:
        return set()
    text = page().assets[name].body.decode()
    return {urljoin(name, target) for target in re.findall(pattern, text)}


def test_the_first_load_is_below_a_hundred_kilobytes() -> None:
    index = page().index.body.decode()
    named = {name.partition('"')[0] for name in re.split(r'(?:href|src)="', index)[1:]}
    needed, waiting = set[str](), {*named, f"{page().build}/fonts/geist.woff2"}
    while waiting:
        needed |= waiting
        waiting = set().union(*map(imports, waiting)) - needed
    assert needed == named, "a module that is needed at once is fetched at once"
    files = [page().assets[name] for name in needed] + [page().index]
    sizes = [len(file.body) if file.media_type == "font/woff2" else len(file.packed) for file in files]
    assert sum(sizes) < FIRST_LOAD_BYTES


async def test_files_come_packed_to_whom_takes_it(api: Served) -> None:
    packed = await api.client.get("/console/", headers={"Accept-Encoding": "gzip"})
    plain = await api.client.get("/console/", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert packed.headers["etag"] != plain.headers["etag"]
    assert gzip.decompress(page().index.packed) == page().index.body


@pytest.mark.parametrize("path", ["nothing.js", "../app.py", "%2e%2e/settings.py", "js/main.js", "vendor/LICENSES.txt"])
async def test_nothing_else_is_served(api: Served, path: str) -> None:
    answer = await api.client.get(f"/console/{path}")
    assert answer.status_code in (401, 404)


def test_what_a_person_writes_is_only_ever_text() -> None:
    text = "".join(asset.body.decode() for name, asset in page().assets.items() if "/js/" in name)
    assert "html`" in text
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|dangerously", text
    )


def test_every_address_that_is_linked_is_ours_signed_or_checked() -> None:
    text = "".join(asset.body.decode() for name, asset in page().assets.items() if "/js/" in name)
    bound = set(re.findall(r"(?:href|src|poster)=\$\{([^}]+)", text))
    assert bound
    ours = r"to\.|`#|near |nearest|file\.preview|files\[|source(\.play)?$|poster$|edit$|type === \"EXPORT\" \? to\."
    checked = re.compile(rf"^({ours}|(image && )?reachable|licence\.url)")
    assert [one for one in bound if not checked.match(one)] == []
