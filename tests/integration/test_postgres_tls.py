"""TLS as ``sslmode`` asks for it: proven by certificates, refused with a typed error otherwise."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import own_schema
from socket_front import SocketFront
from sqlalchemy import URL, make_url

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category, SpineError
from market_spine.testing.store_suite_samples import a_run

PASSWORD = "correct-horse-7"


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of ``name``, which is its own root, and its key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl, which makes certificates, is not installed")
    folder.mkdir()
    root, key = folder / "root.crt", folder / "server.key"
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2")
    made = subprocess.run(
        [program, *new, *names, "-keyout", str(key), "-out", str(root)],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return root, key


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The root certificate of ``localhost``, its key, and the root of somebody else."""
    folder = tmp_path_factory.mktemp("tls")
    return *self_signed(folder / "ours", "localhost"), self_signed(folder / "others", "localhost")[
        0
    ]


@pytest.fixture
def socket_path(postgres_server: URL) -> Path:
    host = postgres_server.query.get("host")
    if not isinstance(host, str) or not host.startswith("/"):
        pytest.skip("the given PostgreSQL has no Unix socket to put TLS before")
    return Path(host, f".s.PGSQL.{postgres_server.port or 5432}")


@pytest.fixture
def with_tls(socket_path: Path, roots: tuple[Path, Path, Path]) -> Iterator[SocketFront]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(roots[0], roots[1])
    with SocketFront(socket_path, context) as front:
        yield front


@pytest.fixture
def schema(postgres_server: URL) -> Iterator[URL]:
    with own_schema(postgres_server) as url:
        yield make_url(url)


def through(front: SocketFront, schema: URL, host: str, **options: str) -> SqlStore:
    query = {"options": str(schema.query["options"]), **options}
    url = schema.set(host=host, port=front.port, password=PASSWORD, query=query)
    return SqlStore(url.render_as_string(hide_password=False))


def refused(store: SqlStore) -> SpineError:
    with pytest.raises(SpineError) as caught:
        store.status()
    store.close()
    error = caught.value
    assert error.context.metadata["fault"] == "tls", error
    assert error.category is Category.CONFIGURATION
    assert not error.retryable
    assert "TLS" in str(error.hint)
    assert PASSWORD not in str(error.to_dict())
    return error


def test_the_right_root_and_name_are_trusted(
    with_tls: SocketFront, schema: URL, roots: tuple[Path, Path, Path]
) -> None:
    store = through(with_tls, schema, "localhost", sslmode="verify-full", sslrootcert=str(roots[0]))
    store.ensure_ready()
    with store.write() as unit:
        unit.runs.add(a_run())
        unit.commit()
    with store.read() as unit:
        assert unit.runs.get("run-1") is not None
    store.close()


def test_another_root_is_not_trusted(
    with_tls: SocketFront, schema: URL, roots: tuple[Path, Path, Path]
) -> None:
    for sslmode in ("verify-ca", "verify-full"):
        error = refused(
            through(with_tls, schema, "localhost", sslmode=sslmode, sslrootcert=str(roots[2]))
        )
        assert "certificate verify failed" in error.message


def test_another_name_is_not_trusted(
    with_tls: SocketFront, schema: URL, roots: tuple[Path, Path, Path]
) -> None:
    options = {"sslrootcert": str(roots[0])}
    error = refused(through(with_tls, schema, "127.0.0.1", sslmode="verify-full", **options))
    assert 'certificate for "localhost"' in error.message
    other = through(with_tls, schema, "127.0.0.1", sslmode="verify-ca", **options)
    assert other.status().revision is None, "verify-ca asks for no name"
    other.close()


def test_a_root_file_that_is_not_there_is_named(with_tls: SocketFront, schema: URL) -> None:
    error = refused(
        through(with_tls, schema, "localhost", sslmode="verify-full", sslrootcert="/nowhere.crt")
    )
    assert "/nowhere.crt" in error.message


def test_a_server_without_tls_is_refused_where_tls_is_required(
    socket_path: Path, schema: URL
) -> None:
    with SocketFront(socket_path) as front:
        error = refused(through(front, schema, "127.0.0.1", sslmode="require"))
        assert "does not support SSL" in error.message
        plain = through(front, schema, "127.0.0.1", sslmode="disable")
        assert plain.status().revision is None
        plain.close()


@pytest.mark.parametrize("sslmode", ["require", "disable"])
def test_a_network_that_breaks_is_a_lost_connection_and_no_matter_of_tls(
    with_tls: SocketFront, schema: URL, sslmode: str
) -> None:
    store = through(with_tls, schema, "127.0.0.1", sslmode=sslmode)
    store.ensure_ready()
    with store.write() as unit:
        unit.runs.add(a_run())
        with_tls.cut()
        with pytest.raises(SpineError) as caught:
            unit.commit()
    error = caught.value
    assert error.context.metadata["fault"] == "connection_lost", error
    assert error.retryable
    with store.write() as unit:  # a new connection, in the place of the lost one
        unit.runs.add(a_run())
        unit.commit()
    store.close()
