"""What is asked of a server, as messages: parameters, times, names, filters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2
from google.type import date_pb2, decimal_pb2  # type: ignore[import-untyped]  # ships no py.typed

from ..domain.errors import ValidationError
from ..domain.parameters import plain
from ..v1 import value_pb2

_INT64 = range(-(2**63), 2**63)


def value_messages(values: Mapping[str, Any]) -> dict[str, value_pb2.Value]:
    """Values by name."""
    return {str(name): value_message(item) for name, item in values.items()}


def value_message(value: Any) -> value_pb2.Value:
    """One value; dates, times, paths and members of enumerations by their text."""
    match value:
        case None:
            return value_pb2.Value(null_value="NULL_VALUE")
        case bool():
            return value_pb2.Value(bool_value=value)
        case int() if value in _INT64:
            return value_pb2.Value(int64_value=value)
        case float():
            return value_pb2.Value(double_value=value)
        case Decimal():
            return value_pb2.Value(decimal_value=decimal_pb2.Decimal(value=str(value)))
        case Mapping():
            return value_pb2.Value(map_value=value_pb2.ValueMap(values=value_messages(value)))
        case list() | tuple():
            values = [value_message(item) for item in value]
            return value_pb2.Value(list_value=value_pb2.ValueList(values=values))
        case _:
            return _text_message(str(plain(value)))


def _text_message(text: str) -> value_pb2.Value:
    try:
        return value_pb2.Value(string_value=text)
    except ValueError as error:
        raise ValidationError(
            f"{text!r} cannot be sent: it is not Unicode", hint="give text of whole characters"
        ) from error


def timestamp_message(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    """A time; raises a ValidationError for one without a time zone."""
    if moment is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(_aware(moment))
    return message


def date_message(day: date | None) -> Any:
    """A date as google.type.Date."""
    return None if day is None else date_pb2.Date(year=day.year, month=day.month, day=day.day)


def duration_message(duration: timedelta) -> duration_pb2.Duration:
    """A duration, to the microsecond."""
    message = duration_pb2.Duration()
    message.FromTimedelta(duration)
    return message


def resource(collection: str, name: str) -> str:
    """The resource name for an id, or for the resource name itself."""
    return name if name.startswith(f"{collection}/") else f"{collection}/{name}"


def optional_resource(collection: str, name: str | None) -> str:
    """The resource name, empty for None."""
    return "" if name is None else resource(collection, name)


def filter_of(*comparisons: tuple[str, str, str | StrEnum | datetime | None]) -> str:
    """The filter string for comparisons of a field, by an operator, with a value.

    Those whose value is None are left out. Raises a ValidationError for a time without a zone.
    """
    return " AND ".join(
        f"{field} {operator} {_quoted(value)}"
        for field, operator, value in comparisons
        if value is not None
    )


def _quoted(value: str | StrEnum | datetime) -> str:
    text = _aware(value).isoformat() if isinstance(value, datetime) else str(value)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValidationError(
            f"{moment.isoformat()} has no time zone",
            hint="give an aware datetime, such as datetime(2025, 12, 16, tzinfo=UTC)",
        )
    return moment.astimezone(UTC)
