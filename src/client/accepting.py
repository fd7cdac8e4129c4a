"""What callers give, in the forms that people write: ISO text, names in any case, one or many."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import TypeVar

from ..domain.errors import ValidationError
from ..domain.parameters import parse_timestamp

E = TypeVar("E", bound=StrEnum)


def day_of(given: object, what: str) -> date | None:
    """A date, or ISO text of one; None stays None."""
    if given is None or isinstance(given, date):
        return given
    try:
        return date.fromisoformat(_text(given))
    except ValueError as error:
        raise ValidationError(
            f"{what}={given!r} is no date",
            hint="give a date, or its text as 2025-11-10",
            cause=error,
        ) from error


def moment_of(given: object, what: str, at: time = time.max) -> datetime | None:
    """An aware datetime, or ISO text; a day alone means its moment ``at``, in UTC.

    Raises a ValidationError for what is neither, and for a datetime without a time zone.
    """
    if given is None:
        return None
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise ValidationError(
                f"{what}={given.isoformat()} has no time zone",
                hint="give an aware datetime, such as datetime(2025, 12, 16, tzinfo=UTC)",
            )
        return given
    try:
        return datetime.combine(
            date.fromisoformat(given.isoformat() if isinstance(given, date) else _text(given)),
            at,
            tzinfo=UTC,
        )
    except ValueError:
        pass
    try:
        return parse_timestamp(_text(given))
    except ValueError as error:
        raise ValidationError(
            f"{what}={given!r} is no time",
            hint="give an aware datetime, or ISO text such as 2025-12-16T09:30:00Z",
            cause=error,
        ) from error


def member_of(given: object, kind: type[E], what: str) -> E | None:
    """A member of an enumeration, or its name in any case; None stays None."""
    if given is None or isinstance(given, kind):
        return given
    try:
        return kind(str(given).strip().upper())
    except ValueError:
        raise ValidationError(
            f"{what}={given!r} is none of the values that there are",
            hint=f"expected one of {', '.join(kind)}",
        ) from None


def members_of(given: object, kind: type[E], what: str) -> list[E]:
    """Members of an enumeration, or their names; one alone stands for a list of one."""
    read = (member_of(item, kind, what) for item in _items(given, what))
    return [item for item in read if item is not None]


def texts_of(given: object, what: str) -> list[str]:
    """Texts; one alone stands for a list of one."""
    found: list[str] = []
    for item in _items(given, what):
        if not isinstance(item, str):
            raise ValidationError(
                f"{what} has {item!r}, which is no text", hint=f"give {what} as a list of texts"
            )
        found.append(item)
    return found


def limit_of(given: object) -> int | None:
    """How many items at most, 0 or more; None stays None, for all of them."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValidationError(
            f"limit={given!r} is no number of items",
            hint="give 0 or more, or leave limit out for all",
        )
    return given


def _text(given: object) -> str:
    # Numbers have texts that read as dates.
    if not isinstance(given, str):
        raise ValueError(given)  # noqa: TRY004  # told as any other text that is none
    return given


def _items(given: object, what: str) -> Iterable[object]:
    if given is None:
        return ()
    if isinstance(given, str):
        return (given,)
    if isinstance(given, Iterable):
        return given
    raise ValidationError(f"{what}={given!r} is no list", hint=f"give {what} as a list")
