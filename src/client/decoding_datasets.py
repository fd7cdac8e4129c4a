"""Datasets from their messages, column types included."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import polars as pl

from ..domain.datasets import Column, DatasetSpec
from ..domain.errors import ConfigurationError
from ..v1 import dataset_pb2
from .decoding_values import last_part

_PLAIN: dict[str, pl.DataType] = {
    str(kind()): kind()
    for kind in (
        *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128),
        *(pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
        *(pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary),
        *(pl.Date, pl.Time, pl.Null, pl.Categorical),
    )
}
_DECIMAL = re.compile(r"Decimal\((?:precision=)?(\d+), ?(?:scale=)?(\d+)\)")
_DATETIME = re.compile(r"Datetime\(time_unit='(ns|us|ms)', time_zone=(?:None|'([^']+)')\)")
_DURATION = re.compile(r"Duration\(time_unit='(ns|us|ms)'\)")
_LIST = re.compile(r"List\((.+)\)")

_Unit = Literal["ns", "us", "ms"]
_UNITS: dict[str, _Unit] = {"ns": "ns", "us": "us", "ms": "ms"}


def dataset_of(message: dataset_pb2.Dataset) -> DatasetSpec:
    """What a dataset promises; raises a ConfigurationError for a column of an unknown type."""
    return DatasetSpec(
        name=last_part(message.name),
        description=message.description,
        key=tuple(message.key),
        columns=tuple(
            Column(column.name, dtype_of(column.type), column.description)
            for column in message.columns
        ),
        domain=message.domain,
    )


def dtype_of(text: str) -> pl.DataType:
    """The type that polars writes as ``text``; raises a ConfigurationError for any other text."""
    if text in _PLAIN:
        return _PLAIN[text]
    for pattern, build in _BUILT:
        match = pattern.fullmatch(text)
        if match is not None:
            try:
                return build(match)
            except (pl.exceptions.PolarsError, ValueError) as error:
                raise _unknown(text) from error
    raise _unknown(text)


def _decimal(match: re.Match[str]) -> pl.DataType:
    return pl.Decimal(int(match[1]), int(match[2]))


def _datetime(match: re.Match[str]) -> pl.DataType:
    return pl.Datetime(_UNITS[match[1]], match[2])


def _duration(match: re.Match[str]) -> pl.DataType:
    return pl.Duration(_UNITS[match[1]])


def _list(match: re.Match[str]) -> pl.DataType:
    return pl.List(dtype_of(match[1]))


_BUILT: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], pl.DataType]], ...] = (
    (_DECIMAL, _decimal),
    (_DATETIME, _datetime),
    (_DURATION, _duration),
    (_LIST, _list),
)


def _unknown(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"the server says {text[:100]!r} for the type of a column, which this version of the "
        "client does not know",
        hint="use a client of the server's version",
    )
