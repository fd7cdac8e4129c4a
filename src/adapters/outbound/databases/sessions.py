"""One reading of one database, from connecting to closing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Protocol

import polars as pl

from ....domain.errors import ConfigurationError, ValidationError
from ....ports.sources import LINE, Tap
from .addresses import DB2, POSTGRES, Address
from .request import Request


class Session(Protocol):
    """A connection that can only read. Whatever fails is a SpineError without secrets."""

    @property
    def schema(self) -> pl.Schema:
        """The columns; of SQLite's expressions the types are known once rows have been read."""
        ...

    def frames(self, batch_rows: int, tap: Tap | None) -> Generator[pl.DataFrame, None, None]:
        """All rows, in order, in frames of ``schema`` with at most ``batch_rows`` rows."""
        ...


def open_session(address: Address, request: Request) -> AbstractContextManager[Session]:
    """Connect and describe; closing it ends what runs at the server.

    Raises a ConfigurationError where the driver is not installed.
    """
    # A database loads only its own driver.
    if address.backend == POSTGRES:
        _require("psycopg", "postgres")
        from .postgres import postgres_session  # noqa: PLC0415

        return postgres_session(address, request)
    if address.backend == DB2:
        _require("ibm_db_sa", "db2")
        from .db2 import db2_session  # noqa: PLC0415

        return db2_session(address, request)
    from .sqlite import sqlite_session  # noqa: PLC0415

    return sqlite_session(address, request)


def check_columns(names: list[str], key: tuple[str, ...]) -> None:
    """Raises a ValidationError for columns that a frame cannot have, or a key not among them."""
    if not names:
        raise ValidationError("the query gives no columns", hint="name some after SELECT")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValidationError(
            f"the query gives several columns named {', '.join(twice)}",
            hint=f"name one of them otherwise: ... AS {twice[0]}_2",
        )
    if LINE in names:
        raise ValidationError(
            f"a column is named {LINE}, which is kept for the position of a row",
            hint=f"select it under another name: {LINE} AS line",
        )
    missing = [name for name in key if name not in names]
    if missing:
        raise ValidationError(
            f"the key names {', '.join(missing)}, which the query does not give",
            hint=f"it gives {', '.join(names)}",
        )


def _require(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise ConfigurationError(
            f"the database driver {module} is not installed",
            hint=f"install it: pip install 'market-spine[{extra}]'",
        )
