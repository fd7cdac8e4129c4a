"""A source and a pipeline of one's own: prices of a vendor, kept in memory for the example.

    SPINE_MODULES=own_source spine run example.average_price -p symbols=AAA,BBB

run in this folder. `tests/contract/test_example_source.py` holds the source to the suite that every
source passes.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import polars as pl

from market_spine import (
    LINE,
    Param,
    Result,
    RunContext,
    Source,
    SourceBatch,
    SourceDescription,
    SourceError,
    SourceResult,
    Tap,
    ValidationError,
    empty_malformed,
    fetch_all,
    pipeline,
    register_source,
)

PRICES = {"AAA": ["10.5", "11.0", "11.5"], "BBB": ["7.25", "7.00", "6.75"]}


@register_source("example.prices")
class Prices:
    """Daily prices of a vendor. Opening it does nothing; reading it may fail, typed."""

    def __init__(self, symbols: list[str]) -> None:
        self._symbols = symbols

    def describe(self) -> SourceDescription:
        """What it is, without touching it; no secrets in the options."""
        return SourceDescription("example.prices", "prices", {"symbols": self._symbols})

    def validate(self) -> None:
        """Say cheaply whether it can be read."""
        unknown = [symbol for symbol in self._symbols if symbol not in PRICES]
        if unknown:
            raise SourceError(
                f"the vendor has no prices of {', '.join(unknown)}",
                hint=f"it has {', '.join(PRICES)}",
            )

    def stream(self, *, batch_rows: int = 100_000, tap: Tap | None = None) -> Iterator[SourceBatch]:
        """Records as text, numbered from 1; the bytes they came in go to the tap."""
        if batch_rows < 1:
            raise ValidationError(f"batch_rows is {batch_rows}", hint="give at least 1")
        self.validate()
        rows = [(symbol, price) for symbol in self._symbols for price in PRICES[symbol]]
        frame = pl.DataFrame(rows, schema={"symbol": pl.String, "price": pl.String}, orient="row")
        numbered = frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(LINE))
        for batch in numbered.iter_slices(batch_rows):
            if tap is not None:
                tap(batch.drop(LINE).write_ndjson().encode())
            yield SourceBatch(batch, empty_malformed(), "prices")

    def fetch(self, *, tap: Tap | None = None) -> SourceResult:
        """Everything at once."""
        source: Source = self
        return fetch_all(source, fetched_at=datetime.now(UTC), tap=tap)


@pipeline("example.average_price")
def average_price(
    context: RunContext,
    symbols: Annotated[tuple[str, ...], Param("Which symbols", example="AAA,BBB")],
) -> Result[dict[str, float]]:
    """The average price of each symbol."""
    found = context.source("example.prices", symbols=list(symbols)).fetch()
    means = found.frame.group_by("symbol", maintain_order=True).agg(
        pl.col("price").cast(pl.Float64).mean()
    )
    averages = dict(means.iter_rows())
    return Result.success(averages, metrics={"rows_read": found.rows, **averages})
