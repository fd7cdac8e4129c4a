"""A connection whose TLS is set up wrongly says so, instead of that no server runs."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from certificates import Authority
from scripted_server import scripted

from market_spine.client import SpineClient
from market_spine.domain.errors import Category, SpineError

OURS = Authority("ours")


@pytest.mark.parametrize(
    ("served", "trusted", "said", "remedy"),
    [
        ("localhost", None, "hangs up", "SPINE_SERVER_CA"),
        (None, OURS, "speaks no TLS", "insecure=True"),
        ("localhost", Authority("another"), "nobody known has signed", "SPINE_SERVER_CA"),
        ("other.example", OURS, "for another name", "in its certificate"),
    ],
)
def test_what_is_wrong_with_tls_is_said(
    tmp_path: Path, served: str | None, trusted: Authority | None, said: str, remedy: str
) -> None:
    credentials = None
    if served is not None:
        issued = OURS.issue(served)
        credentials = grpc.ssl_server_credentials([(issued.key, issued.cert)])
    ca = tmp_path / "ca.pem"
    if trusted is not None:
        ca.write_bytes(trusted.pem)
    with (
        scripted({}, credentials) as server,
        SpineClient(server.address, ca=None if trusted is None else ca) as client,
        pytest.raises(SpineError, match=said) as raised,
    ):
        client.system.version()

    assert raised.value.category is Category.CONFIGURATION
    assert remedy in str(raised.value.hint)
    assert raised.value.retryable == (said == "hangs up")
