"""One uncompressed content, opened: its format found, its header read and checked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ....domain.errors import SourceError, ValidationError
from ....ports.sources import LINE, Tap
from .compression import Member
from .delimited import DelimitedText
from .encoding import TextStream
from .formats import Format, is_parquet, text_format
from .json_document import json_document
from .json_lines import json_lines
from .layout import check_expected
from .parquet import drain, parquet_pieces, parquet_schema, spool
from .reading import CHUNK_BYTES, LONGEST_RECORD, Lookahead, Tapped
from .records import Piece


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How contents are read, as the user gave it."""

    format: Format = "auto"
    delimiter: str = "auto"
    encoding: str = "auto"
    quote: str = "auto"
    columns: tuple[str, ...] | None = None
    chunk_bytes: int = CHUNK_BYTES
    longest: int = LONGEST_RECORD

    def resolved(self, **found: str) -> dict[str, Any]:
        """The options that read the same content again in the same way."""
        given = {
            "format": self.format,
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "quote": self.quote,
        }
        return {**given, **found}


class Content:
    """A content ready to be read once. ``path`` is set for an uncompressed file.

    ``columns`` are known before reading for delimited text and for a Parquet file, ``delimiter``
    for delimited text; ``resolved`` are the options found.
    """

    def __init__(
        self, member: Member, options: ReadOptions, *, path: Path | None, tap: Tap | None
    ) -> None:
        self.name = member.name
        self.schema: pl.Schema | None = None
        self.delimiter: str | None = None
        self._options = options
        self._path = path if member.plain else None
        self._stream = Lookahead(Tapped(member.open(), member.name, tap))
        self._delimited: DelimitedText | None = None
        self._text: TextStream | None = None
        if is_parquet(self._stream, options.format):
            self.resolved = options.resolved(format="parquet")
            if self._path is not None:
                self.schema = parquet_schema(self._path, self.name, options.columns)
        else:
            self._open_text()

    @property
    def columns(self) -> list[str] | None:
        return None if self.schema is None else self.schema.names()

    def empty(self) -> pl.DataFrame:
        """A frame without rows, of the columns that are known before reading."""
        columns = self.schema or dict.fromkeys(self._options.columns or (), pl.String())
        return pl.DataFrame(schema={**columns, LINE: pl.Int64()})

    def _open_text(self) -> None:
        options = self._options
        text = self._text = TextStream(self._stream, options.encoding, self.name)
        if not text.peek(1):
            raise ValidationError(
                f"{self.name} is empty", hint="even a file without records has a header, or []"
            )
        found = text_format(text, options.format)
        self.resolved = options.resolved(format=found, encoding=text.encoding)
        if found not in {"csv", "psv"}:
            return
        delimiter = "|" if found == "psv" and options.delimiter == "auto" else options.delimiter
        self._delimited = DelimitedText(
            text,
            delimiter=delimiter,
            quote=options.quote,
            chunk_bytes=options.chunk_bytes,
            longest=options.longest,
        )
        layout = self._delimited.layout
        check_expected(layout.columns, options.columns or (), self.name)
        self.schema = pl.Schema(dict.fromkeys(layout.columns, pl.String()))
        self.delimiter = layout.delimiter
        self.resolved = options.resolved(
            format="psv" if layout.delimiter == "|" else "csv",
            delimiter=layout.delimiter,
            encoding=text.encoding,
            quote='"' if layout.quoted else "none",
        )

    def pieces(self, batch_rows: int) -> Iterator[Piece]:
        """All records, in order; the whole content has gone through the tap at the end."""
        if self._delimited is not None:
            return self._delimited.pieces()
        if self._text is None:
            return self._parquet(batch_rows)
        read = json_document if self.resolved["format"] == "json" else json_lines
        return read(
            self._text,
            expected=self._options.columns,
            chunk_bytes=self._options.chunk_bytes,
            longest=self._options.longest,
        )

    def _parquet(self, batch_rows: int) -> Iterator[Piece]:
        if self._path is None:
            with tempfile.TemporaryDirectory(prefix="market-spine-") as folder:
                yield from self._scan(spool(self._stream, folder), batch_rows)
            return
        before = _fingerprint(self._path)
        drain(self._stream)
        yield from self._scan(self._path, batch_rows)
        if _fingerprint(self._path) != before:
            raise SourceError(
                f"{self.name} was changed while it was read",
                hint="read it again once it is complete; write files aside and rename them",
                retryable=True,
            )

    def _scan(self, path: Path, batch_rows: int) -> Iterator[Piece]:
        self.schema = parquet_schema(path, self.name, self._options.columns)
        yield from parquet_pieces(path, self.name, batch_rows)


def _fingerprint(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def same_columns(first: Sequence[str] | None, columns: Sequence[str] | None, name: str) -> None:
    """Raises a ValidationError when a further file does not have the columns of the first."""
    if first is None or columns is None or sorted(first) == sorted(columns):
        return
    missing = [column for column in first if column not in columns]
    unexpected = [column for column in columns if column not in first]
    raise ValidationError(
        f"{name} does not have the columns of the first file: "
        f"missing {', '.join(missing) or 'none'}, unexpected {', '.join(unexpected) or 'none'}",
        hint="read files of different columns separately",
        metadata={"file": name, "missing": missing, "unexpected": unexpected},
    )
