"""What differs between databases, behind one small interface; everything else is common SQL."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from threading import Event
from typing import Any, Protocol, TypeVar

import polars as pl
from sqlalchemy import Column, ColumnElement, Connection, Engine, Row, Select, Table, Update

from ....domain.captures import Partition
from ....domain.errors import SpineError

S = TypeVar("S", bound=Select[Any])
T = TypeVar("T")


class Access(Enum):
    """What a connection is for. READ cannot write; CREATE may make a database that is not there."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes, and connections at the server; None where the database does not say."""

    used: int | None = None
    free: int | None = None
    connections: int | None = None
    connection_limit: int | None = None


class Dialect(Protocol):
    """One kind of database."""

    @property
    def backend(self) -> str:
        """What operators call it."""
        ...

    @property
    def location(self) -> str:
        """Where it is, without secrets."""
        ...

    @property
    def pool_size(self) -> int | None:
        """How many connections there are at most to read with, and as many to write with."""
        ...

    @property
    def loads_long_text(self) -> bool:
        """Whether ``insert_frame`` takes columns of type Text; else their rows go one by one."""
        ...

    @property
    def reads_one_moment(self) -> bool:
        """Whether a READ transaction is a snapshot; else each statement has its own moment."""
        ...

    def exists(self) -> bool:
        """False when there is certainly no database yet at the location."""
        ...

    def engine(self, access: Access) -> Engine:
        """An engine whose errors are SpineErrors already and whose transactions begin rightly.

        A READ transaction is a snapshot from its beginning on. A WRITE or CREATE transaction has
        what it needs to write from its beginning on.
        """
        ...

    def prepare(self) -> None:
        """Make the database where it can be made, and the settings that it keeps."""
        ...

    def has_table(self, connection: Connection, name: str | None) -> bool:
        """Whether there is a table of that name; with None, whether there is any at all."""
        ...

    def lock_schema(self, connection: Connection) -> None:
        """Hold the schema until the transaction ends: one process changes it at a time."""
        ...

    def patiently(self, work: Callable[[], T]) -> T:
        """What ``work`` answers, done again while locks last, where a server refuses them early.

        Only for work that its failure undoes as a whole, and nothing else with it.
        """
        ...

    def in_transaction(self, connection: Connection) -> bool:
        """False when the database itself has rolled back what was begun, after an error."""
        ...

    def lock_partition(self, connection: Connection, partition: Partition) -> None:
        """Hold the partition until the transaction ends."""
        ...

    def insert_rows(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert rows, which all name the same columns, in their order."""
        ...

    def update_rows(
        self,
        connection: Connection,
        table: Table,
        keys: tuple[str, ...],
        rows: Sequence[Mapping[str, Any]],
        condition: ColumnElement[bool],
    ) -> int:
        """Write columns of each row where its ``keys`` are and the condition holds; how many."""
        ...

    def hold(
        self,
        connection: Connection,
        statement: Select[Any],
        same: Update,
        values: Mapping[str, Any],
    ) -> Sequence[Row[Any]]:
        """What a statement selects for ``values``, held until the transaction ends.

        ``same`` changes nothing of the same rows, for databases that hold by changes only. Waits
        for others as long as is allowed.
        """
        ...

    def limit_waiting(self, connection: Connection, seconds: float) -> None:
        """Wait at most so long for each lock until the transaction ends, where it can be said."""
        ...

    def limit_silence(self, connection: Connection, seconds: float) -> None:
        """End the transaction when its client is silent for so long, where the server can."""
        ...

    def ring(self, connection: Connection) -> None:
        """Let those who listen know of it when the transaction commits, where it must be said."""
        ...

    def listen(self, ring: Callable[[], None], stop: Event) -> None:
        """Call ``ring`` after commits of others, until ``stop``; returns where none are told."""
        ...

    def now(self, connection: Connection) -> datetime:
        """The database's own time at this moment, not at the transaction's beginning: aware, UTC.

        On SQLite in whole milliseconds.
        """
        ...

    def first(self, statement: S, count: int) -> S:
        """The statement, limited to its first ``count`` rows."""
        ...

    def at_a_glance(self, statement: S) -> S:
        """The statement, not waiting for what others are changing.

        What it finds may be about to change, or never be committed.
        """
        ...

    def not_held(self, statement: S) -> S:
        """The statement, holding what it finds and passing over what others hold, if it can.

        Where the database cannot, it is left as it is: whoever changes the rows restates what they
        were in any case.
        """
        ...

    def read_frames(
        self,
        connection: Connection,
        statement: Select[Any],
        schema: Mapping[str, pl.DataType],
        size: int,
    ) -> Generator[pl.DataFrame, None, None]:
        """What a statement selects, ``size`` rows at a time, exact, in bounded memory.

        ``schema`` names the columns in their order and gives their types. Other statements may be
        executed between the frames. Yields nothing when there is no row.
        """
        ...

    def insert_frame(
        self,
        connection: Connection,
        table: Table,
        constants: Mapping[str, int],
        frame: pl.DataFrame,
    ) -> None:
        """Insert all rows of ``frame``, whose columns are some of the table's; exact.

        ``constants`` are further columns with one value for all rows.
        """
        ...

    def keep_writers_out(self, connection: Connection, table: Table) -> None:
        """Let nobody else change rows of the table until the transaction ends."""
        ...

    def identity(self, connection: Connection) -> str:
        """What a store's database has in common with no other, by whatever URL it is reached.

        It compares between two transactions that are open at once, one of which has changed the
        revision to a mark of its own.
        """
        ...

    def continue_numbering(self, connection: Connection, column: Column[Any]) -> None:
        """Let the keys that the database gives for ``column`` go on after the highest there is."""
        ...

    def translate(self, error: BaseException) -> SpineError:
        """The typed error that says what the driver's error means and what to do about it."""
        ...

    def server_version(self, connection: Connection) -> str: ...

    def space(self, connection: Connection) -> Space:
        """How large the database is and how much room is left, as far as it can tell."""
        ...
