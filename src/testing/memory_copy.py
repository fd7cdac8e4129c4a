"""Both sides of a copy in memory: three small tables with everything that makes copying hard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import polars as pl

from ..domain.errors import Category, ConfigurationError, LoadError
from ..ports.store_copy import Claim, CopyTable, TableReader

LOOSE, PEOPLE, ORDERS = CopyTable("loose"), CopyTable("people", ("boss",)), CopyTable("orders")

_KEYS = {"loose": ["day"], "people": ["person"], "orders": ["person", "number"]}
_SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "loose": {"day": pl.Date(), "value": pl.Float64()},
    "people": {"person": pl.String(), "boss": pl.String(), "since": pl.Datetime("us")},
    "orders": {"person": pl.String(), "number": pl.Int64(), "amount": pl.Decimal(18, 6)},
}
_REFERRING = {"loose": (), "people": ("orders",), "orders": ()}
_READY = "ready"


@dataclass
class MemoryDatabase:
    """The tables of one store; ``state`` is ``ready``, or names who copies into it."""

    rows: dict[str, pl.DataFrame] = field(
        default_factory=lambda: {
            name: pl.DataFrame(schema=schema) for name, schema in _SCHEMAS.items()
        }
    )
    state: object = _READY

    def add(self, name: str, rows: pl.DataFrame) -> None:
        """Add rows; raises a LoadError, and adds none, when a key is there already."""
        joined = pl.concat([self.rows[name], rows])
        if joined.select(pl.struct(_KEYS[name]).is_duplicated().any()).item():
            raise LoadError(f"{name} has some of these rows already")
        self.rows = {**self.rows, name: joined.sort(_KEYS[name])}


class MemoryTableReader:
    """Rows as they were when the reader was made, or else as they are when each is read."""

    def __init__(self, database: MemoryDatabase, *, one_moment: bool = True) -> None:
        self.one_moment = one_moment
        self._database = database
        self._before = database.rows

    @property
    def _rows(self) -> dict[str, pl.DataFrame]:
        return self._before if self.one_moment else self._database.rows

    def identity(self) -> str:
        return f"memory {id(self._database)}"

    def tables(self) -> list[CopyTable]:
        return [LOOSE, PEOPLE, ORDERS]

    def count(self, table: str) -> int:
        return self._rows[table].height

    def frames(self, table: str, size: int) -> Iterator[pl.DataFrame]:
        return self._rows[table].iter_slices(size)


class MemoryCopySource:
    """A store in memory to copy from; without ``one_moment``, as Db2 is, it has no snapshots."""

    location = "memory"

    def __init__(self, database: MemoryDatabase, *, one_moment: bool = True) -> None:
        self._database = database
        self._one_moment = one_moment

    @contextmanager
    def snapshot(self) -> Iterator[TableReader]:
        if self._database.state != _READY:
            raise ConfigurationError(
                "the store in memory holds an unfinished copy", hint="go on with spine db copy"
            )
        yield MemoryTableReader(self._database, one_moment=self._one_moment)


class MemoryCopyTarget:
    """A database in memory to copy into."""

    location = "memory"

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def claim(self, apart_from: TableReader | None = None) -> Claim:
        if apart_from and apart_from.identity() == MemoryTableReader(self._database).identity():
            raise ConfigurationError("source and target of the copy are the same database")
        new = self._database.state == _READY
        if new and any(frame.height for frame in self._database.rows.values()):
            return Claim.OCCUPIED
        self._database.state = self
        return Claim.NEW if new else Claim.UNFINISHED

    @contextmanager
    def contents(self) -> Iterator[TableReader]:
        yield MemoryTableReader(self._database)

    def clear(self, table: str) -> None:
        for name in (*_REFERRING[table], table):
            rows = self._own().rows
            self._own().rows = {**rows, name: rows[name].clear()}

    def append(self, table: CopyTable, rows: pl.DataFrame) -> None:
        self._own().add(table.name, rows.with_columns(pl.lit(None).alias(n) for n in table.links))

    def link(self, table: CopyTable, rows: pl.DataFrame) -> None:
        database = self._own()
        linked = database.rows[table.name].update(
            rows.select(*_KEYS[table.name], *table.links), on=_KEYS[table.name]
        )
        database.rows = {**database.rows, table.name: linked}

    @contextmanager
    def finishing(self) -> Iterator[TableReader]:
        yield MemoryTableReader(self._own())
        self._own().state = _READY

    def _own(self) -> MemoryDatabase:
        if self._database.state is not self:
            raise LoadError(
                "another process has begun to copy into the memory",
                category=Category.CONFIGURATION,
            )
        return self._database


def filled_database() -> MemoryDatabase:
    """A store in memory; one of its people stands before the boss."""
    noon = datetime(2025, 12, 15, 12, 0, 0, 123456)  # noqa: DTZ001  # as databases keep it
    database = MemoryDatabase()
    samples: dict[str, list[tuple[object, ...]]] = {
        "loose": [(date(2025, 11, 3), 0.1), (date(2025, 11, 10), None)],
        "people": [("ann", "zoe", noon), ("bob", None, None), ("zoe", None, noon)],
        "orders": [("bob", 1, Decimal("0.000001")), ("zoe", 1, None), ("zoe", 2, Decimal(7))],
    }
    for name, rows in samples.items():
        database.add(name, pl.DataFrame(rows, schema=_SCHEMAS[name], orient="row"))
    return database
