"""Who is told when a job has finished: by the plane as a whole, and by the sender with a clock of the test's own."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from uuid6 import uuid7

from control_plane.dispatch import webhooks
from control_plane.dispatch.webhooks import PAUSES_SECONDS, WebhookSender, sign
from control_plane.jobs import deliveries, verbs
from control_plane.jobs.deliveries import DeliveryRecord, DeliveryStatus, Tried
from control_plane.jobs.records import NewJob
from control_plane.jobs.table import JobTable
from shared.job_types import JobType
from tests.integration.served import Served, served
from tests.integration.test_api import assert_problem
from tests.standins.webhook_receiver import Received, WebhookReceiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = 1_800_000_000_000
PENDING, DELIVERED, DEAD = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.DEAD


def is_signed(request: Received, secret: str) -> bool:
    message_id, timestamp = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
    return request.headers["webhook-signature"] == sign(secret, message_id, timestamp, request.body)


# The plane


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, allow_private_urls=True) as running:
        yield running


def _tts(url: str) -> dict[str, Any]:
    return {"type": "TTS", "params": {"text": "hi"}, "webhook_url": url}


async def _deliveries(api: Served, status: str) -> list[dict[str, Any]]:
    """Wait for some to have this status."""
    async with asyncio.timeout(10):
        while not (found := (await api.client.get(f"/webhooks/deliveries?status={status}")).json()):
            await asyncio.sleep(0.01)
    listed: list[dict[str, Any]] = found
    return listed


async def test_a_finished_job_is_told_signed_with_what_a_client_would_read(api: Served, tmp_path: Path) -> None:
    async with WebhookReceiver() as receiver:
        job_id = (await api.submit(_tts(receiver.url))).json()["job_id"]
        done = await api.finish(job_id)
        message = await asyncio.wait_for(receiver.next_body(), 10)
        delivered = (await _deliveries(api, "DELIVERED"))[0]
    assert (message["type"], message["timestamp"]) == ("job.succeeded", done["finished_at"])
    assert message["data"] == (await api.client.get(f"/jobs?ids={job_id}")).json()[0]
    assert message["data"]["output_urls"] == done["output_urls"]
    request = receiver.requests[0]
    assert request.headers["webhook-id"] == delivered["id"] == f"msg_{job_id}"
    assert request.headers["content-type"] == "application/json"
    kept = tmp_path / "webhook_secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert is_signed(request, kept.read_text())
    assert (delivered["tries"], delivered["http_status"], delivered["next_try_at"]) == (1, 200, None)


async def test_failed_and_canceled_jobs_are_told_and_others_are_not(api: Served) -> None:
    async with WebhookReceiver() as receiver:
        silent = await api.job_id()
        await api.finish(silent)
        await api.submit(_tts(receiver.url))
        worker = await api.worker()
        worker.claim()
        worker.fail("ENGINE_FAILED", "It broke.")
        failed = await asyncio.wait_for(receiver.next_body(), 10)
        canceled_id = (await api.submit(_tts(receiver.url))).json()["job_id"]
        await api.client.post(f"/jobs/{canceled_id}/cancel")
        canceled = await asyncio.wait_for(receiver.next_body(), 10)
    assert (failed["type"], failed["data"]["error"]) == ("job.failed", "It broke.")
    assert (canceled["type"], canceled["data"]["job_id"]) == ("job.canceled", canceled_id)
    assert len(receiver.requests) == 2


async def test_a_timeline_and_a_retry_are_told_too(api: Served) -> None:
    async with WebhookReceiver() as receiver:
        timeline = {"clips": [{"url": "https://a.example/v.mp4"}], "webhook_url": receiver.url}
        stitched = (await api.client.post("/timeline/stitch", json=timeline)).json()["job_id"]
        done = await api.finish(stitched)
        assert "webhook_url" not in done["params"]
        assert (await asyncio.wait_for(receiver.next_body(), 10))["data"]["job_id"] == stitched
        again = (await api.client.post(f"/jobs/{stitched}/retry")).json()["job_id"]
        await api.finish(again)
        assert (await asyncio.wait_for(receiver.next_body(), 10))["data"]["retry_of"] == stitched


async def test_a_delivered_message_can_be_had_again_under_the_same_id(api: Served) -> None:
    async with WebhookReceiver() as receiver:
        job_id = (await api.submit(_tts(receiver.url))).json()["job_id"]
        await api.finish(job_id)
        await asyncio.wait_for(receiver.next_body(), 10)
        delivered = (await _deliveries(api, "DELIVERED"))[0]
        asked = await api.client.post(f"/webhooks/deliveries/{delivered['id']}/resend")
        assert (asked.status_code, asked.json()["status"], asked.json()["tries"]) == (202, "PENDING", 0)
        await asyncio.wait_for(receiver.next_body(), 10)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert_problem(await api.client.post("/webhooks/deliveries/msg_none/resend"), 404, "NOT_FOUND")


async def test_an_address_that_may_not_be_used_is_refused_at_submit(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        for url in ("http://hooks.example/x", "https://127.0.0.1/x", "https://169.254.169.254/", "nonsense"):
            for path, body in (
                ("/jobs", _tts(url)),
                ("/timeline/stitch", {"clips": [{"url": "https://a.example/v.mp4"}], "webhook_url": url}),
            ):
                assert_problem(await api.client.post(path, json=body), 422, "BAD_WEBHOOK_URL", "webhook_url")
        assert (await api.client.get("/jobs")).json() == []
        assert (await api.submit(_tts("https://hooks.example/x"))).status_code == 202


async def test_deliveries_are_the_owners_alone(tmp_path: Path) -> None:
    async with served(tmp_path, api_key="s3cret") as api:
        assert_problem(await api.client.get("/webhooks/deliveries"), 401, "UNAUTHORIZED")
        assert_problem(await api.client.post("/webhooks/deliveries/msg_x/resend"), 401, "UNAUTHORIZED")
        assert (await api.client.post("/webhooks/runpod/any-token")).status_code == 200
        listed = await api.client.get("/webhooks/deliveries", headers={"X-API-Key": "s3cret"})
        assert (listed.status_code, listed.json()) == (200, [])


# The sender


@dataclass
class Bench:
    """A table, a clock that stands still, and a sender on both; `names` is all of DNS."""

    table: JobTable
    now: int = NOW
    names: dict[str, list[str]] = field(default_factory=dict)
    allow_private: bool = True

    def sender(self, tls: ssl.SSLContext | None = None) -> WebhookSender:
        return WebhookSender(
            self.table, lambda: self.now, SECRET, lambda job: {"job_id": job.id},
            allow_private=self.allow_private, tls=tls, resolve=self.resolve,
        )  # fmt: skip

    async def resolve(self, host: str, port: int) -> list[str]:
        del port
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]

    async def finished(self, url: str) -> str:
        """A job that has ended, and somebody to tell; the delivery's id."""
        job_id = str(uuid7())
        await self.table.do(verbs.submit, NewJob(job_id, JobType.TTS, {}, {}, webhook_url=url), self.now)
        await self.table.do(verbs.request_cancel, job_id, self.now)
        return f"msg_{job_id}"

    def delivery(self, delivery_id: str) -> DeliveryRecord:
        return next(found for found in self.table.ask(deliveries.newest, 200) if found.id == delivery_id)

    async def send(self, tls: ssl.SSLContext | None = None) -> int:
        sender = self.sender(tls)
        try:
            return await sender.send_due()
        finally:
            await sender.aclose()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    table = await JobTable.open(tmp_path / "rushes.db")
    yield Bench(table, names={"127.0.0.1": ["127.0.0.1"]})
    await table.close()


