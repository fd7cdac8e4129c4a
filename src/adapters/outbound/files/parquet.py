"""Parquet: native types, row group by row group."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from ....domain.errors import SourceError
from ....ports.sources import LINE, empty_malformed
from .failures import unreadable
from .layout import check_expected, check_reserved
from .reading import CHUNK_BYTES, Readable
from .records import Piece

MAGIC = b"PAR1"
T = TypeVar("T")


def parquet_schema(path: Path, name: str, expected: Sequence[str] | None) -> pl.Schema:
    """The schema that the file's footer declares, checked like a header."""
    schema = _typed(lambda: pl.scan_parquet(path, glob=False).collect_schema(), name)
    check_reserved(schema.names(), name)
    check_expected(schema.names(), expected or (), name)
    return schema


def parquet_pieces(path: Path, name: str, batch_rows: int) -> Iterator[Piece]:
    """The rows with LINE counted from 1, about ``batch_rows`` at a time."""
    batches = _typed(
        lambda: iter(
            pl.scan_parquet(path, glob=False, low_memory=True).collect_batches(
                chunk_size=batch_rows, maintain_order=True, lazy=True, engine="streaming"
            )
        ),
        name,
    )
    line = 1
    while (frame := _typed(lambda: next(batches, None), name)) is not None:
        lines = pl.int_range(line, line + frame.height, dtype=pl.Int64, eager=True)
        line += frame.height
        yield Piece(frame.with_columns(lines.alias(LINE)), empty_malformed())


def drain(stream: Readable) -> None:
    """Read to the end, for the sake of the tap."""
    while stream.read(CHUNK_BYTES):
        pass


def spool(stream: Readable, folder: str) -> Path:
    """The stream as a file in ``folder``: Parquet is read from its end."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".parquet", delete=False) as file:
            while block := stream.read(CHUNK_BYTES):
                file.write(block)
    except OSError as error:
        raise unreadable(error, f"the temporary copy in {folder}") from error
    return Path(file.name)


def _typed(work: Callable[[], T], name: str) -> T:
    try:
        return work()
    except OSError as error:
        raise unreadable(error, name) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(
            f"{name} is no complete Parquet file: {said}",
            hint="fetch the file again and compare its size with the sender's",
            cause=error,
        ) from error
