"""Values of requests and answers as Python has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.decimal_pb2 import Decimal as DecimalMessage

from market_spine.v1.value_pb2 import Value, ValueList, ValueMap


def value(given: Any) -> Value:
    match given:
        case None:
            return Value(null_value="NULL_VALUE")
        case bool():
            return Value(bool_value=given)
        case int():
            return Value(int64_value=given)
        case float():
            return Value(double_value=given)
        case Decimal():
            return Value(decimal_value=DecimalMessage(value=str(given)))
        case list():
            return Value(list_value=ValueList(values=map(value, given)))
        case dict():
            return Value(map_value=ValueMap(values=values(**given)))
        case _:
            return Value(string_value=str(given))


def values(**given: Any) -> dict[str, Value]:
    return {name: value(item) for name, item in given.items()}


def plain(message: Value) -> Any:
    match message.WhichOneof("kind"):
        case None | "null_value":
            return None
        case "list_value":
            return [plain(item) for item in message.list_value.values]
        case "map_value":
            return plains(message.map_value.values)
        case "decimal_value":
            return Decimal(message.decimal_value.value)
        case kind:
            return getattr(message, kind)


def plains(messages: Mapping[str, Value]) -> dict[str, Any]:
    return {name: plain(item) for name, item in messages.items()}


def day(given: date) -> Date:
    return Date(year=given.year, month=given.month, day=given.day)


def date_of(given: Date) -> date:
    return date(given.year, given.month, given.day)


def stamp(given: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(given)
    return made


def now() -> Timestamp:
    return stamp(datetime.now(UTC))