async def test_the_delivery_is_durable_with_the_end_of_the_job(tmp_path: Path) -> None:
    table = await JobTable.open(tmp_path / "rushes.db")
    delivery_id = await Bench(table).finished("https://hooks.example/x")
    await table.close()
    table = await JobTable.open(tmp_path / "rushes.db")
    assert Bench(table).delivery(delivery_id).status is PENDING
    await table.close()


async def test_a_receiver_that_is_down_is_tried_for_a_day_and_then_put_aside(bench: Bench) -> None:
    async with WebhookReceiver(500) as receiver:
        delivery_id = await bench.finished(receiver.url)
        for number, pause in enumerate(PAUSES_SECONDS, 1):
            assert await bench.send() == 1
            waiting = bench.delivery(delivery_id)
            assert (waiting.status, waiting.tries, waiting.due_at) == (PENDING, number, bench.now + pause * 1000)
            bench.now += pause * 1000 - 1
            assert await bench.send() == 0, "not a moment before it is due"
            bench.now += 1
        await bench.send()
        dead = bench.delivery(delivery_id)
        assert (dead.status, dead.http_status, dead.error) == (DEAD, 500, "The address answered 500.")
        bench.now += 10**10
        assert await bench.send() == 0
    assert len(receiver.requests) == len(PAUSES_SECONDS) + 1
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    times = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert times == sorted(set(times)), "each try is signed with its own time"
    assert all(is_signed(request, SECRET) for request in receiver.requests)


async def test_what_was_put_aside_is_sent_when_asked_for(bench: Bench) -> None:
    async with WebhookReceiver(410, 204) as receiver:
        delivery_id = await bench.finished(receiver.url)
        await bench.send()
        assert bench.delivery(delivery_id).status is DEAD, "410: nobody wants it, so it is not tried again"
        await bench.table.do(deliveries.resend, delivery_id, bench.now)
        await bench.send()
    assert bench.delivery(delivery_id).status is DELIVERED


