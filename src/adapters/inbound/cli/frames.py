"""Data frames as tables, CSV, JSON and Parquet; streamed, and decimals never rounded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import polars as pl

from ....domain.datasets import DatasetSpec
from ....domain.errors import Category, LoadError, ValidationError
from . import output


def show_table(
    spec: DatasetSpec, frames: Iterable[pl.DataFrame], rows: int | None, target: Path | None
) -> None:
    """Print at most ``rows`` rows, and say when there are more."""
    if target is not None:
        raise ValidationError(
            "a table is printed, not written", hint="add --format csv, json or parquet to -o"
        )
    found = list(frames)
    frame = pl.concat(found) if found else pl.DataFrame(schema=spec.schema)
    if frame.is_empty():
        output.say("no rows")
        return
    cut = rows is not None and frame.height > rows
    shown = frame.head(rows) if rows is not None else frame
    output.table("", shown.columns, plain_decimals(shown, numbers=True).rows())
    if cut:
        output.say(f"the first {rows} rows; --limit N shows more, --format csv all of them")


def write_frames(
    spec: DatasetSpec, frames: Iterable[pl.DataFrame], form: str, target: Path | None
) -> None:
    """Write all rows to ``target`` or stdout."""
    if form == "parquet" and target is None and sys.stdout.isatty():
        raise ValidationError("Parquet is no text", hint="give a file with -o FILE")
    with _opened(target) as file:
        if form == "csv":
            _write_csv(spec, frames, file)
        elif form == "json":
            _write_json(frames, file)
        else:
            found = list(frames)
            whole = pl.concat(found) if found else pl.DataFrame(schema=spec.schema)
            whole.write_parquet(file, compression="zstd")


def plain_decimals(frame: pl.DataFrame, *, numbers: bool = False) -> pl.DataFrame:
    """Decimal columns as text without trailing zeros (whole ones as integers for a table)."""
    wanted = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Decimal)]
    if numbers:
        whole = [n for n in wanted if frame.select((pl.col(n) % 1 == 0).all()).item()]
        frame = frame.with_columns(pl.col(n).cast(pl.Int64) for n in whole)
        return frame.with_columns(pl.col(n).cast(pl.Float64) for n in wanted if n not in whole)
    return frame.with_columns(
        pl.col(name).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
        for name in wanted
    )


def _write_csv(spec: DatasetSpec, frames: Iterable[pl.DataFrame], file: IO[bytes]) -> None:
    file.write((",".join(spec.column_names) + "\n").encode())
    for frame in frames:
        plain_decimals(frame).write_csv(file, include_header=False)


def _write_json(frames: Iterable[pl.DataFrame], file: IO[bytes]) -> None:
    """One array of objects. Decimals are JSON numbers with all their digits."""
    file.write(b"[")
    lead = "\n"
    for frame in frames:
        rows = frame.select(_members(frame).alias("row"))["row"]
        file.write((lead + "{" + "},\n{".join(rows) + "}").encode())
        lead = ",\n"
    file.write(b"\n]\n")


def _members(frame: pl.DataFrame) -> pl.Expr:
    return pl.concat_str(
        [_member(name, dtype) for name, dtype in frame.schema.items()], separator=", "
    )


def _member(name: str, dtype: pl.DataType) -> pl.Expr:
    """``"name": value`` as JSON text."""
    if isinstance(dtype, pl.Decimal):
        text = pl.col(name).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
        return pl.concat_str([pl.lit(f'"{name}":'), text.fill_null("null")])
    encoded = pl.struct(pl.col(name)).struct.json_encode()
    return encoded.str.slice(1, encoded.str.len_chars() - 2)


@contextmanager
def _opened(target: Path | None) -> Iterator[IO[bytes]]:
    if target is None:
        sys.stdout.flush()
        yield cast("IO[bytes]", sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    # Written beside the target and put in its place when it is complete; a device or a named pipe
    # is written as it is.
    special = target.exists() and not target.is_file()
    partial = target if special else target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        if not special:
            partial.replace(target)
    except OSError as error:
        raise LoadError(
            f"{target} cannot be written: {error.strerror or error}",
            category=Category.RESOURCE,
            cause=error,
        ) from error
    finally:
        if not special:
            partial.unlink(missing_ok=True)
