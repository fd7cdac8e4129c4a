"""Trading calendars: on which days an exchange was open."""

from __future__ import annotations

from datetime import date
from typing import Protocol


class TradingCalendar(Protocol):
    """The sessions of one exchange."""

    def sessions(self, first: date, last: date) -> tuple[date, ...]:
        """Days with a session from ``first`` to ``last``, both inclusive, ascending.

        Raises a ValidationError for days beyond what the calendar knows.
        """
        ...
