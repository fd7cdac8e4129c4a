"""A query taken apart as far as it has to be: where it ends, how it begins, its parameters.

This is for good messages and for putting the parameters in their places. That nothing is written
is enforced by the database itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ....domain.errors import ValidationError

_READS = ("SELECT", "WITH", "VALUES")
_SHOWN = 60


def _as_written(name: str) -> str:
    return name


@dataclass(frozen=True, slots=True)
class Syntax:
    """What differs between databases in the small print of SQL.

    ``quotes`` is a pattern of further quoted things, ``nested`` says whether comments nest,
    ``stored_name`` gives the name under which a table stands in the catalogue, ``further`` are
    words that begin a query beside the usual ones.
    """

    quotes: str | None = None
    nested: bool = True
    further: tuple[str, ...] = ()
    stored_name: Callable[[str], str] = _as_written

    @property
    def begins(self) -> tuple[str, ...]:
        return (*_READS, *self.further)


@dataclass(frozen=True, slots=True)
class Query:
    """One statement: ``pieces`` of text with a parameter of ``names`` between each two.

    ``bare`` is the text without what stands in quotes and comments.
    """

    pieces: tuple[str, ...]
    names: tuple[str, ...]
    bare: str

    def render(self, mark: Callable[[str], str]) -> str:
        """The text with ``mark(name)`` in the place of every parameter."""
        marks = [mark(name) for name in self.names]
        return "".join(
            part for pair in zip(self.pieces, [*marks, ""], strict=True) for part in pair
        )


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


_TOKENS = r"""
    (?P<string>'(?:[^']|'')*' | "(?:[^"]|"")*")
  | (?P<line>--[^\r\n]*)
  | (?P<block>/\*)
  | (?P<cast>::|:=)
  | (?<![:\w]):(?P<name>[^\W\d]\w*)
  | (?P<end>;)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<other>\s+|.)
"""


def parse_query(text: str, syntax: Syntax) -> Query:
    """The one statement that ``text`` holds, without the semicolon that may end it.

    Raises a ValidationError for a text without a statement, with a second one, or with one that
    does anything but read.
    """
    pieces: list[str] = []
    names: list[str] = []
    bare: list[str] = []
    start, end, behind = 0, len(text), len(text)
    for token in _tokens(text, syntax):
        if token.kind == "end":
            end, behind = token.start, token.end
            break
        if token.kind == "name":
            pieces.append(text[start : token.start])
            names.append(token.text[1:])
            start = token.end
        bare.append(" " if token.kind in {"string", "quotes", "line", "block"} else token.text)
    pieces.append(text[start:end])
    query = Query(tuple(pieces), tuple(names), "".join(bare))
    _check_beginning(query, syntax)
    _check_nothing_follows(text, behind, syntax)
    return query


def _check_beginning(query: Query, syntax: Syntax) -> None:
    first = re.search(r"[^\s(]+", query.bare)
    word = re.match(r"\w*", first[0] if first else "")
    begins = word[0].upper() if word else ""
    if begins not in syntax.begins:
        shown = begins or (first[0] if first else "an empty query")
        raise ValidationError(
            f"{shown} is refused: a database source only reads",
            hint=f"begin the query with {' or '.join(syntax.begins)}",
        )


def _check_nothing_follows(text: str, position: int, syntax: Syntax) -> None:
    for token in _tokens(text, syntax, position):
        if token.kind in {"line", "block", "end"} or token.text.isspace():
            continue
        rest = " ".join(text[token.start :].split())
        shown = rest if len(rest) <= _SHOWN else rest[:_SHOWN] + "..."
        raise ValidationError(
            f"a second statement is refused: {shown}",
            hint="give one query; use a source of its own for another",
        )


def _tokens(text: str, syntax: Syntax, position: int = 0) -> Iterator[_Token]:
    quotes = f"(?P<quotes>{syntax.quotes}) |" if syntax.quotes else ""
    pattern = re.compile(quotes + _TOKENS, re.VERBOSE | re.DOTALL)
    while match := pattern.match(text, position):
        kind, end = match.lastgroup or "other", match.end()
        if kind == "block":
            end = _end_of_comment(text, match.end(), nested=syntax.nested)
        elif kind not in _KINDS:
            kind = "quotes"  # a group of the further quotes' own
        yield _Token(kind, text[position:end], position, end)
        position = end


_KINDS = {"string", "line", "block", "cast", "name", "end", "word", "other"}


def _end_of_comment(text: str, position: int, *, nested: bool) -> int:
    depth = 1
    for mark in re.compile(r"/\*|\*/").finditer(text, position):
        if mark[0] == "*/":
            depth -= 1
        elif nested:
            depth += 1
        if not depth:
            return mark.end()
    return len(text)
