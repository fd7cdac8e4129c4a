"""A connection to PostgreSQL beside the one that is under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

Run = Callable[..., list[Any]]


@contextmanager
def beside(url: str) -> Iterator[Run]:
    """Gives what runs a statement, in the schema of ``url``, and returns its rows."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:

        def execute(statement: str, *values: object) -> list[Any]:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

        yield execute
