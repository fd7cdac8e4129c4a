"""Connections that are protected: certificates of the server, and of clients."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from api_calls import Api
from api_place import Home, Server
from api_runs import wait_for
from certificates import Authority, Issued
from cryptography import x509

from market_spine.v1 import access_pb2

AUTHORITY = Authority("authority of servers")


def refused(home: Home, *arguments: str, listen: str = "127.0.0.1:0") -> str:
    """What a server says that does not start; its exit code tells of what is set up."""
    server = Server(home, *arguments, listen=listen)
    try:
        assert server.port == 0, "the server has started"
        assert server.exit_code() == 6
        assert "Traceback" not in server.log
        return server.log
    finally:
        server.end()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "example.org:0"])
def test_an_address_that_others_reach_takes_tls(own_servers: None, home: Home, listen: str) -> None:
    said = refused(home, listen=listen)

    assert listen in said
    assert "--tls-cert" in said


def test_a_certificate_of_another_key_is_refused_at_the_start(
    own_servers: None, home: Home, tmp_path: Path
) -> None:
    cert, _ = AUTHORITY.issue("localhost").written(tmp_path, "good")
    _, other = AUTHORITY.issue("localhost").written(tmp_path, "other")

    said = refused(home, "--tls-cert", str(cert), "--tls-key", str(other))

    assert cert.name in said
    assert other.name in said


def test_where_the_operator_insists_nobody_is_asked(own_servers: None, home: Home) -> None:
    with Server(home, "--insecure", listen="0.0.0.0:0") as server, server.api() as client:
        assert client.call("SystemService.GetVersion").caller == "local"


def protected(home: Home, folder: Path, *arguments: str, **variables: str) -> Server:
    return Server(
        home,
        "--tls-cert",
        str(folder / "server.pem"),
        "--tls-key",
        str(folder / "server.key"),
        *arguments,
        **variables,
    )


def client_of(server: Server, shown: Issued | None = None, trusted: bytes | None = None) -> Api:
    """A client that trusts the authority, and shows its own certificate."""
    pair = {"private_key": shown.key, "certificate_chain": shown.cert} if shown else {}
    credentials = grpc.ssl_channel_credentials(trusted or AUTHORITY.pem, **pair)
    options = [("grpc.enable_retries", 0)]
    return Api(f"localhost:{server.port}", credentials=credentials, options=options)


def test_a_client_that_trusts_another_authority_does_not_connect(
    own_servers: None, home: Home, tmp_path: Path
) -> None:
    AUTHORITY.issue("localhost").written(tmp_path, "server")
    with protected(home, tmp_path) as server:
        for trusted in (Authority("another").pem, None):
            with client_of(server, trusted=trusted) as client:
                code = client.code("SystemService.GetVersion", timeout=20)
            assert code == ("OK" if trusted is None else "UNAVAILABLE")
        with server.api() as plain:
            assert plain.code("SystemService.GetVersion", timeout=20) == "UNAVAILABLE"
        with client_of(server) as client:
            # This machine alone reaches it: nobody is asked for credentials.
            assert client.call("SystemService.GetVersion").caller == "local"


def serial_of(server: Server) -> int:
    """The serial number of the certificate that a new connection is shown."""
    text = ssl.get_server_certificate(("localhost", server.port))
    return x509.load_pem_x509_certificate(text.encode()).serial_number


def test_a_certificate_that_was_renewed_is_taken_by_the_next_connection(
    own_servers: None, home: Home, tmp_path: Path
) -> None:
    old, new = AUTHORITY.issue("localhost"), AUTHORITY.issue("localhost")
    old.written(tmp_path, "server")
    with protected(home, tmp_path) as server, client_of(server) as client:
        assert client.call("SystemService.GetVersion").api == "v1"
        assert serial_of(server) == old.serial

        new.written(tmp_path, "server")

        wait_for("new certificate", lambda: serial_of(server) == new.serial)
        assert client.call("SystemService.GetVersion").api == "v1", "the old connection goes on"
        (tmp_path / "server.key").write_text("broken")
        assert serial_of(server) == new.serial, "what cannot be used is not taken"
        with client_of(server) as another:
            assert another.call("SystemService.GetVersion").api == "v1"
        last = AUTHORITY.issue("localhost")
        last.written(tmp_path, "server")
        wait_for("last certificate", lambda: serial_of(server) == last.serial)
        server.signal(signal.SIGTERM)
        assert server.exit_code() == 0
        assert not server.defects


@pytest.fixture(scope="module")
def mutual(
    own_servers: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Authority]]:
    """A server that demands certificates of clients, and who signs them."""
    folder = tmp_path_factory.mktemp("mutual")
    clients = Authority("authority of clients")
    AUTHORITY.issue("localhost").written(folder, "server")
    (folder / "clients.pem").write_bytes(clients.pem)
    roles = "reader=viewer, loader = operator,boss=admin"
    arguments = ("--client-ca", str(folder / "clients.pem"))
    home = Home(folder / "home")
    with protected(home, folder, *arguments, SPINE_CLIENT_ROLES=roles) as server:
        if "SPINE_CLIENT_ROLES is no setting" in server.log:
            pytest.skip("SPINE_CLIENT_ROLES is no setting of this version")
        yield server, clients
        assert not server.defects


@pytest.mark.parametrize(
    ("name", "role"), [("reader", "VIEWER"), ("loader", "OPERATOR"), ("boss", "ADMIN")]
)
def test_a_client_is_known_by_its_certificate(
    mutual: tuple[Server, Authority], name: str, role: str
) -> None:
    server, clients = mutual
    with client_of(server, clients.issue(name)) as client:
        answer = client.call("SystemService.GetVersion")
        denied = client.code("RunService.PurgeRuns") == "PERMISSION_DENIED"

    assert (answer.caller, access_pb2.Role.Name(answer.role)) == (name, f"ROLE_{role}")
    assert denied == (role != "ADMIN")


def test_a_certificate_without_a_role_may_do_nothing(mutual: tuple[Server, Authority]) -> None:
    server, clients = mutual
    with client_of(server, clients.issue("stranger")) as client:
        refusal = client.refusal("SystemService.GetVersion")

    assert refusal.code == "PERMISSION_DENIED"
    assert "stranger" in refusal.text
    assert "SPINE_CLIENT_ROLES" in refusal.details["ErrorInfo"].metadata["hint"]


def test_a_token_says_more_than_a_certificate(mutual: tuple[Server, Authority]) -> None:
    server, clients = mutual
    token = server.home.token("admin")
    for name in ("reader", "stranger"):
        with client_of(server, clients.issue(name)) as client:
            assert client.call("SystemService.GetVersion", token=token).caller == "admin-of-tests"
            assert client.code("SystemService.GetVersion", token="letmein") == "UNAUTHENTICATED"


def test_nobody_connects_without_a_certificate_of_the_authority(
    mutual: tuple[Server, Authority],
) -> None:
    server, _ = mutual
    token = server.home.token("admin")
    for shown in (None, AUTHORITY.issue("boss"), Authority("forged").issue("boss")):
        with client_of(server, shown) as client:
            assert client.code("SystemService.GetVersion", token=token, timeout=20) == (
                "UNAVAILABLE"
            )
