"""Tells the owner's other programs that a job has finished: signed, tried again for a day, then put aside.

Signature, headers and what an answer means: Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks).
The address is a stranger's: each of its IP addresses is checked, the connection goes to one that was checked, redirects
are not followed and the answer is not read.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from control_plane.clock import Clock, to_rfc3339
from control_plane.jobs import deliveries, queries
from control_plane.jobs.deliveries import DeliveryRecord, Tried
from control_plane.jobs.records import JobRecord
from control_plane.jobs.table import JobTable
from shared.addresses import check_address, check_literal
from shared.errors import MediaRefused, RushesError

log = logging.getLogger(__name__)

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every such secret begins with
PAUSES_SECONDS = (5, 30, 120, 600, 3600, 2 * 3600, 4 * 3600, 6 * 3600, 10 * 3600)
"""Before the second try and each later one; a delivery is given up 23 hours after the first."""

TRY_SECONDS = 15.0
CONNECT_SECONDS = 5.0
AT_ONCE = 20
LOOK_EVERY_SECONDS = 1.0
GATHER_SECONDS = 0.05
"""After a change: on a busy table a look at each one would cost more than the webhooks."""

TROUBLE_SECONDS = 5.0

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The IP addresses of a host name; OSError when there are none."""


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a message sent at `timestamp` (seconds since the epoch)."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def check_url(url: str, *, allow_private: bool) -> httpx.URL:
    """The address, parsed. MediaRefused when it shows by itself that nothing may be sent there."""
    try:
        parsed = httpx.URL(url)
        check_literal(url, allow_private=allow_private)
    except (httpx.InvalidURL, ValueError):
        raise MediaRefused("The address is not a valid one.") from None
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise MediaRefused("The address must begin with https:// and a host.")
    if not allow_private and parsed.port not in (None, 443):
        raise MediaRefused("The address names a port that is not allowed.")
    return parsed


async def resolve(host: str, port: int) -> list[str]:
    """See Resolve: by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class WebhookSender:
    """`run` sends until canceled. `present` gives a job as clients see it; `secret` is `whsec_…`.

    `tls` decides whose certificates are believed: without it, those of the authorities this machine knows.
    """

    def __init__(
        self,
        table: JobTable,
        clock: Clock,
        secret: str,
        present: Callable[[JobRecord], Mapping[str, Any]],
        *,
        allow_private: bool = False,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self._table = table
        self._clock = clock
        self._secret = secret
        self._present = present
        self._allow_private = allow_private
        # One connection a message: a kept one was checked for the name it was opened for, not for the next on its IP.
        limits = httpx.Limits(max_keepalive_connections=0)
        timeout = httpx.Timeout(TRY_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(verify=tls or True, timeout=timeout, limits=limits, trust_env=False)
        self._resolve = resolve

    def check(self, url: str) -> None:
        """Raise MediaRefused when the address shows by itself that nothing may be sent there."""
        check_url(url, allow_private=self._allow_private)

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            try:
                if not await self.send_due():
                    await self._table.changed(None, LOOK_EVERY_SECONDS)
                    await asyncio.sleep(GATHER_SECONDS)
            except RushesError as trouble:
                log.warning("webhooks: %s", trouble.message)
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:  # a mistake of ours must not end all telling
                log.exception("webhooks")
                await asyncio.sleep(TROUBLE_SECONDS)

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def send_due(self) -> int:
        """Try some of what is due now, at once; how many."""
        found = self._table.ask(deliveries.due, self._clock(), AT_ONCE)
        await asyncio.gather(*(self._deliver(delivery) for delivery in found))
        return len(found)

    async def _deliver(self, delivery: DeliveryRecord) -> None:
        job = self._table.ask(queries.job_by_id, delivery.job_id)
        if job is None:  # deleted since, and the delivery with it
            return
        how = await self._try(delivery, job)
        if how.error:
            log.warning("webhook of job %s, try %d: %s", delivery.job_id, delivery.tries + 1, how.error)
        await self._table.do(deliveries.tried, delivery, how, self._clock())

    async def _try(self, delivery: DeliveryRecord, job: JobRecord) -> Tried:
        try:
            async with asyncio.timeout(TRY_SECONDS):
                status = await self._post(delivery, self._body(job))
        except MediaRefused as refused:
            return Tried(error=refused.message)
        except (RushesError, httpx.HTTPError, OSError, UnicodeError) as error:
            return Tried(error=_explain(error), due_at=self._next_try(delivery))
        if httpx.codes.is_success(status):
            return Tried(status)
        final = status == httpx.codes.GONE
        return Tried(status, f"The address answered {status}.", None if final else self._next_try(delivery))

    def _next_try(self, delivery: DeliveryRecord) -> int | None:
        if delivery.tries >= len(PAUSES_SECONDS):
            return None
        return self._clock() + PAUSES_SECONDS[delivery.tries] * 1000

    def _body(self, job: JobRecord) -> bytes:
        message = {
            "type": f"job.{job.status.lower()}",
            "timestamp": to_rfc3339(job.finished_at or job.updated_at),
            "data": self._present(job),
        }
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()

    async def _post(self, delivery: DeliveryRecord, body: bytes) -> int:
        """The status of the answer. Another of the host's addresses is tried where no connection could be made."""
        url = check_url(delivery.url, allow_private=self._allow_private)
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = list(dict.fromkeys(await self._resolve(url.raw_host.decode("ascii"), port)))
        for address in addresses:
            check_address(address, allow_private=self._allow_private)
        for address in addresses[:-1]:
            try:
                return await self._post_to(address, url, delivery.id, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._post_to(addresses[-1], url, delivery.id, body)

    async def _post_to(self, address: str, url: httpx.URL, message_id: str, body: bytes) -> int:
        timestamp = self._clock() // 1000
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": "Rushes",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._secret, message_id, timestamp, body),
        }
        request = self._client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers=headers,
            # The certificate must be the name's, though the connection goes to the address that was checked.
            extensions={"sni_hostname": url.raw_host.decode("ascii")},
        )
        response = await self._client.send(request, stream=True, follow_redirects=False)
        await response.aclose()
        return response.status_code


def _explain(error: Exception) -> str:
    match error:
        case RushesError():
            return error.message
        case TimeoutError() | httpx.TimeoutException():
            return "The address does not answer, or too slowly."
        case socket.gaierror() | UnicodeError():
            return "The address cannot be found."
        case httpx.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return "The address has no valid certificate."
        case _:
            return "The address does not answer."
