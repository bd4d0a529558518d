from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from shared.errors import Unauthorized
from shared.storage.signing import UrlSigner, content_disposition


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signer(clock: Clock) -> UrlSigner:
    return UrlSigner(b"secret", "http://plane/", clock)


def _query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_the_address(signer: UrlSigner) -> None:
    url = signer.sign_get("jobs/1/a.mp4", 3600, "Film & Ton.mp4")
    assert url.startswith("http://plane/files/jobs/1/a.mp4?expires=")
    assert _query(url)["filename"] == "Film & Ton.mp4"
    signer.verify_get("jobs/1/a.mp4", _query(url))


def test_one_address_is_handed_out_for_a_quarter_of_its_time(signer: UrlSigner, clock: Clock) -> None:
    clock.now = 3600.0 * 300 + 1
    url = signer.sign_get("a", 3600)
    clock.now += 898
    assert signer.sign_get("a", 3600) == url
    clock.now += 2
    assert signer.sign_get("a", 3600) != url


@pytest.mark.parametrize("now", [1_000_000.0, 1_000_000.9, 999_999.5, 1_000_799.0])
@pytest.mark.parametrize("expires_in", [1, 60, 3600])
def test_an_address_works_for_its_time_and_up_to_a_quarter_more(
    signer: UrlSigner, clock: Clock, now: float, expires_in: int
) -> None:
    clock.now = now
    query = _query(signer.sign_get("a", expires_in))
    clock.now = int(now) + expires_in - 0.1
    signer.verify_get("a", query)
    clock.now = now + expires_in + max(1, expires_in / 4) + 0.1
    with pytest.raises(Unauthorized, match="expired"):
        signer.verify_get("a", query)


def test_a_get_address_reads_nothing_else(signer: UrlSigner) -> None:
    query = _query(signer.sign_get("a.mp4", 60, "film.mp4"))
    for key, altered in [
        ("b.mp4", {}),
        ("a.mp4", {"expires": str(int(query["expires"]) + 1)}),
        ("a.mp4", {"signature": "0" * 64}),
        ("a.mp4", {"signature": "é\udc80"}),
        ("a.mp4", {"filename": "film.exe"}),
    ]:
        with pytest.raises(Unauthorized, match="altered"):
            signer.verify_get(key, query | altered)
    with pytest.raises(Unauthorized, match="altered"):
        signer.verify_put("a.mp4", query, "video/mp4", 10)
    with pytest.raises(Unauthorized, match="altered"):
        UrlSigner(b"another", "http://plane", Clock()).verify_get("a.mp4", query)


@pytest.mark.parametrize("query", [{}, {"expires": ""}, {"expires": "soon"}, {"expires": "9" * 5000}])
def test_an_unsigned_address_is_refused(signer: UrlSigner, query: dict[str, str]) -> None:
    with pytest.raises(Unauthorized, match="not signed"):
        signer.verify_get("a", query)


def test_a_put_address_takes_one_upload_only(signer: UrlSigner, clock: Clock) -> None:
    upload = signer.sign_put("uploads/a.mp4", "video/mp4", 100, 60)
    query = _query(upload.url)
    assert (upload.method, upload.headers) == ("PUT", {"Content-Type": "video/mp4"})
    signer.verify_put("uploads/a.mp4", query, "video/mp4", 100)
    for key, content_type, length in [
        ("uploads/b.mp4", "video/mp4", 100),
        ("uploads/a.mp4", "text/html", 100),
        ("uploads/a.mp4", "video/mp4", 101),
    ]:
        with pytest.raises(Unauthorized, match="altered"):
            signer.verify_put(key, query, content_type, length)
    with pytest.raises(Unauthorized, match="altered"):
        signer.verify_get("uploads/a.mp4", query)
    clock.now += 60
    with pytest.raises(Unauthorized, match="expired"):
        signer.verify_put("uploads/a.mp4", query, "video/mp4", 100)


def test_a_name_cannot_break_out_of_its_header() -> None:
    header = content_disposition('a"\r\nSet-Cookie: x=1;ü\udc80')
    assert header == "attachment; filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x%3D1%3B%C3%BC%3F"
