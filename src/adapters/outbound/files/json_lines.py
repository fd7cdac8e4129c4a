"""JSON Lines: one object a line, a line that is none is malformed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .encoding import NUL, UNDECODABLE, TextStream
from .failures import undecodable_hint
from .json_rows import DECODER, DuplicateKeyError, JsonRows, json_columns
from .reading import line_chunks
from .records import CUT_OFF, CUT_OFF_DETAIL, Piece

_ROWS = 20_000


def json_lines(
    text: TextStream, *, expected: Sequence[str] | None, chunk_bytes: int, longest: int
) -> Iterator[Piece]:
    """The records with LINE counted from 1. Blank lines are ignored at the end only.

    A last line without its end that is no JSON is malformed, its reason is CUT_OFF.
    """
    rows = json_columns(expected)
    line = 0
    blank = range(0)
    for chunk in line_chunks(text, text.name, chunk_bytes, longest):
        lines = text.decode(chunk).split("\n")
        unended = line + len(lines) if lines[-1] else None
        for raw in lines if unended else lines[:-1]:
            line += 1
            if not raw.strip(" \t\r"):
                blank = range(blank.start if blank else line, line + 1)
                continue
            for skipped in blank:
                rows.reject(skipped, "BAD_JSON", "expected an object, found a blank line", "")
                if len(rows) >= _ROWS:
                    yield rows.take()
            blank = range(0)
            _add(rows, line, raw, ended=line != unended)
            if len(rows) >= _ROWS:
                yield rows.take()
    if len(rows):
        yield rows.take()


def _add(rows: JsonRows, line: int, raw: str, *, ended: bool) -> None:
    # A cut may go through a character, which then cannot be decoded.
    if not ended and UNDECODABLE in raw and not raw.rstrip(" \t\r").endswith("}"):
        rows.reject(line, CUT_OFF, CUT_OFF_DETAIL, raw)
    elif NUL in raw:
        rows.reject(line, "NUL_BYTE", "a NUL byte cannot stand in text", raw)
    elif UNDECODABLE in raw:
        rows.reject(line, "BAD_ENCODING", undecodable_hint("UTF-8"), raw)
    else:
        try:
            value: Any = DECODER.decode(raw)
        except json.JSONDecodeError as error:
            if ended:
                rows.reject(line, "BAD_JSON", f"{error.msg} at character {error.pos + 1}", raw)
            else:
                rows.reject(line, CUT_OFF, CUT_OFF_DETAIL, raw)
        except DuplicateKeyError as error:
            rows.reject(line, "BAD_JSON", str(error), raw)
        except RecursionError:
            rows.reject(line, "BAD_JSON", "it is nested too deeply", raw)
        else:
            rows.add(line, value, raw)
