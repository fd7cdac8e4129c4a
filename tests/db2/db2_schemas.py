"""Schemas of their own on a Db2 server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection, make_url

from market_spine.adapters.outbound.sql.choosing import dialect_of
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.domain.errors import SpineError


@contextmanager
def own_schema(server: str, *, drop: bool) -> Iterator[str]:
    """The URL of a fresh, empty schema on ``server``; dropped at the end where wanted."""
    name = f"TEST_{uuid4().hex[:12].upper()}"
    with connected(server) as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        connection.commit()
    url = make_url(server).update_query_dict({"CurrentSchema": name})
    yield url.render_as_string(hide_password=False)
    if not drop:
        return
    with connected(server) as connection:
        _drop(connection, name)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    with dialect_of(url).engine(Access.CREATE).connect() as connection:
        yield connection


def tables_in(connection: Connection, schema: str) -> list[str]:
    driver = connection.connection.driver_connection
    found = driver.tables(schema, None)
    # The driver takes the name for a pattern, where _ stands for anything.
    return [
        item["TABLE_NAME"]
        for item in found
        if item["TABLE_TYPE"] == "TABLE" and item["TABLE_SCHEM"].strip() == schema
    ]


def _drop(connection: Connection, schema: str) -> None:
    while tables := tables_in(connection, schema):
        for table in tables:
            try:
                connection.exec_driver_sql(f'DROP TABLE {schema}."{table}"')
                connection.commit()
            except SpineError:
                connection.rollback()  # others refer to it still
        assert len(tables_in(connection, schema)) < len(tables), f"cannot drop {tables}"
    connection.exec_driver_sql(f"DROP SCHEMA {schema} RESTRICT")
    connection.commit()
