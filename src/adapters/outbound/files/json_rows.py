"""JSON objects as rows of text: numbers exactly as written, nested values as JSON again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from ....ports.sources import LINE, MALFORMED_SCHEMA
from .encoding import UNDECODABLE
from .records import Piece


class Number(str):
    """The text of a JSON number, told apart from a JSON string."""

    __slots__ = ()


_TEXT = frozenset({str, Number, type(None)})


class DuplicateKeyError(ValueError):
    """An object names a key twice: taking either value would lose the other."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise DuplicateKeyError(f"the key {twice!r} stands twice in one object")
    return found


DECODER = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=_unique
)


@dataclass(slots=True)
class JsonRows:
    """Gathers records until they are taken as one :class:`Piece`.

    Columns stand in the order in which their keys first appeared; a missing key is null. A key
    that appears late is a column from that piece on.
    """

    columns: dict[str, None] = field(default_factory=dict)
    _rows: list[dict[str, str | None]] = field(default_factory=list)
    _lines: list[int] = field(default_factory=list)
    _bad: list[tuple[int, str, str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._rows) + len(self._bad)

    def add(self, line: int, value: Any, raw: str) -> None:
        """The record at ``line``; ``raw`` is its text, kept if it is no record."""
        if not isinstance(value, dict):
            self.reject(line, "BAD_JSON", f"expected an object, found {_kind(value)}", raw)
        elif LINE in value:
            self.reject(line, "BAD_JSON", f"the key {LINE} is reserved for the position", raw)
        else:
            try:
                row = value if _is_text(value) else {k: _text(v) for k, v in value.items()}
                if "\\u" in raw:
                    json.dumps(row, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                self.reject(line, "BAD_ENCODING", "it has half of a surrogate pair", raw)
            except RecursionError:
                self.reject(line, "BAD_JSON", "it is nested too deeply", raw)
            else:
                self._rows.append(row)
                self._lines.append(line)
                if row.keys() != self.columns.keys():
                    self.columns.update(dict.fromkeys(row))

    def reject(self, line: int, reason: str, detail: str, raw: str) -> None:
        clean = raw.replace(UNDECODABLE, "").encode("utf-8", "backslashreplace").decode()
        self._bad.append((line, reason, detail, clean))

    def take(self) -> Piece:
        """All that was gathered; the next piece starts empty."""
        columns: dict[str, Any] = {
            name: pl.Series(name, [row.get(name) for row in self._rows], dtype=pl.String)
            for name in self.columns
        }
        columns[LINE] = pl.Series(LINE, self._lines, dtype=pl.Int64)
        bad = pl.DataFrame(self._bad, schema=MALFORMED_SCHEMA, orient="row")
        self._rows, self._lines, self._bad = [], [], []
        return Piece(pl.DataFrame(columns), bad)


def _is_text(record: dict[str, Any]) -> bool:
    return _TEXT.issuperset(map(type, record.values()))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return _encode(value)


def _encode(value: Any) -> str:
    """JSON text of a decoded value, its numbers as they were written."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_encode(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_encode, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    if isinstance(value, Number):
        return f"the number {value}"
    if value is None or isinstance(value, bool):
        return str(_text(value) or "null")
    return "an array" if isinstance(value, list) else "a string"


def json_columns(expected: Sequence[str] | None) -> JsonRows:
    """An empty gathering that starts with the ``expected`` columns."""
    return JsonRows(dict.fromkeys(expected or ()))
