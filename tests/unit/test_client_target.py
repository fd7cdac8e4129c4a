"""To whom the client speaks, and that a token is never sent where others can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_spine.client import SpineClient
from market_spine.client.target import Credentials, target_of
from market_spine.domain.errors import ConfigurationError

CA = Path("ca.pem")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:50051", "127.3.2.1:1", "localhost:50051", "[::1]:50051", "unix:/run/spine.sock"],
)
def test_a_server_on_this_machine_needs_no_tls(address: str) -> None:
    found = target_of(address, Credentials(token="secret"), None)

    assert (found.local, found.tls) == (True, False)


@pytest.mark.parametrize(
    "address", ["spine.example:443", "10.0.0.1:50051", "[2001:db8::1]:443", "127.0.0.1.example:1"]
)
def test_a_server_elsewhere_is_called_over_tls(address: str) -> None:
    found = target_of(address, Credentials(token="secret"), None)

    assert (found.local, found.tls) == (False, True)


@pytest.mark.parametrize("address", ["spine.example:443", "10.0.0.1:50051", "localhost.evil:1"])
def test_a_token_is_not_sent_in_the_clear(address: str) -> None:
    with pytest.raises(ConfigurationError, match="in the clear") as raised:
        SpineClient(address, token="spt_hunter2", insecure=True)

    assert "hunter2" not in str(raised.value)
    assert not target_of(address, Credentials(), insecure=True).tls


def test_tls_can_be_asked_for_on_this_machine() -> None:
    assert target_of("127.0.0.1:1", Credentials(ca=CA), None).tls
    assert target_of("127.0.0.1:1", Credentials(), insecure=False).tls


@pytest.mark.parametrize(
    "address",
    [
        *("", "spine.example", ":50051", "host:", "host:0", "host:65536", "host:port"),
        *("::1:50051", "http://host:80", "user@host:80", "host:80/path", "a b:80", "host:80\n"),
        "unix:",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="not the address of a server"):
        SpineClient(address)


@pytest.mark.parametrize("token", ["", "two words", "li\nne", "tokén", "\x00"])
def test_a_token_that_cannot_be_sent_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError, match="the token is empty"):
        SpineClient("127.0.0.1:1", token=token)


def test_a_token_is_not_shown() -> None:
    assert "hunter2" not in repr(Credentials(token="hunter2"))


def test_half_of_a_certificate_is_refused() -> None:
    for credentials in (Credentials(cert=CA), Credentials(key=CA)):
        with pytest.raises(ConfigurationError, match="belong together"):
            target_of("127.0.0.1:1", credentials, None)


def test_certificates_and_no_tls_contradict_each_other() -> None:
    with pytest.raises(ConfigurationError, match="without TLS"):
        target_of("127.0.0.1:1", Credentials(ca=CA), insecure=True)


def test_a_certificate_that_cannot_be_used_is_named_before_anything_is_called(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.pem: No such file"):
        SpineClient("127.0.0.1:1", ca=tmp_path / "none.pem")

    (tmp_path / "bad.pem").write_text("hello")
    with pytest.raises(ConfigurationError, match=r"no certificate as PEM: .*bad\.pem"):
        SpineClient("127.0.0.1:1", ca=tmp_path / "bad.pem")


def test_a_token_as_it_stands_in_a_file_is_taken() -> None:
    SpineClient("127.0.0.1:1", token="spt_secret\n").close()


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("spine.example", "the port is missing"),
        ("host:", "the port is missing"),
        ("http://host:80", "leave out http://"),
        ("host:65536", "the port is a number"),
        ("::1:50051", "in brackets"),
    ],
)
def test_it_is_said_what_is_wrong_with_an_address(address: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        SpineClient(address)
