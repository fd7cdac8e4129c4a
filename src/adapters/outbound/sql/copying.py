"""The two sides of a copy of a store on SQL databases.

From its claim until it is finished, a target has a mark in the place of its revision: no store
takes it for its own, and each transaction of the copy changes the mark from and to itself. So it
holds the mark until it ends, and one that was claimed by another process finds no row to change.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
from sqlalchemy import select, update

from ....domain.errors import Category, ConfigurationError, LoadError
from ....ports.store_copy import Claim, CopyTable, TableReader
from .admin import SqlStoreAdmin
from .connection_limits import DEFAULT_LIMITS, ConnectionLimits
from .copying_reader import SqlTableReader
from .copying_writer import append_rows, delete_some, link_rows, with_dependents
from .database import Database
from .dialects import Access
from .fitting import require_fitting
from .revisions import COPYING, HEAD, VERSION, require_current
from .schema import METADATA
from .transaction import SqlTransaction


class SqlCopySource:
    """The store of a URL, read in one transaction."""

    def __init__(self, url: str, limits: ConnectionLimits = DEFAULT_LIMITS) -> None:
        self._database = Database(url, limits)

    @property
    def location(self) -> str:
        return self._database.dialect.location

    @contextmanager
    def snapshot(self) -> Iterator[TableReader]:
        dialect = self._database.dialect
        if not dialect.exists():
            raise _no_store(self.location)
        with self._database.transaction(Access.READ) as transaction:
            if not dialect.has_table(transaction.reading, VERSION.name):
                raise _no_store(self.location)
            found = transaction.rows(select(VERSION.c.version_num))
            require_current(found[0][0] if found else "", self.location)
            yield SqlTableReader(transaction)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()


class SqlCopyTarget:
    """The database of a URL, to be made a copy."""

    def __init__(self, url: str, limits: ConnectionLimits = DEFAULT_LIMITS) -> None:
        self._database = Database(url, limits)
        self._mark = f"{COPYING}{HEAD}-{secrets.token_hex(8)}"

    @property
    def location(self) -> str:
        return self._database.dialect.location

    def claim(self, apart_from: TableReader | None = None) -> Claim:
        admin = SqlStoreAdmin(self._database)
        found = admin.status().revision or admin.upgrade().revision or ""
        unfinished = found.startswith(COPYING)
        if unfinished:
            _require_same_revision(found, self.location)
        else:
            require_current(found, self.location)
        with self._database.transaction(Access.WRITE) as transaction:
            self._replace_mark(transaction, found, self._mark)
            if apart_from and apart_from.identity() == SqlTableReader(transaction).identity():
                raise _same_database()
            if not unfinished and _holds_rows(transaction):
                return Claim.OCCUPIED
            transaction.commit()
        return Claim.UNFINISHED if unfinished else Claim.NEW

    @contextmanager
    def contents(self) -> Iterator[TableReader]:
        with self._database.transaction(Access.READ) as transaction:
            yield SqlTableReader(transaction)

    def clear(self, table: str) -> None:
        for cleared in with_dependents(table):
            more = True
            while more:
                with self._owned() as transaction:
                    more = delete_some(transaction, cleared)
                    transaction.commit()

    def append(self, table: CopyTable, rows: pl.DataFrame) -> None:
        with self._owned() as transaction:
            try:
                append_rows(transaction, table, rows)
            except LoadError as error:
                if error.category is Category.VALIDATION:
                    # PostgreSQL does not tell which column it was.
                    require_fitting(METADATA.tables[table.name], rows.to_dicts())
                raise
            transaction.commit()

    def link(self, table: CopyTable, rows: pl.DataFrame) -> None:
        with self._owned() as transaction:
            link_rows(transaction, table, rows)
            transaction.commit()

    @contextmanager
    def finishing(self) -> Iterator[TableReader]:
        with self._owned(HEAD) as transaction:
            # A service that has used the database as a store before asks for no revision again.
            for table in METADATA.sorted_tables:
                self._database.dialect.keep_writers_out(transaction.writing, table)
            yield SqlTableReader(transaction)
            for table in METADATA.sorted_tables:
                for column in table.columns:
                    if column.identity is not None:
                        self._database.dialect.continue_numbering(transaction.writing, column)
            transaction.commit()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    @contextmanager
    def _owned(self, becomes: str | None = None) -> Iterator[SqlTransaction]:
        """A transaction that holds our mark, or changes it; committed by who asks for it."""
        with self._database.transaction(Access.WRITE) as transaction:
            self._replace_mark(transaction, self._mark, becomes or self._mark)
            yield transaction

    def _replace_mark(self, transaction: SqlTransaction, old: str, new: str) -> None:
        statement = update(VERSION).where(VERSION.c.version_num == old)
        if transaction.write(statement, {"version_num": new}).rowcount != 1:
            raise LoadError(
                f"another process has begun to copy into {self.location}, or to use it",
                category=Category.CONFIGURATION,
                hint="let one 'spine db copy' at a time write to a target",
            )


def _holds_rows(transaction: SqlTransaction) -> bool:
    for table in METADATA.sorted_tables:
        (first, *_) = table.primary_key.columns
        if transaction.rows(transaction.dialect.first(select(first), 1)):
            return True
    return False


def _require_same_revision(mark: str, location: str) -> None:
    revision = mark.removeprefix(COPYING).rpartition("-")[0]
    if revision != HEAD:
        raise ConfigurationError(
            f"{location} holds an unfinished copy of revision {revision}, not of {HEAD}",
            hint="remove its tables, or give another database as target",
        )


def _same_database() -> ConfigurationError:
    return ConfigurationError(
        "source and target of the copy are the same database",
        hint="give another database as target",
    )


def _no_store(location: str) -> ConfigurationError:
    return ConfigurationError(
        f"there is no store in {location} to copy from", hint="check the URL of the source"
    )
