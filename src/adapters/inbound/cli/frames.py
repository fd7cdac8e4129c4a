"""Data frames as tables, CSV, JSON and Parquet; streamed, and decimals never rounded."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from ....domain.datasets import DatasetSpec
from ....domain.errors import Category, LoadError, ValidationError
from . import output, stdout

Write = Callable[[bytes], object]


def show_table(frames: Iterable[pl.DataFrame], rows: int | None) -> int:
    """Print at most ``rows`` rows and say when there are more; returns how many were printed."""
    found = list(frames)
    if not found:
        output.say(output.NOTHING)
        return 0
    frame = pl.concat(found)
    shown = frame.head(rows) if rows is not None else frame
    output.table("", shown.columns, shown.rows())
    if shown.height < frame.height:
        output.say(f"the first {rows} rows; --limit N shows more, --format csv all of them")
    return shown.height


def write_frames(
    spec: DatasetSpec, frames: Iterable[pl.DataFrame], form: str, target: Path | None
) -> int:
    """Write all rows to ``target`` or stdout; returns how many there were."""
    if form == "parquet" and target is None and stdout.is_terminal():
        raise ValidationError("Parquet is no text", hint="give a file with -o FILE")
    counted = _Counted(frames)
    with _opened(target) as write:
        if form == "csv":
            _write_csv(spec, counted, write)
        elif form == "json":
            _write_json(counted, write, escape=target is None and not stdout.shows("é─漢"))
        else:
            _write_parquet(spec, counted, write)
    return counted.rows


class _Counted:
    """Frames, and how many rows have gone by."""

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self._frames = frames
        self.rows = 0

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for frame in self._frames:
            self.rows += frame.height
            yield frame


def _write_csv(spec: DatasetSpec, frames: Iterable[pl.DataFrame], write: Write) -> None:
    write((",".join(spec.column_names) + "\n").encode())
    for frame in frames:
        # As text: polars loses the reason when it writes to a stream itself and that fails.
        write(_plain_decimals(frame).write_csv(None, include_header=False).encode())


def _write_json(frames: Iterable[pl.DataFrame], write: Write, *, escape: bool) -> None:
    """One array of objects. Decimals are JSON numbers with all their digits."""
    write(b"[")
    lead = "\n"
    for frame in frames:
        rows = frame.select(_members(frame).alias("row"))["row"]
        text = lead + "{" + "},\n{".join(rows) + "}"
        write((_escaped(text) if escape else text).encode())
        lead = ",\n"
    write(b"]\n" if lead == "\n" else b"\n]\n")


def _write_parquet(spec: DatasetSpec, frames: Iterable[pl.DataFrame], write: Write) -> None:
    found = list(frames)
    whole = pl.concat(found) if found else pl.DataFrame(schema=spec.schema)
    content = io.BytesIO()
    whole.write_parquet(content, compression="zstd")
    write(content.getvalue())


def _escaped(text: str) -> str:
    return re.sub(r"[^\x00-\x7f]+", lambda found: json.dumps(found[0])[1:-1], text)


def _plain_decimals(frame: pl.DataFrame) -> pl.DataFrame:
    """Decimal columns as text without trailing zeros."""
    return frame.with_columns(
        _digits(name, dtype)
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Decimal)
    )


def _digits(name: str, dtype: pl.Decimal) -> pl.Expr:
    text = pl.col(name).cast(pl.String)
    return text.str.strip_chars_end("0").str.strip_chars_end(".") if dtype.scale else text


def _members(frame: pl.DataFrame) -> pl.Expr:
    return pl.concat_str(
        [_member(name, dtype) for name, dtype in frame.schema.items()], separator=", "
    )


def _member(name: str, dtype: pl.DataType) -> pl.Expr:
    """``"name": value`` as JSON text."""
    if isinstance(dtype, pl.Decimal):
        return pl.concat_str([pl.lit(f'"{name}":'), _digits(name, dtype).fill_null("null")])
    encoded = pl.struct(pl.col(name)).struct.json_encode()
    return encoded.str.slice(1, encoded.str.len_chars() - 2)


@contextmanager
def _opened(target: Path | None) -> Iterator[Write]:
    if target is None:
        yield stdout.write
        return
    # Written beside the target and put in its place when it is complete; a device or a named pipe
    # is written as it is.
    special = target.exists() and not target.is_file()
    partial = target if special else target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file.write
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
