"""Delimited text, chunk by chunk: the fast path where it is proven safe, else the slow one."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from ....domain.errors import ValidationError
from ....ports.sources import LINE, empty_malformed
from .encoding import TextStream
from .layout import Layout, read_layout
from .quoting import quoted_records, still_open
from .reading import line_chunks
from .records import Piece, plain_records, take_apart, trailing_blank
from .regular import parse_regular

_BLANK_ROWS = 100_000
_SLOW_LINES = 500_000


class DelimitedText:
    """One delimited text. The header is read when it is opened, the records by :meth:`pieces`.

    Raises a ValidationError for an empty text and a header that is not one.
    """

    def __init__(
        self, text: TextStream, *, delimiter: str, quote: str, chunk_bytes: int, longest: int
    ) -> None:
        self._text = text
        self._longest = longest
        self._chunks = line_chunks(text, text.name, chunk_bytes, longest)
        first = next(self._chunks, None)
        if first is None:
            raise ValidationError(
                f"{text.name} is empty", hint="a file without records still has its header line"
            )
        cut = first.find(b"\n") + 1 or len(first)
        header = text.decode(first[:cut]).removesuffix("\n").removesuffix("\r")
        self._first = first[cut:]
        self.layout: Layout = read_layout(
            header, text.name, delimiter=delimiter, quote=quote, encoding=text.encoding
        )

    def pieces(self) -> Iterator[Piece]:
        """The records, each of them once, in the order of their lines; the header is line 1.

        A record in whose middle the text ends is malformed, its reason is CUT_OFF: the last one
        where no line end follows and fields are missing, and one whose quoted field is still open
        in the last line, or in an earlier one of a text without a line end. A complete record needs
        no line end.
        """
        parser = _Parser(self.layout, self._text, self._longest)
        if self._first:
            yield from parser.feed(self._first)
        for chunk in self._chunks:
            yield from parser.feed(chunk)
        yield from parser.finish()


def _blank(chunk: bytes) -> bool:
    """Whether there are only empty lines; of any other chunk one byte is looked at."""
    return chunk[:1] in (b"", b"\r", b"\n") and not chunk.replace(b"\r\n", b"\n").strip(b"\n")


class _Parser:
    """Takes chunks apart, carrying over an open quoted record and blank lines, maybe the last."""

    def __init__(self, layout: Layout, text: TextStream, longest: int) -> None:
        self._layout = layout
        self._text = text
        self._longest = longest
        self._line = 2
        self._open = ""
        self._blank = 0

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        if not self._open and _blank(chunk):
            self._hold_blank(chunk.count(b"\n"))
            return
        frame = None if self._open else parse_regular(chunk, self._layout)
        if frame is not None:
            yield from self._regular(frame)
            return
        for part in _parts(chunk):
            yield from self._slowly(self._open + self._text.decode(part), last=False)

    def finish(self) -> Iterator[Piece]:
        if self._open:
            yield from self._slowly(self._open, last=True)

    def _regular(self, frame: pl.DataFrame) -> Iterator[Piece]:
        height = frame.height
        if self._layout.width == 1:
            filled = frame.to_series().is_not_null().arg_true()
            frame = frame.head(int(filled[-1]) + 1 if len(filled) else 0)
        if frame.height:
            yield from self._held_blank()
            line = pl.int_range(self._line, self._line + frame.height, dtype=pl.Int64, eager=True)
            yield Piece(frame.with_columns(line.alias(LINE)), empty_malformed())
        self._line += frame.height
        self._hold_blank(height - frame.height)

    def _slowly(self, text: str, *, last: bool) -> Iterator[Piece]:
        if self._layout.quoted:
            records, rest = quoted_records(
                text, self._line, self._layout, last=last, longest=self._longest
            )
        else:
            records, rest = plain_records(text, self._line), ""
        blank = 0 if rest else trailing_blank(records)
        records = records.head(records.height - blank)
        unended = not rest and not text.endswith("\n")
        lines = text.count("\n") - rest.count("\n") + unended
        if records.height:
            yield from self._held_blank()
            # A quote that is still open at the end may be a stray one where whole lines follow it.
            cut_first = last and (unended or records.height == 1) and still_open(text, self._layout)
            yield take_apart(records, self._layout, unended=unended, cut_first=cut_first)
        elif rest:
            yield from self._held_blank()
        self._line += lines - blank
        self._open = rest
        self._hold_blank(blank)

    def _hold_blank(self, count: int) -> None:
        self._blank += count
        self._line += count

    def _held_blank(self) -> Iterator[Piece]:
        """Blank lines held back turn out to stand before a record: they are records as well."""
        first = self._line - self._blank
        for start in range(first, self._line, _BLANK_ROWS):
            stop = min(start + _BLANK_ROWS, self._line)
            blank = pl.select(
                pl.int_range(start, stop, dtype=pl.Int64).alias("line"),
                raw=pl.lit(""),
                broken=pl.lit(value=False),
            )
            yield take_apart(blank, self._layout)
        self._blank = 0


def _parts(chunk: bytes) -> Iterator[bytes]:
    """The chunk in parts of not too many lines: very short ones take far more memory than text."""
    if chunk.count(b"\n") <= _SLOW_LINES:
        yield chunk
        return
    cut = chunk.find(b"\n", len(chunk) // 2) + 1 or chunk.rfind(b"\n") + 1
    yield from _parts(chunk[:cut])
    yield from _parts(chunk[cut:])
