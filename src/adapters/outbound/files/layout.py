"""The header of delimited text: which columns there are, and what separates and quotes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ....domain.errors import ValidationError
from ....ports.sources import LINE
from .encoding import NUL, UNDECODABLE
from .failures import undecodable_hint

QUOTE = '"'
_CANDIDATES = "|,\t;"
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_FORBIDDEN = frozenset('\r\n\0"\\')


@dataclass(frozen=True, slots=True)
class Layout:
    """How the records of one delimited text are taken apart."""

    columns: tuple[str, ...]
    delimiter: str
    quoted: bool
    encoding: str = "utf-8"

    @property
    def width(self) -> int:
        return len(self.columns)


def check_delimiter(delimiter: str) -> None:
    """Raises a ValidationError unless it is ``auto`` or one character that can separate fields."""
    if delimiter == "auto":
        return
    one = len(delimiter) == 1 and delimiter.isascii()
    if not one or delimiter.isalnum() or delimiter in _FORBIDDEN:
        raise ValidationError(
            f"{delimiter!r} cannot be a delimiter",
            hint="give one ASCII character that is no letter, digit, quote, backslash or line end",
        )


def read_layout(header: str, name: str, *, delimiter: str, quote: str, encoding: str) -> Layout:
    """The layout that the header line (without its line end) declares.

    Raises a ValidationError for a header that is blank, unreadable, or names a column twice.
    """
    _check_text(header, name, encoding)
    if "\r" in header:
        raise ValidationError(
            f"the header of {name} holds a carriage return: its lines seem to end in one alone",
            hint="convert the line ends to LF or CRLF",
        )
    if delimiter == "auto":
        delimiter = _find_delimiter(header)
    _check_printable(header.replace(delimiter, ""), name)
    quoted = quote == QUOTE or (quote == "auto" and delimiter != "|")
    columns = _unquote(header, delimiter, name) if quoted else header.split(delimiter)
    check_names(columns, name)
    return Layout(tuple(columns), delimiter, quoted, encoding)


def check_names(columns: Sequence[str], name: str) -> None:
    """Raises a ValidationError that lists the columns without a name, and those of equal name."""
    blank = [str(place) for place, column in enumerate(columns, 1) if not column.strip()]
    if blank:
        raise ValidationError(
            f"the header of {name} has no name for column {', '.join(blank)} of {len(columns)}",
            hint="check the delimiter, and that the first line is the header",
        )
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise ValidationError(
            f"the header of {name} names a column twice: {', '.join(twice)}",
            hint="check that the first line is the header; rename one of the columns",
        )
    check_reserved(columns, name)


def check_reserved(columns: Sequence[str], name: str) -> None:
    """Raises a ValidationError when a column has the name of the line number."""
    if LINE in columns:
        raise ValidationError(
            f"{name} has a column named {LINE}, which stands for the position of a record",
            hint="rename the column",
        )


def check_expected(columns: Sequence[str], expected: Sequence[str], name: str) -> None:
    """Raises a ValidationError when one of the ``expected`` columns is missing."""
    missing = [column for column in expected if column not in columns]
    if not missing:
        return
    unexpected = [column for column in columns if column not in expected]
    also = f"; unexpected: {', '.join(unexpected)}" if unexpected else ""
    raise ValidationError(
        f"the header of {name} lacks {', '.join(missing)}{also}",
        hint="check that the first line is the header, and the delimiter",
        metadata={"file": name, "missing": missing, "unexpected": unexpected},
    )


def _check_text(header: str, name: str, encoding: str) -> None:
    if not header:
        raise ValidationError(
            f"the first line of {name} is blank", hint="the first line has to be the header"
        )
    if NUL in header:
        raise ValidationError(
            f"the header of {name} has NUL bytes",
            hint="it may be UTF-16 without a byte order mark: try encoding=utf-16-le",
        )
    if UNDECODABLE in header:
        raise ValidationError(
            f"the header of {name} cannot be decoded", hint=undecodable_hint(encoding)
        )


def _check_printable(text: str, name: str) -> None:
    if _CONTROL.search(text):
        raise ValidationError(
            f"the header of {name} has control characters",
            hint="check that it is a text file, and whole; a delimiter may be given",
        )


def _find_delimiter(header: str) -> str:
    outside = re.sub(r'"[^"]*"', "", header)
    return max(_CANDIDATES, key=outside.count) if outside else ","


def _unquote(header: str, delimiter: str, name: str) -> list[str]:
    field = rf'{re.escape(delimiter)}("(?:[^"]|"")*"|[^"{re.escape(delimiter)}]*)'
    record = delimiter + header
    if re.fullmatch(f"(?:{field})+", record) is None:
        raise ValidationError(
            f"the header of {name} is not quoted properly",
            hint="close every quote on the first line, or read with quote=none",
        )
    found = re.findall(field, record)
    return [
        column[1:-1].replace('""', '"') if column.startswith(QUOTE) else column for column in found
    ]
