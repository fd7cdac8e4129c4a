"""Files as one source of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import polars as pl

from ....domain.errors import SourceError, ValidationError
from ....ports.sources import (
    SourceBatch,
    SourceDescription,
    SourceResult,
    Tap,
    TapMeter,
    empty_malformed,
    register_source,
)
from .batching import regroup, stacked
from .compression import members
from .content import Content, ReadOptions, same_columns
from .encoding import python_codec
from .failures import unreadable
from .formats import Format, check_format
from .layout import QUOTE, check_delimiter
from .locating import Location, as_locations, find_files, shown_name

_FETCH_ROWS = 1_000_000


def _utc_now() -> datetime:
    return datetime.now(UTC)


@register_source("file")
class FileSource:
    """Files of delimited text, JSON, JSON Lines or Parquet, plain or in gzip, zstd or zip.

    ``path`` is a file, a glob pattern or a list of both; ``content`` reads a binary stream
    instead, under ``name``. Compression is told by the first bytes. ``format``, ``delimiter``
    and ``encoding`` are found where they are ``auto``: the encoding by its byte order mark, else
    it is UTF-8 and no other is guessed. ``quote`` is ``auto`` (none for ``|``, else ``"``),
    ``none`` or ``"``. ``columns`` are names the header must have; it may have more.

    Raises a ValidationError for options that contradict themselves, before anything is opened.
    """

    def __init__(
        self,
        path: Location | Sequence[Location] | None = None,
        *,
        content: BinaryIO | None = None,
        name: str | None = None,
        format: Format = "auto",
        delimiter: str = "auto",
        encoding: str = "auto",
        quote: Literal["auto", "none", '"'] = "auto",
        columns: Sequence[str] | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        check_format(format)
        check_delimiter(delimiter)
        if encoding != "auto":
            python_codec(encoding)
        if quote not in {"auto", "none", QUOTE}:
            raise ValidationError(f"{quote!r} cannot be a quote", hint='give auto, none or "')
        if content is not None and path is not None:
            raise ValidationError("a file source reads a path or a content, not both")
        self._locations = as_locations(path) if content is None else ()
        self._content = content
        self._start = content.tell() if content is not None and content.seekable() else None
        self._used = False
        self._name = name or (shown_name(self._locations) if self._locations else "content")
        self._options = ReadOptions(
            format, delimiter, encoding, quote, tuple(columns) if columns is not None else None
        )
        self._clock = clock
        self._resolved: dict[str, Any] | None = None

    @property
    def resolved_options(self) -> dict[str, Any] | None:
        """The options found on reading, JSON-ready: with them the tapped bytes read the same.

        ``FileSource(content=..., name=..., **resolved_options)``. None before a content was
        opened, and where several contents, each with its own header, went through one tap.
        """
        return self._resolved

    def describe(self) -> SourceDescription:
        options = self._options.resolved()
        if self._locations:
            options["path"] = list(self._locations)
        if self._options.columns is not None:
            options["columns"] = list(self._options.columns)
        return SourceDescription("file", self._name, options)

    def validate(self) -> None:
        """Open every file, read its header and check the columns."""
        if self._content is not None and self._start is None:
            return
        for _ in self._contents(None):
            pass

    def stream(self, *, batch_rows: int = 100_000, tap: Tap | None = None) -> Iterator[SourceBatch]:
        if batch_rows < 1:
            raise ValidationError(f"batch_rows is {batch_rows}", hint="give at least 1")
        return self._batches(batch_rows, tap, lambda _: None)

    def fetch(self, *, tap: Tap | None = None) -> SourceResult:
        meter = TapMeter(tap)
        fetched_at = self._clock()
        empty: list[pl.DataFrame] = []
        batches = list(self._batches(_FETCH_ROWS, meter, empty.append))
        frames = [*empty, *(batch.frame for batch in batches)]
        frame = stacked(frames)
        malformed = pl.concat([empty_malformed(), *(batch.malformed for batch in batches)])
        return SourceResult(
            type="file",
            name=self._name,
            fetched_at=fetched_at,
            rows=frame.height + malformed.height,
            bytes=meter.bytes,
            digest=meter.digest,
            frame=frame,
            malformed=malformed,
            delimiter=batches[0].delimiter if batches else None,
        )

    def _batches(
        self, batch_rows: int, tap: Tap | None, opened: Callable[[pl.DataFrame], None]
    ) -> Iterator[SourceBatch]:
        for content in self._contents(tap):
            opened(content.empty())
            for frame, malformed in regroup(content.pieces(batch_rows), batch_rows):
                yield SourceBatch(frame, malformed, content.name, content.delimiter)

    def _contents(self, tap: Tap | None) -> Iterator[Content]:
        """Every content, opened, its columns held against those of the first."""
        first: Content | None = None
        self._resolved = None
        for stream, path, name, alone in self._streams():
            with members(stream, name) as found:
                for member in found:
                    content = Content(member, self._options, path=path, tap=tap)
                    if first is not None:
                        same_columns(first.columns, content.columns, content.name)
                    first = first or content
                    if alone and len(found) == 1:
                        self._resolved = content.resolved
                    yield content

    def _streams(self) -> Iterator[tuple[BinaryIO, Path | None, str, bool]]:
        """Each file opened: stream, path, name, and whether it is the only one."""
        if self._content is not None:
            yield self._rewound(self._content), None, self._name, True
            return
        files = find_files(self._locations)
        for path in files:
            try:
                stream = path.open("rb", buffering=0)
            except OSError as error:
                raise unreadable(error, str(path)) from error
            with stream:
                yield cast("BinaryIO", stream), path, path.name, len(files) == 1

    def _rewound(self, content: BinaryIO) -> BinaryIO:
        if self._start is not None:
            content.seek(self._start)
        elif self._used:
            raise SourceError(
                f"{self._name} was read before and cannot be read twice",
                hint="open the content again for another source",
            )
        self._used = True
        return content
