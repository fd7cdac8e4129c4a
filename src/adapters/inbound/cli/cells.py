"""Single values as a person reads them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from .stdout import showable

_LARGE = 1000
# What would move the cursor, break the line or change the terminal's state.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (9, 10, 13)
} | {9: "\\t", 10: "\\n", 13: "\\r"}


def cell(value: Any) -> str:
    """The text of one value, on one line, in characters that stdout can show."""
    return visible(_text(value))


def visible(text: str) -> str:
    """``text`` with its control characters, and all that stdout cannot show, escaped."""
    return showable(escaped(text))


def escaped(text: str) -> str:
    """``text`` on one line, without power over the terminal."""
    return text.translate(_CONTROLS)


def is_number(value: Any) -> bool:
    """Whether people compare it digit by digit."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def seconds(duration: float | None) -> float | None:
    """A duration as people are shown it."""
    return None if duration is None else round(duration, 2)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= _LARGE else f"{value:,.6g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


def _decimal(value: Decimal) -> str:
    """All its digits, without the zeros that the column's scale appends."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
