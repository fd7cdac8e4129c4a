"""The one protocol for everything that records come from: files, HTTP APIs, databases."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

import polars as pl

LINE = "_line"
"""Name of the column that holds a record's position in its origin, counted from 1."""

MALFORMED_SCHEMA: dict[str, Any] = {
    "line": pl.Int64(),
    "reason": pl.String(),
    "detail": pl.String(),
    "raw": pl.String(),
}

Tap = Callable[[bytes], None]
"""Receives the source's uncompressed bytes, in order, as they are read."""


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What a source is, without touching it. ``options`` are JSON-ready and free of secrets."""

    type: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """Some consecutive records.

    ``frame`` has the source's columns and LINE (Int64). Every column of a text format is String,
    an empty field of a delimited file is null. ``malformed`` (MALFORMED_SCHEMA) holds the records
    that could not be taken apart: none is dropped. ``origin`` names the file, page or query.
    ``delimiter`` is set for delimited text.
    """

    frame: pl.DataFrame
    malformed: pl.DataFrame
    origin: str
    delimiter: str | None = None

    @property
    def rows(self) -> int:
        return self.frame.height + self.malformed.height


def empty_malformed() -> pl.DataFrame:
    """No malformed record."""
    return pl.DataFrame(schema=MALFORMED_SCHEMA)


def raw_text(frame: pl.DataFrame, delimiter: str | None) -> pl.Series:
    """The records of ``frame`` as text again: delimited as they came, JSON for other formats."""
    fields = frame.drop(LINE, strict=False)
    if delimiter is None:
        return fields.select(pl.struct(pl.all()).struct.json_encode().alias("raw"))["raw"]
    return fields.select(
        pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator=delimiter).alias("raw")
    )["raw"]


@dataclass(frozen=True, slots=True)
class SourceResult:
    """Everything a source had, with its metadata.

    ``digest`` is the hex SHA-256 of the ``bytes`` uncompressed bytes read, ``fetched_at`` is UTC.
    """

    type: str
    name: str
    fetched_at: datetime
    rows: int
    bytes: int
    digest: str
    frame: pl.DataFrame
    malformed: pl.DataFrame
    delimiter: str | None = None


class TapMeter:
    """A tap that weighs what passes: ``bytes`` and hex SHA-256 ``digest``; hands it on to another.

    Gives a source the two figures that its result has to carry.
    """

    def __init__(self, onward: Tap | None = None) -> None:
        self._onward = onward
        self._hash = hashlib.sha256()
        self.bytes = 0

    def __call__(self, data: bytes) -> None:
        self._hash.update(data)
        self.bytes += len(data)
        if self._onward is not None:
            self._onward(data)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def fetch_all(source: Source, *, fetched_at: datetime, tap: Tap | None = None) -> SourceResult:
    """Everything that ``source`` streams: what most sources answer to ``fetch``."""
    described, meter = source.describe(), TapMeter(tap)
    batches = list(source.stream(tap=meter))
    frames = [batch.frame for batch in batches]
    return SourceResult(
        type=described.type,
        name=described.name,
        fetched_at=fetched_at,
        rows=sum(batch.rows for batch in batches),
        bytes=meter.bytes,
        digest=meter.digest,
        frame=pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame(),
        malformed=pl.concat([empty_malformed(), *(batch.malformed for batch in batches)]),
        delimiter=batches[0].delimiter if batches else None,
    )


class Source(Protocol):
    """Somewhere that records come from. Opening it does nothing; reading it may fail, typed."""

    def describe(self) -> SourceDescription: ...

    def validate(self) -> None:
        """Check cheaply that it can be read; raises a SpineError that says what is wrong."""
        ...

    def stream(self, *, batch_rows: int = 100_000, tap: Tap | None = None) -> Iterator[SourceBatch]:
        """Batches of about ``batch_rows`` records in bounded memory.

        Raises a SourceError or ValidationError where the source cannot be read to its end:
        a cut-off source is never taken for a complete one.
        """
        ...

    def fetch(self, *, tap: Tap | None = None) -> SourceResult:
        """All records at once."""
        ...


@dataclass(frozen=True, slots=True)
class SourceType:
    """A registered kind of source: ``factory(**options)`` opens one."""

    name: str
    description: str
    factory: Callable[..., Source]


class Sources(Protocol):
    """Opens sources by the name of their type."""

    def open(self, type: str, **options: Any) -> Source:
        """Raises a ValidationError for an unknown type or an option that it does not take."""
        ...


F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__source_type__"


def register_source(name: str, *, description: str | None = None) -> Callable[[F], F]:
    """Mark a class or function as the factory of source type ``name``.

    Like a pipeline it is found in the modules that the settings name, not registered globally.
    """

    def mark(factory: F) -> F:
        text = description or (factory.__doc__ or "").strip().split("\n")[0]
        setattr(factory, _MARK, SourceType(name, text, factory))
        return factory

    return mark


def source_type_of(thing: object) -> SourceType | None:
    """What :func:`register_source` left on ``thing`` itself, if anything."""
    found = getattr(thing, "__dict__", {}).get(_MARK)
    return found if isinstance(found, SourceType) else None
