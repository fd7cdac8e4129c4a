"""A database as a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import polars as pl

from ....domain.errors import ValidationError
from ....domain.redaction import redact, redact_mapping
from ....ports.sources import (
    LINE,
    SourceBatch,
    SourceDescription,
    SourceResult,
    Tap,
    TapMeter,
    empty_malformed,
    register_source,
)
from .addresses import GivenUrl
from .request import request, require_type
from .sessions import open_session

_FETCH_ROWS = 100_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


@register_source("database")
class DatabaseSource:
    """A query or a table of SQLite, PostgreSQL or Db2, read without being able to write.

    ``url`` is the database's, or a reference to it that is looked up on reading: ``env:NAME`` or
    ``file:/PATH``. ``query`` is one statement that reads, with parameters as ``:name`` and their
    values in ``parameters``; ``table`` is NAME or SCHEMA.NAME. With ``key``, columns that are
    filled and unique in every row, the rows come in its order, by pages that are short statements
    of their own. ``timeout`` is the most that the database gives one statement, in seconds; a
    statement that is read slowly runs on meanwhile.

    Times with a zone come in UTC, the zone in which the query runs too. The tap gets what
    PostgreSQL sends for ``COPY ... TO STDOUT``; of the others the rows as CSV, where null is
    nothing, an empty text ``""`` and binary is hex. A digest repeats where the order of the rows
    does: with ``key`` or an ORDER BY.

    Raises a ValidationError for options that contradict themselves, before anything is opened.
    """

    def __init__(
        self,
        url: str,
        *,
        query: str | None = None,
        table: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        key: Sequence[str] | None = None,
        timeout: float | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        require_type("url", url, str, "text")
        self._url = GivenUrl(url)
        self._url.check()
        self._request = request(query, table, parameters, key, timeout)
        self._clock = clock

    def describe(self) -> SourceDescription:
        asked = self._request
        options: dict[str, Any] = {"url": self._url.shown}
        if asked.query is not None:
            options["query"] = redact(asked.query)
        else:
            options["table"] = ".".join(asked.table)
        if asked.parameters:
            options["parameters"] = redact_mapping(asked.parameters)
        if asked.key:
            options["key"] = list(asked.key)
        if asked.timeout is not None:
            options["timeout"] = asked.timeout
        return SourceDescription("database", asked.origin, options)

    def validate(self) -> None:
        """Connect, and let the database check the query without running it."""
        with open_session(self._url.resolved(), self._request):
            pass

    def stream(self, *, batch_rows: int = 100_000, tap: Tap | None = None) -> Iterator[SourceBatch]:
        if batch_rows < 1:
            raise ValidationError(f"batch_rows is {batch_rows}", hint="give at least 1")
        return self._batches(batch_rows, tap, lambda _: None)

    def fetch(self, *, tap: Tap | None = None) -> SourceResult:
        meter = TapMeter(tap)
        fetched_at = self._clock()
        known: list[pl.Schema] = []
        frames = [batch.frame for batch in self._batches(_FETCH_ROWS, meter, known.append)]
        empty = pl.DataFrame(schema={**known[-1], LINE: pl.Int64()})
        frame = pl.concat([empty, *frames])
        return SourceResult(
            type="database",
            name=self._request.origin,
            fetched_at=fetched_at,
            rows=frame.height,
            bytes=meter.bytes,
            digest=meter.digest,
            frame=frame,
            malformed=empty_malformed(),
        )

    def _batches(
        self, batch_rows: int, tap: Tap | None, done: Callable[[pl.Schema], None]
    ) -> Iterator[SourceBatch]:
        line = 1
        with (
            open_session(self._url.resolved(), self._request) as session,
            closing(session.frames(batch_rows, tap)) as frames,
        ):
            for frame in frames:
                lines = pl.int_range(line, line + frame.height, dtype=pl.Int64, eager=True)
                line += frame.height
                numbered = frame.with_columns(lines.alias(LINE))
                yield SourceBatch(numbered, empty_malformed(), self._request.origin)
            done(session.schema)
