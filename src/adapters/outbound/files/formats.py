"""Which format a content has: told by the content, by the name only where that leaves it open."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Literal, get_args

from ....domain.errors import ValidationError
from .encoding import TextStream
from .parquet import MAGIC
from .reading import Lookahead

Format = Literal["auto", "csv", "psv", "json", "jsonl", "parquet"]

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".psv": "psv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_LOOK = 1 << 16
_OBJECT = re.compile(r'\s*\{\s*["}]')
_ARRAY = re.compile(r"\s*\[\s*[{\]]")


def check_format(wanted: str) -> None:
    """Raises a ValidationError for a format that there is not."""
    if wanted not in get_args(Format):
        raise ValidationError(
            f"there is no file format named {wanted!r}",
            hint=f"one of {', '.join(get_args(Format))}",
        )


def is_parquet(content: Lookahead, wanted: Format) -> bool:
    """Whether the content is to be read as Parquet."""
    return wanted == "parquet" or (wanted == "auto" and content.peek(len(MAGIC)) == MAGIC)


def text_format(text: TextStream, wanted: Format) -> Format:
    """``wanted``, or what the text looks like: json, jsonl, psv (by its name) or csv."""
    if wanted != "auto":
        return wanted
    named = _SUFFIXES.get(_suffix(text.name), "csv")
    head = text.decode(text.peek(_LOOK))
    if _ARRAY.match(head):
        return "json"
    if _OBJECT.match(head):
        return named if named in {"json", "jsonl"} else _object_or_lines(head)
    return named


def _object_or_lines(head: str) -> Format:
    first, _, rest = head.strip().partition("\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return "json"
    return "jsonl" if rest else "json"


def _suffix(name: str) -> str:
    path = PurePath(name.lower())
    while path.suffix in {".gz", ".zst", ".zstd", ".zip"}:
        path = path.with_suffix("")
    return path.suffix
