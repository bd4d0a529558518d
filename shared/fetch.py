"""Download an address that a stranger wrote, without becoming their way into our network.

Every answer of the resolver is checked, and so is the address of every connection at the moment it is made; nothing is
looked up in between, so a name that changes its answer (DNS rebinding) gains nothing. Redirects are followed by hand,
and each hop is checked like the first. Proxies and cookies are not used, and nothing is decompressed.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from pathlib import Path

from aiohttp import (
    AddrInfoType,
    ClientConnectionError,
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared.addresses import check_address
from shared.errors import MediaRefused, RushesError, StorageFailed
from shared.storage.base import too_large

_MAX_REDIRECTS = 5
_CHUNK_BYTES = 1 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WORTH_A_RETRY = frozenset({408, 425, 429})


@dataclass(frozen=True)
class FetchLimits:
    """Sizes in bytes, times in seconds. `idle_seconds` is the longest wait for a connection or for the next bytes."""

    max_bytes: int = 5_000_000_000
    total_seconds: float = 900.0
    idle_seconds: float = 30.0


async def fetch(url: str, path: Path, *, limits: FetchLimits, allow_private: bool = False) -> int:
    """Download `url` into the file `path` and return its size in bytes. On failure the file is gone.

    `allow_private` lets the owner's own network, plain http and other ports through; link-local, multicast and metadata
    addresses never. Raises MediaRefused with one sentence for a person, retryable where another try could help, and
    StorageFailed when the file cannot be written.
    """
    try:
        async with asyncio.timeout(limits.total_seconds):
            return await _fetch(_parse(url), path, limits, allow_private)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, (ClientError, OSError, ValueError)):
            raise _explain(error) from error
        raise


class CheckedResolver(AbstractResolver):
    """The system's resolver, refusing a name when any of its addresses is refused."""

    def __init__(self, *, allow_private: bool) -> None:
        self._resolver = ThreadedResolver()
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See AbstractResolver. Raises MediaRefused."""
        answers = await self._resolver.resolve(host, port, family)
        for answer in answers:
            check_address(answer["host"], allow_private=self._allow_private)
        return answers

    async def close(self) -> None:
        """See AbstractResolver."""
        await self._resolver.close()


def _parse(url: str) -> URL:
    # A signed URL must be sent as it was written; only one that is no valid URL as it stands gets quoted.
    return URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)


def _check_url(url: URL, *, allow_private: bool) -> None:
    if url.scheme not in ("https", "http") or not url.host:
        raise MediaRefused("The address must begin with https:// and a host.")
    if not allow_private and url.scheme != "https":
        raise MediaRefused("The address must begin with https://.")
    if not allow_private and url.port not in (80, 443):
        raise MediaRefused("The address names a port that is not allowed.")


async def _fetch(url: URL, path: Path, limits: FetchLimits, allow_private: bool) -> int:
    def socket_for(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        check_address(str(address[0]), allow_private=allow_private)
        return socket.socket(family, kind, protocol)

    connector = TCPConnector(
        resolver=CheckedResolver(allow_private=allow_private),
        use_dns_cache=False,
        force_close=True,
        socket_factory=socket_for,
    )
    session = ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=ClientTimeout(total=None, connect=limits.idle_seconds, sock_read=limits.idle_seconds),
        headers={"Accept-Encoding": "identity", "User-Agent": "Rushes"},
    )
    async with session:
        for _ in range(_MAX_REDIRECTS + 1):
            _check_url(url, allow_private=allow_private)
            async with session.get(url, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await _save(response, path, limits.max_bytes)
                url = url.join(_parse(response.headers.get("Location", "")))
    raise MediaRefused("The address redirects too many times.")


async def _save(response: ClientResponse, path: Path, max_bytes: int) -> int:
    if response.status != 200:
        retryable = response.status >= 500 or response.status in _WORTH_A_RETRY
        raise MediaRefused(f"The address answered {response.status}.", retryable=retryable)
    if (response.content_length or 0) > max_bytes:
        raise too_large(max_bytes)
    size = 0
    with path.open("wb") as file:
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise too_large(max_bytes)
            await asyncio.to_thread(file.write, chunk)
    return size


def _explain(error: Exception) -> RushesError:
    match error:
        case TimeoutError():
            return MediaRefused("The address does not answer, or too slowly.", retryable=True)
        case ClientConnectorDNSError():
            return MediaRefused("The address cannot be found.", retryable=True)
        case ClientConnectorCertificateError():
            return MediaRefused("The address has no valid certificate.")
        case ClientConnectorError():
            return MediaRefused("The address does not answer.", retryable=True)
        case ClientPayloadError() | ClientConnectionError():
            return MediaRefused("The download broke off.", retryable=True)
        case OSError():
            return StorageFailed("The file could not be written to this machine's disk.")
        case InvalidURL() | ValueError():
            return MediaRefused("The address is not a valid one.")
        case _:
            return MediaRefused("The address gave no usable answer.")