async def test_an_answer_from_before_a_resend_decides_nothing(bench: Bench) -> None:
    delivery_id = await bench.finished("https://hooks.example/x")
    await bench.table.do(deliveries.tried, bench.delivery(delivery_id), Tried(error="no", due_at=bench.now), bench.now)
    old = bench.delivery(delivery_id)
    await bench.table.do(deliveries.resend, delivery_id, bench.now)
    assert not await bench.table.do(deliveries.tried, old, Tried(error="no"), bench.now)
    assert bench.delivery(delivery_id).status is PENDING


async def test_nobody_is_told_of_a_deleted_job(bench: Bench) -> None:
    async with WebhookReceiver() as receiver:
        delivery_id = await bench.finished(receiver.url)
        await bench.table.do(verbs.delete, delivery_id.removeprefix("msg_"))
        assert await bench.send() == 0
    assert bench.table.ask(deliveries.newest, 10) == []


async def test_a_silent_receiver_holds_nobody_up_and_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async with WebhookReceiver(0) as silent, WebhookReceiver() as receiver:
        stuck, quick = await bench.finished(silent.url), await bench.finished(receiver.url)
        sending = asyncio.create_task(bench.send())
        async with asyncio.timeout(10):
            while bench.delivery(quick).status is not DELIVERED:
                await asyncio.sleep(0.01)
        assert not sending.done()
        sending.cancel()
        await asyncio.wait([sending])
        monkeypatch.setattr(webhooks, "TRY_SECONDS", 0.1)
        await bench.send()
        assert bench.delivery(stuck).error == "The address does not answer, or too slowly."


async def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(bench: Bench) -> None:
    bench.allow_private = False
    bench.names |= {"inside.example": ["127.0.0.1"], "mixed.example": ["93.184.215.14", "10.0.0.7"]}
    for name in ("inside.example", "mixed.example"):
        delivery_id = await bench.finished(f"https://{name}/x")
        await bench.send()
        refused = bench.delivery(delivery_id)
        assert (refused.status, refused.error) == (DEAD, "The address points into a private network.")
    nowhere = await bench.finished("https://nowhere.example/x")
    await bench.send()
    assert bench.delivery(nowhere).status is PENDING, "names come back"


async def test_an_address_in_disguise_is_looked_through(bench: Bench) -> None:
    sender = WebhookSender(bench.table, lambda: bench.now, SECRET, lambda job: {"job_id": job.id})
    for host in ("2130706433", "0x7f.1"):
        delivery_id = await bench.finished(f"https://{host}/x")
        await sender.send_due()
        assert bench.delivery(delivery_id).error == "The address points into a private network."
    await sender.aclose()


async def test_a_redirect_is_no_delivery_and_is_not_followed(bench: Bench) -> None:
    async with WebhookReceiver() as target, WebhookReceiver(307, location=target.url) as receiver:
        delivery_id = await bench.finished(receiver.url)
        await bench.send()
    assert target.requests == []
    assert bench.delivery(delivery_id).error == "The address answered 307."


async def test_another_address_of_the_host_is_tried_where_no_connection_can_be_made(bench: Bench) -> None:
    async with WebhookReceiver() as receiver:
        bench.names["hooks.example"] = ["127.9.9.9", "127.0.0.1"]
        delivery_id = await bench.finished(f"http://hooks.example:{receiver.port}/x")
        await bench.send()
    assert bench.delivery(delivery_id).status is DELIVERED
    assert receiver.requests[0].headers["host"] == f"hooks.example:{receiver.port}"


# TLS: the connection goes to a checked address, the certificate must be the name's


def _certificate(name: str, folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / f"{name}.pem"
    file.write_bytes(private + certificate.public_bytes(pem))
    return file


@pytest.mark.parametrize(("host", "status"), [("hooks.example", DELIVERED), ("other.example", PENDING)])
async def test_the_certificate_must_be_the_names(
    bench: Bench, tmp_path: Path, host: str, status: DeliveryStatus
) -> None:
    file = _certificate("hooks.example", tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    trusted = ssl.create_default_context(cafile=str(file))
    bench.names[host] = ["127.0.0.1"]
    async with WebhookReceiver(tls=server) as receiver:
        delivery_id = await bench.finished(f"https://{host}:{receiver.port}/x")
        await bench.send(trusted)
    delivery = bench.delivery(delivery_id)
    assert delivery.status is status
    assert len(receiver.requests) == (1 if status is DELIVERED else 0)
    if status is PENDING:
        assert delivery.error == "The address has no valid certificate."


async def test_the_message_says_what_and_when(bench: Bench) -> None:
    async with WebhookReceiver() as receiver:
        delivery_id = await bench.finished(receiver.url)
        bench.now += 4000
        await bench.send()
    assert json.loads(receiver.requests[0].body) == {
        "type": "job.canceled",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {"job_id": delivery_id.removeprefix("msg_")},
    }
    assert receiver.requests[0].headers["webhook-timestamp"] == str(NOW // 1000 + 4)
