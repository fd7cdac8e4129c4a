"""Column types that mean the same on SQLite, PostgreSQL and Db2."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    DateTime,
    Dialect,
    Integer,
    Numeric,
    String,
    Text,
    cast,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import TypeCompiler
from sqlalchemy.types import TypeDecorator, TypeEngine

from ....domain.errors import Category, LoadError
from .row_tables import CODE_BYTES

QUANTITY_SCALE = 6
FEW_BYTES = 64 * 1024
"""What a statement for Db2 says at first that a long text has at most."""
_IN_UTC = "+00:00"


class _TextOfTimestamp(sqlite.DATETIME):
    """As SQLAlchemy writes it on SQLite, in a fraction of the time."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        del dialect
        return lambda value: None if value is None else value.isoformat(" ", "microseconds")

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        del dialect, coltype
        return lambda text: None if text is None else datetime.fromisoformat(text)


@lru_cache(maxsize=512)  # what was written together has the same time
def _aware(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text + _IN_UTC)


_AS_TEXT: TypeEngine[Any] = _TextOfTimestamp()  # type: ignore[no-untyped-call]  # SQLAlchemy's


class UtcTimestamp(TypeDecorator[datetime]):
    """An aware datetime, kept as naive UTC with microseconds and given back aware, in UTC."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        of_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(_AS_TEXT if of_sqlite else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise LoadError(
                f"the timestamp {value.isoformat()} has no time zone",
                category=Category.VALIDATION,
                hint="give an aware datetime",
            )
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        return value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        # The decorator's own takes three calls for each of the many values of a page of runs.
        return _aware if dialect.name == "sqlite" else super().result_processor(dialect, coltype)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)

        def bound(value: datetime | None) -> str | None:
            if value is not None and value.tzinfo is UTC:
                return value.isoformat(" ", "microseconds").removesuffix(_IN_UTC)
            naive = self.process_bind_param(value, dialect)
            return None if naive is None else naive.isoformat(" ", "microseconds")

        return bound


def varchar(length: int) -> TypeEngine[str]:
    """Text of at most ``length`` bytes, compared and sorted by its bytes.

    Db2 counts bytes where PostgreSQL counts characters: a code of 20 characters needs 80.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def code() -> TypeEngine[str]:
    """A symbol, MPID or the like: 20 characters."""
    return varchar(CODE_BYTES)


def generated_key() -> TypeEngine[int]:
    """A number that the database gives; SQLite numbers INTEGER columns only."""
    return BigInteger().with_variant(Integer(), "sqlite")


def quantity() -> TypeEngine[Any]:
    """DECIMAL(18,6), exact. SQLite has no decimals: there it is an integer count of millionths."""
    return Numeric(18, QUANTITY_SCALE).with_variant(BigInteger(), "sqlite")


class _TextOnDb2(Text):
    """Tells the driver how long a value may be, which sets aside that much for each otherwise."""

    cache_ok = True

    def bind_expression(self, bindvalue: BindParameter[Any]) -> ColumnElement[Any]:
        return cast(bindvalue, _Clob(FEW_BYTES))


class _Clob(Text):
    """Text of at most ``size`` bytes, in a statement."""

    cache_ok = True

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


def long_text() -> TypeEngine[str]:
    """Text of any length: 16 MiB on Db2."""
    return Text().with_variant(_TextOnDb2(), "ibm_db_sa")


@compiles(Text, "ibm_db_sa")
def _text_on_db2(type_: Text, compiler: TypeCompiler, **kw: Any) -> str:
    del type_, compiler, kw
    return "CLOB(16M)"


@compiles(_Clob, "ibm_db_sa")
def _clob_on_db2(type_: _Clob, compiler: TypeCompiler, **kw: Any) -> str:
    del compiler, kw
    return f"CLOB({type_.size})"
