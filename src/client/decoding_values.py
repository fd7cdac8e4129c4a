"""What all messages are made of, as Python has it: values, times, names and words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, cast

from google.protobuf import duration_pb2
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message

from ..domain.errors import ConfigurationError
from ..v1 import value_pb2

E = TypeVar("E", bound=StrEnum)

_NANOS = 1_000_000_000


def value_of(message: value_pb2.Value) -> Any:
    """The JSON value of a message; None where it holds nothing.

    Maps are ordered by name: the order in which they arrive means nothing.
    """
    match message.WhichOneof("kind"):
        case "bool_value":
            return message.bool_value
        case "int64_value":
            return message.int64_value
        case "double_value":
            return message.double_value
        case "string_value":
            return message.string_value
        case "list_value":
            return [value_of(item) for item in message.list_value.values]
        case "map_value":
            return values_of(message.map_value.values)
        case "decimal_value":
            return Decimal(message.decimal_value.value)
        case _:
            return None


def values_of(messages: Mapping[str, value_pb2.Value]) -> dict[str, Any]:
    """Values by name, ordered by name."""
    return {name: value_of(messages[name]) for name in sorted(messages)}


def moment(message: Message, field: str) -> datetime | None:
    """The time in a field, in UTC; None where it is absent."""
    found: datetime | None = None
    if message.HasField(field):
        found = getattr(message, field).ToDatetime(tzinfo=UTC)
    return found


def set_moment(message: Message, field: str) -> datetime:
    """The time in a field that is always set."""
    found: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    return found


def day(message: Message, field: str) -> date | None:
    """The date in a field; None where it is absent."""
    return set_day(message, field) if message.HasField(field) else None


def set_day(message: Message, field: str) -> date:
    """The date in a field that is always set."""
    found = getattr(message, field)
    return date(found.year, found.month, found.day)


def seconds(message: Message, field: str) -> float | None:
    """The seconds in a field; None where it is absent."""
    return set_seconds(message, field) if message.HasField(field) else None


def set_seconds(message: Message, field: str) -> float:
    """The seconds in a field that is always set.

    The number nearest to its decimal digits: what was 1.1 before is 1.1 again.
    """
    found: duration_pb2.Duration = getattr(message, field)
    return (found.seconds * _NANOS + found.nanos) / _NANOS


def last_part(name: str) -> str:
    """The id in the name of a resource: ``runs/5f3a`` is 5f3a."""
    return name.rpartition("/")[2]


def optional_id(name: str) -> str | None:
    """The id in the name of a resource; None where there is no name."""
    return last_part(name) if name else None


def word(kind: type[E], message: Message, field: str) -> E:
    """The member of ``kind`` that an enumeration's field says.

    Raises a ConfigurationError for one that this version does not know.
    """
    found = optional_word(kind, message, field)
    if found is None:
        raise _unknown(message, field, getattr(message, field))
    return found


def optional_word(kind: type[E], message: Message, field: str) -> E | None:
    """The member of ``kind`` that a field says; None where it says none that is known."""
    return _members(kind, _enumeration(message, field)).get(getattr(message, field))


def words(kind: type[E], message: Message, field: str) -> tuple[E, ...]:
    """The members of ``kind`` in a repeated field, as :func:`word` reads each."""
    members = _members(kind, _enumeration(message, field))
    numbers = list(getattr(message, field))
    for number in numbers:
        if number not in members:
            raise _unknown(message, field, number)
    return tuple(members[number] for number in numbers)


def known_words(kind: type[E], message: Message, field: str) -> tuple[E, ...]:
    """The members of ``kind`` in a repeated field; those that are not known are left out."""
    members = _members(kind, _enumeration(message, field))
    return tuple(members[number] for number in getattr(message, field) if number in members)


def _enumeration(message: Message, field: str) -> EnumDescriptor:
    found: Any = message.DESCRIPTOR.fields_by_name[field].enum_type
    return cast("EnumDescriptor", found)


@cache
def _members(kind: type[E], enumeration: EnumDescriptor) -> dict[int, E]:
    """By number; the names of an enumeration begin with that of the enumeration itself."""
    prefix = enumeration.values_by_number[0].name.removesuffix("UNSPECIFIED")
    known = {item.value for item in kind}
    named = {value.number: value.name.removeprefix(prefix) for value in enumeration.values}
    return {number: kind(name) for number, name in named.items() if name in known}


def _unknown(message: Message, field: str, number: int) -> ConfigurationError:
    return ConfigurationError(
        f"the server says {number} for {message.DESCRIPTOR.name}.{field}, which this version of "
        "the client does not know",
        hint="use a client of the server's version",
    )
