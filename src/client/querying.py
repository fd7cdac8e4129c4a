"""Rows of a dataset, which travel as Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypedDict

import polars as pl

from ..domain.errors import Category, SpineError, ValidationError
from ..v1 import dataset_service_pb2 as pb
from .accepting import day_of, limit_of, moment_of, texts_of
from .calls import Calls, build
from .encoding import date_message, resource, timestamp_message
from .selections import check_words


class Rows(TypedDict, total=False):
    """Which rows of a dataset are wanted; what is left out, or None, keeps all.

    ``columns`` come in this order. Periods are inclusive; ``segment`` is the second part of the
    partition's key, for FINRA the tier. ``equals`` compares columns with values: texts, whole and
    decimal numbers, and dates. ``as_of`` asks for what was known then; at most ``limit`` rows
    come, newest period first. Dates and times may be ISO text; a day alone asks for what was known
    at its end, in UTC.
    """

    columns: Sequence[str] | str
    first_period: date | str | None
    last_period: date | str | None
    segment: str | None
    symbols: Sequence[str] | str
    equals: Mapping[str, str | int | Decimal | date]
    as_of: datetime | date | str | None
    limit: int | None


def query(calls: Calls, dataset: str, wanted: Rows, timeout: float | None) -> pl.DataFrame:
    """All rows in one frame, which refers to what has arrived instead of copying it."""
    frames = list(query_batches(calls, dataset, wanted, timeout))
    filled = [frame for frame in frames if frame.height]
    return pl.concat(filled or frames[:1], rechunk=False)


def query_batches(
    calls: Calls, dataset: str, wanted: Rows, timeout: float | None
) -> Iterator[pl.DataFrame]:
    """The rows in frames, as they arrive; at least one frame."""
    check_words(wanted, Rows, "query")
    first = day_of(wanted.get("first_period"), "first_period")
    last = day_of(wanted.get("last_period"), "last_period")
    if first is not None and last is not None and first > last:
        raise ValidationError(
            f"first_period {first} is later than last_period {last}",
            hint="give the earlier one first",
        )
    request = build(
        pb.QueryRequest,
        dataset=resource("datasets", dataset),
        columns=texts_of(wanted.get("columns"), "columns"),
        first_period=date_message(first),
        last_period=date_message(last),
        segment=wanted.get("segment"),
        symbols=texts_of(wanted.get("symbols"), "symbols"),
        equals=_texts_by_column(wanted.get("equals")),
        as_of=timestamp_message(moment_of(wanted.get("as_of"), "as_of")),
        limit=limit_of(wanted.get("limit")),
        compression=pb.QueryRequest.COMPRESSION_ZSTD,
    )
    # Not in the generator: what cannot be asked is told where it is asked.
    return _frames(calls, request, dataset, timeout)


def _texts_by_column(equals: Mapping[str, Any] | None) -> dict[str, str]:
    """Values as the texts that the server compares with; refuses what has no plain one."""
    for column, value in (equals or {}).items():
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal | date):
            raise ValidationError(
                f"equals: {value!r} is no value to compare {column} with",
                hint="give a text, a whole or decimal number, or a date",
            )
    return {
        column: f"{value:f}" if isinstance(value, Decimal) else str(value)
        for column, value in (equals or {}).items()
    }


def _frames(
    calls: Calls, request: pb.QueryRequest, dataset: str, timeout: float | None
) -> Iterator[pl.DataFrame]:
    arrived = 0
    method = "DatasetService/Query"
    for message in calls.stream(method, request, pb.QueryResponse, timeout, begin_again=True):
        arrived += 1
        yield _frame(message, dataset)
    if not arrived:
        raise SpineError(
            f"the server told nothing of dataset {dataset}, not even its columns",
            category=Category.DEPENDENCY,
            hint="ask again; if it happens again, the server is defective",
        )


def _frame(message: pb.QueryResponse, dataset: str) -> pl.DataFrame:
    try:
        frame = pl.read_ipc_stream(message.arrow)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SpineError(
            f"rows of dataset {dataset} arrived in a form that cannot be read: {error}",
            category=Category.DEPENDENCY,
            hint="use a client of the server's version",
            cause=error,
        ) from error
    return frame
