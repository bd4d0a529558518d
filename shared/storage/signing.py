"""Signed, expiring URLs for the local store: `<base_url>/files/<key>?expires=…&signature=…`.

HMAC-SHA256 over the method, the key, the expiry and what the URL allows: for GET the name offered for download, for PUT
the content type and the exact length.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

from shared.errors import Unauthorized
from shared.storage.base import SignedUpload


def window(expires_in: int) -> int:
    """For how many seconds one signed GET URL is handed out again, so that what it names can be cached."""
    return max(1, expires_in // 4)


def content_disposition(filename: str) -> str:
    """The header that offers a download under `filename` (RFC 6266, RFC 8187)."""
    return f"attachment; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"


class UrlSigner:
    """Signs and verifies. `clock` gives seconds since the epoch; whoever has `secret` can sign."""

    def __init__(self, secret: bytes, base_url: str, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._base_url = base_url.rstrip("/")
        self._clock = clock

    def sign_get(self, key: str, expires_in: int, filename: str | None = None) -> str:
        """A URL that reads `key` for `expires_in` seconds and up to a quarter more: the end is rounded up."""
        step = window(expires_in)
        expires = -(-int(self._clock() + expires_in) // step) * step
        offered = {} if filename is None else {"filename": filename}
        return self._url(key, {"expires": expires, "signature": self._sign("GET", key, expires, filename)} | offered)

    def sign_put(self, key: str, content_type: str, length: int, expires_in: int) -> SignedUpload:
        """A URL that creates `key` from exactly `length` bytes sent as `content_type`."""
        expires = int(self._clock()) + expires_in
        signature = self._sign("PUT", key, expires, content_type, length)
        return SignedUpload(
            self._url(key, {"expires": expires, "signature": signature}), {"Content-Type": content_type}
        )

    def verify_get(self, key: str, query: Mapping[str, str]) -> None:
        """Raise Unauthorized unless the URL was signed for reading `key` and has not expired."""
        self._verify(query, "GET", key, query.get("filename"))

    def verify_put(self, key: str, query: Mapping[str, str], content_type: str, length: int) -> None:
        """Raise Unauthorized unless the URL was signed for just this upload and has not expired."""
        self._verify(query, "PUT", key, content_type, length)

    def _url(self, key: str, query: Mapping[str, object]) -> str:
        return f"{self._base_url}/files/{key}?{urlencode(query, errors='replace')}"

    def _sign(self, method: str, key: str, expires: int, *allowed: str | int | None) -> str:
        # JSON, because joined strings could be cut in other places: a content type may hold any character.
        message = json.dumps([method, key, expires, *allowed]).encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    def _verify(self, query: Mapping[str, str], method: str, key: str, *allowed: str | int | None) -> None:
        try:
            expires = int(query.get("expires", ""))
        except ValueError:
            raise Unauthorized("The address is not signed.") from None
        wanted = self._sign(method, key, expires, *allowed)
        if not hmac.compare_digest(wanted.encode(), query.get("signature", "").encode(errors="replace")):
            raise Unauthorized("The address was altered, or it is used for something else than it was signed for.")
        if self._clock() >= expires:
            raise Unauthorized("The address has expired; ask for a new one.")
