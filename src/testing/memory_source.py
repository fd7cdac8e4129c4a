"""A source of records that are in memory already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import polars as pl

from ..domain.errors import SpineError, ValidationError
from ..ports.sources import (
    LINE,
    SourceBatch,
    SourceDescription,
    SourceResult,
    Tap,
    TapMeter,
    empty_malformed,
)

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class MemorySource:
    """Yields the records of ``frames`` in order; the tap receives them as JSON Lines.

    ``frames`` have equal columns; their records are numbered from 1. With ``error`` the source
    breaks off with it after the last record, and at once where there is none. ``fetched_at``
    of a result is what ``clock`` says, 2000-01-01 by default.
    """

    def __init__(
        self,
        *frames: pl.DataFrame,
        name: str = "memory",
        error: SpineError | None = None,
        clock: Callable[[], datetime] = lambda: _EPOCH,
    ) -> None:
        records = pl.concat(frames) if frames else pl.DataFrame()
        lines = pl.int_range(1, records.height + 1, dtype=pl.Int64, eager=True)
        self._records = records.with_columns(lines.alias(LINE))
        self._name = name
        self._error = error
        self._clock = clock

    def describe(self) -> SourceDescription:
        return SourceDescription("memory", self._name, {"rows": self._records.height})

    def validate(self) -> None:
        """Raises the ``error``, if one was given."""
        if self._error is not None:
            raise self._error

    def stream(self, *, batch_rows: int = 100_000, tap: Tap | None = None) -> Iterator[SourceBatch]:
        if batch_rows < 1:
            raise ValidationError(f"batch_rows is {batch_rows}", hint="give at least 1")
        return self._batches(batch_rows, tap)

    def fetch(self, *, tap: Tap | None = None) -> SourceResult:
        meter = TapMeter(tap)
        fetched_at = self._clock()
        for _ in self._batches(max(1, self._records.height), meter):
            pass
        return SourceResult(
            type="memory",
            name=self._name,
            fetched_at=fetched_at,
            rows=self._records.height,
            bytes=meter.bytes,
            digest=meter.digest,
            frame=self._records,
            malformed=empty_malformed(),
        )

    def _batches(self, batch_rows: int, tap: Tap | None) -> Iterator[SourceBatch]:
        for frame in self._records.iter_slices(batch_rows) if self._records.height else ():
            if tap is not None:
                tap(frame.drop(LINE).write_ndjson().encode())
            yield SourceBatch(frame, empty_malformed(), self._name)
        if self._error is not None:
            raise self._error
