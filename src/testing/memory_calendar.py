"""A trading calendar made of the days it is given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from ..domain.errors import ValidationError

_FRIDAY = 4


class MemoryCalendar:
    """Sessions on every weekday from ``first`` to ``last`` but the ``holidays``."""

    def __init__(
        self,
        holidays: Iterable[date] = (),
        *,
        first: date = date(1990, 1, 1),
        last: date = date(2040, 12, 31),
    ) -> None:
        self._holidays = frozenset(holidays)
        self._first = first
        self._last = last

    def sessions(self, first: date, last: date) -> tuple[date, ...]:
        if first < self._first or last > self._last:
            raise ValidationError(
                f"the calendar knows no sessions from {first} to {last}",
                hint=f"ask for days from {self._first} to {self._last}",
            )
        days = (first + timedelta(days=after) for after in range((last - first).days + 1))
        return tuple(day for day in days if day.weekday() <= _FRIDAY and day not in self._holidays)
