"""What is asked of a database, as the user gave it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....domain.errors import ValidationError
from .query import Query, Syntax, parse_query

_PART = r'(?:"(?:[^"\0]|"")+"|[^".\0]+)'
_NAME = re.compile(rf"(?:({_PART})\.)?({_PART})")


@dataclass(frozen=True, slots=True)
class Request:
    """One query or one table, read whole or by pages of ``key``; ``timeout`` is in seconds."""

    query: str | None
    table: tuple[str, ...]
    parameters: Mapping[str, Any]
    key: tuple[str, ...]
    timeout: float | None

    @property
    def origin(self) -> str:
        """The name of what is read, for people."""
        return ".".join(self.table) or "query"

    def parsed(self, syntax: Syntax) -> Query:
        """The statement to run; raises a ValidationError where it is not one that only reads."""
        if self.query is None:
            name = ".".join(quoted(syntax.stored_name(part)) for part in self.table)
            text = f"SELECT * FROM {name}"  # noqa: S608  # every part is quoted
            return Query((text,), (), text)
        query = parse_query(self.query, syntax)
        _check_names(set(query.names), set(self.parameters))
        return query


def request(
    query: str | None,
    table: str | None,
    parameters: Mapping[str, Any] | None,
    key: Sequence[str] | None,
    timeout: float | None,
) -> Request:
    """The request, its options held against each other; raises a ValidationError."""
    require_type("query", query, str, "text")
    require_type("table", table, str, "text")
    require_type("parameters", parameters, Mapping, "a mapping of names to values")
    require_type("timeout", timeout, (int, float), "a number of seconds")
    if (query is None) == (table is None):
        raise ValidationError(
            "a database source reads a query or a table, one of both",
            hint="give query=SELECT ... or table=NAME",
        )
    if parameters and query is None:
        raise ValidationError(
            "parameters belong to a query, and a table was given",
            hint="give query=SELECT ... WHERE ... with :name for each parameter",
        )
    if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
        raise ValidationError(f"timeout is {timeout}", hint="give seconds above 0")
    names = _key_columns(key)
    if key is not None and (not names or not all(names) or len(set(names)) < len(names)):
        raise ValidationError(
            f"{list(names)} is no key", hint="give the columns that tell rows apart, each once"
        )
    parts = () if table is None else _table_name(table)
    return Request(query, parts, dict(parameters or {}), names, timeout)


def require_type(name: str, value: object, wanted: type | tuple[type, ...], said: str) -> None:
    """Raise a ValidationError unless ``value`` is None or of a wanted type."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, wanted)):
        raise ValidationError(f"{name} is a {type(value).__name__}", hint=f"give {name} as {said}")


def _key_columns(key: Sequence[str] | None) -> tuple[str, ...]:
    require_type("key", key, (str, Sequence), "a list of names of columns")
    names = () if key is None else (key,) if isinstance(key, str) else tuple(key)
    for name in names:
        require_type("key", name, str, "a list of names of columns")
    return names


def quoted(name: str) -> str:
    """The identifier ``name`` in SQL, whatever it consists of."""
    if not name or "\0" in name:
        raise ValidationError(f"{name!r} cannot name a table or a column")
    return '"' + name.replace('"', '""') + '"'


def _table_name(table: str) -> tuple[str, ...]:
    """The parts of ``schema.table``; a part may stand in double quotes."""
    match = _NAME.fullmatch(table)
    if match is None:
        raise ValidationError(
            f"{table!r} does not name a table",
            hint='give NAME or SCHEMA.NAME; a name with a dot in it stands in double quotes: "a.b"',
        )
    return tuple(
        part[1:-1].replace('""', '"') if part.startswith('"') else part
        for part in match.groups()
        if part is not None
    )


def _check_names(wanted: set[str], given: set[str]) -> None:
    if missing := sorted(wanted - given):
        raise ValidationError(
            f"the query needs values for the parameters {', '.join(missing)}",
            hint="give them as parameters={name: value}",
        )
    if unused := sorted(given - wanted):
        raise ValidationError(
            f"the query does not use the parameters {', '.join(unused)}",
            hint="write each as :name in the query, outside of quotes, or leave it away",
        )
