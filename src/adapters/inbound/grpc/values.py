"""JSON values, times and texts as messages and back, without losing anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2
from google.type import date_pb2, decimal_pb2  # type: ignore[import-untyped]  # ships no py.typed

from ....domain.errors import ValidationError
from ....v1 import value_pb2
from .resource_names import invalid_field

_INT64 = range(-(2**63), 2**63)
_LONGEST_DURATION = 315_576_000_000  # seconds: what google.protobuf.Duration allows
_DEEPEST_VALUE = 32
_NANOS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400


def value_message(value: Any) -> value_pb2.Value:
    """One JSON value; anything else is taken by its text."""
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
            return value_pb2.Value(map_value=value_pb2.ValueMap(values=value_map(value)))
        case list() | tuple():
            values = [value_message(item) for item in value]
            return value_pb2.Value(list_value=value_pb2.ValueList(values=values))
        case _:
            return value_pb2.Value(string_value=str(value))


def value_map(values: Mapping[str, Any]) -> dict[str, value_pb2.Value]:
    """JSON values by name."""
    return {str(name): value_message(item) for name, item in values.items()}


def value_of(message: value_pb2.Value, *, field: str, depth: int = 0) -> Any:
    """The JSON value of a request's ``field``; a decimal is its text, absence is null.

    Raises a ValidationError for values that are nested too deeply.
    """
    if depth > _DEEPEST_VALUE:
        raise invalid_field(
            field,
            f"{field} is nested more than {_DEEPEST_VALUE} deep",
            hint="give flatter values",
        )
    kind = message.WhichOneof("kind")
    match kind:
        case None | "null_value":
            return None
        case "list_value":
            items = message.list_value.values
            return [value_of(item, field=field, depth=depth + 1) for item in items]
        case "map_value":
            return values_of(message.map_value.values, field=field, depth=depth + 1)
        case "decimal_value":
            return message.decimal_value.value
        case _:
            return getattr(message, kind)


def values_of(
    messages: Mapping[str, value_pb2.Value], *, field: str, depth: int = 0
) -> dict[str, Any]:
    """JSON values by name, as :func:`value_of` reads them."""
    return {name: value_of(item, field=field, depth=depth) for name, item in messages.items()}


def duration_message(seconds: float | None) -> duration_pb2.Duration | None:
    """Seconds to the nanosecond, within what a Duration can say; None for NaN."""
    if seconds is None or math.isnan(seconds):
        return None
    held = max(-_LONGEST_DURATION, min(_LONGEST_DURATION, seconds))
    whole = math.trunc(held)
    message = duration_pb2.Duration()
    message.FromNanoseconds(whole * _NANOS + round((held - whole) * 1e9))
    return message


def timestamp_message(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    """An aware time."""
    if moment is None:
        return None
    # In a tenth of the time that the message's own conversion takes; a run has three or four.
    past = moment - _EPOCH
    return timestamp_pb2.Timestamp(
        seconds=past.days * _DAY + past.seconds, nanos=past.microseconds * 1_000
    )


def date_message(day: date | None) -> Any:
    """A date as google.type.Date."""
    return None if day is None else date_pb2.Date(year=day.year, month=day.month, day=day.day)


def moment_of(request: Any, field: str) -> datetime | None:
    """The time in a ``field`` of a request, aware, in UTC; None when it is not set.

    Raises a ValidationError for one that no calendar has.
    """
    if not request.HasField(field):
        return None
    stamp: timestamp_pb2.Timestamp = getattr(request, field)
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise _impossible(field, "time", error) from error


def date_of(request: Any, field: str) -> date | None:
    """The date in a ``field`` of a request; None when it is not set.

    Raises a ValidationError for one that no calendar has, also for one without a year or a day.
    """
    if not request.HasField(field):
        return None
    told = getattr(request, field)
    try:
        return date(told.year, told.month, told.day)
    except (ValueError, OverflowError) as error:
        raise _impossible(field, "date", error) from error


def _impossible(field: str, what: str, error: Exception) -> ValidationError:
    return invalid_field(
        field, f"{field} is no {what}: {error}", hint=f"give a whole {what} from year 1 to 9999"
    )
