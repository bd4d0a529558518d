"""The signature of a webhook and the addresses that get none."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from control_plane.dispatch.webhooks import PAUSES_SECONDS, check_url, sign
from control_plane.settings import Settings
from shared.errors import MediaRefused


def test_the_signature_is_the_one_of_the_standard() -> None:
    # The vector in the tests of the reference libraries (standard-webhooks/standard-webhooks).
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265331, body) != signature
    assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body + b" ") != signature


@pytest.mark.parametrize("secret", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_*" * 40])
def test_a_secret_that_receivers_could_not_use_is_refused(secret: str) -> None:
    assert Settings(webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").webhook_secret
    with pytest.raises(ValidationError, match="24 to 64 random bytes"):
        Settings(webhook_secret=secret)


def test_a_delivery_is_tried_for_about_a_day() -> None:
    assert list(PAUSES_SECONDS) == sorted(PAUSES_SECONDS)
    assert 20 * 3600 < sum(PAUSES_SECONDS) <= 24 * 3600


REFUSED = [
    "http://hooks.example/x",
    "ftp://hooks.example/x",
    "hooks.example/x",
    "https://",
    "https:///x",
    "https://127.0.0.1/x",
    "https://localhost/x",
    "https://a.localhost/x",
    "https://[::1]/x",
    "https://[::ffff:10.0.0.1]/x",
    "https://10.1.2.3/x",
    "https://169.254.169.254/latest/meta-data",
    "https://hooks.example:8443/x",
    "https://hooks.example:port/x",
    "https://hooks.example:99999/x",
    "https://[::1/x",
    "https://hooks.example/\x00",
    "",
]


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_leads_nowhere_or_inside_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(MediaRefused) as refused:
        check_url(url, allow_private=False)
    assert refused.value.message.endswith(".")


def test_the_owner_may_let_his_own_network_in_but_never_metadata() -> None:
    assert check_url("https://hooks.example/x?y=1", allow_private=False).host == "hooks.example"
    assert check_url("http://10.1.2.3:8123/x", allow_private=True).port == 8123
    for url in ("http://169.254.169.254/x", "file:///etc/passwd", "http://"):
        with pytest.raises(MediaRefused):
            check_url(url, allow_private=True)
