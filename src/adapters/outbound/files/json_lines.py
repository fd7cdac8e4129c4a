"""JSON Lines: one object a line, a line that is none is malformed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .encoding import NUL, UNDECODABLE, TextStream
from .failures import undecodable_hint
from .json_rows import DECODER, DuplicateKeyError, JsonRows, json_columns
from .reading import line_chunks
from .records import Piece

_ROWS = 20_000


def json_lines(
    text: TextStream, *, expected: Sequence[str] | None, chunk_bytes: int, longest: int
) -> Iterator[Piece]:
    """The records with LINE counted from 1. Blank lines are ignored at the end only."""
    rows = json_columns(expected)
    line = 0
    blank = range(0)
    for chunk in line_chunks(text, text.name, chunk_bytes, longest):
        for raw in text.decode(chunk).removesuffix("\n").split("\n"):
            line += 1
            if not raw.strip(" \t\r"):
                blank = range(blank.start if blank else line, line + 1)
                continue
            for skipped in blank:
                rows.reject(skipped, "BAD_JSON", "expected an object, found a blank line", "")
                if len(rows) >= _ROWS:
                    yield rows.take()
            blank = range(0)
            _add(rows, line, raw)
            if len(rows) >= _ROWS:
                yield rows.take()
    if len(rows):
        yield rows.take()


def _add(rows: JsonRows, line: int, raw: str) -> None:
    if NUL in raw:
        rows.reject(line, "NUL_BYTE", "a NUL byte cannot stand in text", raw)
    elif UNDECODABLE in raw:
        rows.reject(line, "BAD_ENCODING", undecodable_hint("UTF-8"), raw)
    else:
        try:
            value: Any = DECODER.decode(raw)
        except json.JSONDecodeError as error:
            rows.reject(line, "BAD_JSON", f"{error.msg} at character {error.pos + 1}", raw)
        except DuplicateKeyError as error:
            rows.reject(line, "BAD_JSON", str(error), raw)
        except RecursionError:
            rows.reject(line, "BAD_JSON", "it is nested too deeply", raw)
        else:
            rows.add(line, value, raw)
