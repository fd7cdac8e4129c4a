"""Two stores, one of which is to become a copy of the other, table by table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import polars as pl


@dataclass(frozen=True, slots=True)
class CopyTable:
    """A table. ``links`` are those of its columns that refer to rows of the table itself."""

    name: str
    links: tuple[str, ...] = ()


class Claim(Enum):
    """What a target was when it was claimed.

    NEW: an empty store. UNFINISHED: the copy that another process has left. OCCUPIED: a store
    that holds rows, which is nothing to write to.
    """

    NEW = "new"
    UNFINISHED = "unfinished"
    OCCUPIED = "occupied"


class TableReader(Protocol):
    """All rows of a store, as its database keeps them."""

    @property
    def one_moment(self) -> bool:
        """Whether all that is read is of one moment; else each table is of its own."""
        ...

    def identity(self) -> str:
        """What this database has in common with no other, by whatever name it is reached."""
        ...

    def tables(self) -> Sequence[CopyTable]:
        """Every table, each after those that it refers to."""
        ...

    def count(self, table: str) -> int: ...

    def frames(self, table: str, size: int) -> Iterator[pl.DataFrame]:
        """All columns of all rows in the order of the key, at most ``size`` rows at a time.

        The columns and their types are those of the declared schema, on every database the same.
        """
        ...


class CopySource(Protocol):
    """The store that is read."""

    @property
    def location(self) -> str:
        """Where it is, without secrets."""
        ...

    def snapshot(self) -> AbstractContextManager[TableReader]:
        """The store as it is now, as far as ``one_moment`` says however it is used meanwhile.

        Raises a ConfigurationError unless it is a store of the revision this software knows.
        """
        ...


class CopyTarget(Protocol):
    """The store that is written. From its claim until it is finished it is no store for others."""

    @property
    def location(self) -> str:
        """Where it is, without secrets."""
        ...

    def claim(self, apart_from: TableReader | None = None) -> Claim:
        """Make an empty or unfinished target ours, and its schema where there is none.

        Whoever claimed it before cannot write any more. Raises a ConfigurationError, and leaves
        the target as it is, for one of another revision, one that holds something else, and one
        that is the very database that ``apart_from`` reads.
        """
        ...

    def contents(self) -> AbstractContextManager[TableReader]:
        """What is there now."""
        ...

    def clear(self, table: str) -> None:
        """Remove all rows of the table, and first of all tables that refer to it."""
        ...

    def append(self, table: CopyTable, rows: pl.DataFrame) -> None:
        """Add all rows or none. Links stay null until :meth:`link`: they may refer to later rows.

        This, ``clear``, ``link`` and ``finishing`` raise a LoadError when another process has
        claimed the target meanwhile.
        """
        ...

    def link(self, table: CopyTable, rows: pl.DataFrame) -> None:
        """Fill in the links of these rows, all of which are there, as are those they refer to."""
        ...

    def finishing(self) -> AbstractContextManager[TableReader]:
        """The last look at what was written: leaving it without an error makes it a store.

        Nobody else writes to it meanwhile, so that what was looked at is what the store holds.
        """
        ...
