"""The filter strings of lists: comparisons of named fields, joined by AND."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from ....domain.errors import ValidationError
from .resource_names import invalid_field

MOST_BYTES = 2_000
MOST_COMPARISONS = 20
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"\\]|\\["\\])*")
        | (?P<operator>!=|<=|>=|=|<|>)
        | (?P<word>[A-Za-z0-9._/:+-]+)
    )""",
    re.VERBOSE,
)
_EXAMPLE = 'write it like: state = FAILED AND create_time >= "2025-11-10T00:00:00Z"'

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Comparisons:
    """What a filter says: the value for each field and operator."""

    values: Mapping[tuple[str, str], str]

    def equal(self, field: str) -> str | None:
        """The value that the field has to have; None when the filter does not say."""
        return self.values.get((field, "="))

    def below(self, field: str) -> str | None:
        """The value that the field has to be below; None when the filter does not say."""
        return self.values.get((field, "<"))

    def differs(self, field: str, found: str) -> bool:
        """Whether an item with the value ``found`` is not kept."""
        wanted, unwanted = self.values.get((field, "=")), self.values.get((field, "!="))
        return (wanted is not None and found != wanted) or found == unwanted

    def one_of(self, field: str, kind: type[E]) -> E | None:
        """The value as a member of an enum, by its name; raises a ValidationError for none."""
        text = self.equal(field)
        if text is None:
            return None
        try:
            return kind(text)
        except ValueError:
            raise invalid_filter(
                f"filter compares {field} with {text[:100]!r}",
                hint=f"{field} is one of {', '.join(item.value for item in kind)}",
            ) from None

    def moment(self, field: str, operator: str) -> datetime | None:
        """The value as an aware time in UTC; raises a ValidationError for one that is none."""
        text = self.values.get((field, operator))
        if text is None:
            return None
        try:
            found = datetime.fromisoformat(text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError):
            raise invalid_filter(
                f"filter compares {field} with {text[:100]!r}, which is no time",
                hint='write it like "2025-11-10T00:00:00Z"',
            ) from None


def read_filter(text: str, fields: Mapping[str, str]) -> Comparisons:
    """What a filter says; ``fields`` gives the operators of each field, separated by blanks.

    Raises a ValidationError, which names the field ``filter`` of the request, for anything that
    is not a comparison of one of the fields with one of its operators.
    """
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise invalid_filter(
            f"filter is longer than {MOST_BYTES} bytes", hint="leave some comparisons out"
        )
    tokens = _tokens(text)
    values: dict[tuple[str, str], str] = {}
    for number in range(0, len(tokens), 4):
        if number and tokens[number - 1] != ("word", "AND"):
            raise invalid_filter("filter does not join its comparisons by AND", hint=_EXAMPLE)
        if number // 4 == MOST_COMPARISONS:
            raise invalid_filter(
                f"filter has more than {MOST_COMPARISONS} comparisons", hint="leave some out"
            )
        field, operator, value = _comparison(tokens[number : number + 3], fields)
        if (field, operator) in values:
            raise invalid_filter(
                f"filter compares {field} twice with {operator}", hint="say it once"
            )
        values[field, operator] = value
    if tokens and len(tokens) % 4 != 3:  # noqa: PLR2004  # field, operator, value, AND
        raise invalid_filter("filter ends with AND", hint=_EXAMPLE)
    return Comparisons(values)


def invalid_filter(message: str, *, hint: str) -> ValidationError:
    """The error for a filter that cannot be."""
    return invalid_field("filter", message, hint=hint)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise invalid_filter(
                f"filter cannot be read from {text[place : place + 40]!r} on", hint=_EXAMPLE
            )
        kind = str(match.lastgroup)
        value = match[kind]
        if kind == "quoted":
            value = re.sub(r'\\(["\\])', r"\1", value[1:-1])
        found.append((kind, value))
        place = match.end()
    return found


def _comparison(tokens: list[tuple[str, str]], fields: Mapping[str, str]) -> tuple[str, str, str]:
    kinds = [kind for kind, _ in tokens]
    if kinds not in (["word", "operator", "word"], ["word", "operator", "quoted"]):
        raise invalid_filter("filter is not made of comparisons", hint=_EXAMPLE)
    (_, field), (_, operator), (_, value) = tokens
    if field not in fields:
        raise invalid_filter(
            f"filter compares {field[:100]!r}, which is no field of this list",
            hint=f"its fields are {', '.join(fields)}",
        )
    if operator not in fields[field].split():
        raise invalid_filter(
            f"filter compares {field} with {operator}",
            hint=f"{field} is compared with {' or '.join(fields[field].split())}",
        )
    return field, operator, value
