"""Which files protect a connection, and which are refused before anybody connects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from certificates import Authority
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from market_spine.adapters.inbound.grpc.listening import Listening
from market_spine.domain.errors import ConfigurationError

Files = dict[str, Path]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Two certificates with their keys, a key with a password, and what is none of these."""
    folder = tmp_path_factory.mktemp("files")
    authority = Authority("authority of tests")
    for name in ("one", "two"):
        authority.issue(name).written(folder, name)
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (folder / "locked.key").write_bytes(locked)
    (folder / "garbage.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END")
    (folder / "empty.pem").touch()
    return {path.name: path for path in folder.iterdir()} | {
        "folder": folder,
        "missing": folder / "missing",
    }


def listened(listening: Listening) -> int:
    """The port on which a server listens."""

    async def listen() -> int:
        server = grpc.aio.server()
        try:
            return listening.add_port(server)
        finally:
            await server.stop(None)

    return asyncio.run(listen())


def test_a_certificate_and_its_key_are_taken(files: Files) -> None:
    good = Listening("127.0.0.1:0", files["one.pem"], files["one.key"])

    assert listened(good) > 0
    assert listened(Listening("127.0.0.1:0", files["one.pem"], files["one.key"], files["two.pem"]))


@pytest.mark.parametrize(
    ("cert", "key"),
    [
        ("one.pem", "two.key"),
        ("one.key", "one.pem"),
        ("one.pem", "one.pem"),
        ("garbage.pem", "one.key"),
        ("empty.pem", "one.key"),
        ("one.pem", "garbage.pem"),
        ("one.pem", "empty.pem"),
        ("one.pem", "locked.key"),
        ("missing", "one.key"),
        ("one.pem", "missing"),
        ("folder", "one.key"),
    ],
)
def test_what_is_no_pair_is_refused_by_its_names(files: Files, cert: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        listened(Listening("127.0.0.1:0", files[cert], files[key]))

    assert str(files[cert]) in refused.value.message or str(files[key]) in refused.value.message
    assert refused.value.hint


def test_an_authority_of_clients_that_cannot_be_read_is_refused(files: Files) -> None:
    for name in ("missing", "folder"):
        with pytest.raises(ConfigurationError) as refused:
            listened(Listening("127.0.0.1:0", files["one.pem"], files["one.key"], files[name]))
        assert str(files[name]) in refused.value.message


@pytest.mark.parametrize(
    ("make", "missing"),
    [
        (lambda files: Listening("127.0.0.1:0", tls_cert=files["one.pem"]), "--tls-key"),
        (lambda files: Listening("127.0.0.1:0", tls_key=files["one.key"]), "--tls-cert"),
        (lambda files: Listening("127.0.0.1:0", client_ca=files["one.pem"]), "--tls-cert"),
    ],
)
def test_what_is_given_by_half_is_refused(
    files: Files, make: Callable[[Files], Listening], missing: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make(files).checked()

    assert missing in str(refused.value.hint)


def test_who_is_asked_for_credentials(files: Files) -> None:
    pair = {"tls_cert": files["one.pem"], "tls_key": files["one.key"]}

    assert not Listening("127.0.0.1:0").demands_credentials
    assert not Listening("[::1]:0", **pair).demands_credentials
    assert Listening("0.0.0.0:0", **pair).demands_credentials
    assert Listening("[::]:0", **pair).demands_credentials
    assert Listening("127.0.0.1:0", **pair, client_ca=files["two.pem"]).demands_credentials
    assert not Listening("0.0.0.0:0", insecure=True).demands_credentials


def test_a_port_that_is_taken_is_refused_by_its_address() -> None:
    async def twice() -> None:
        first, second = grpc.aio.server(), grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        port = first.add_insecure_port("127.0.0.1:0")
        try:
            Listening(f"127.0.0.1:{port}").add_port(second)
        finally:
            await first.stop(None)
            await second.stop(None)

    with pytest.raises(ConfigurationError, match="the port is taken") as refused:
        asyncio.run(twice())
    assert "--listen" in str(refused.value.hint)
