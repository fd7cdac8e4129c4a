"""What every TradingCalendar has to keep, for adapters to prove themselves by."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ..domain.errors import Category, ValidationError
from ..ports.calendars import TradingCalendar

HOLIDAYS: dict[int, tuple[str, ...]] = {
    2025: (
        "2025-01-01",
        "2025-01-09",
        "2025-01-20",
        "2025-02-17",
        "2025-04-18",
        "2025-05-26",
        "2025-06-19",
        "2025-07-04",
        "2025-09-01",
        "2025-11-27",
        "2025-12-25",
    ),
    2026: (
        "2026-01-01",
        "2026-01-19",
        "2026-02-16",
        "2026-04-03",
        "2026-05-25",
        "2026-06-19",
        "2026-07-03",
        "2026-09-07",
        "2026-11-26",
        "2026-12-25",
    ),
    2027: (
        "2027-01-01",
        "2027-01-18",
        "2027-02-15",
        "2027-03-26",
        "2027-05-31",
        "2027-06-18",
        "2027-07-05",
        "2027-09-06",
        "2027-11-25",
        "2027-12-24",
    ),
}
"""Weekdays of each year on which the New York Stock Exchange is closed."""

SESSIONS_IN_WEEK: dict[str, int] = {
    "2025-01-06": 4,
    "2025-11-10": 5,
    "2025-11-17": 5,
    "2025-11-24": 4,
    "2025-12-22": 4,
    "2025-12-29": 4,
    "2026-06-29": 4,
    "2027-12-20": 4,
    "2027-12-27": 5,
}

FRIDAY = 4

SESSIONS_IN_YEAR = {2025: 250, 2026: 251, 2027: 251}


class CalendarSuite:
    """Subclass it and give a ``calendar`` fixture: the New York Stock Exchange's, 2025 to 2027.

    ``beyond`` is a day that the calendar does not know.
    """

    beyond = date(2399, 1, 1)

    @pytest.fixture
    def calendar(self) -> TradingCalendar:
        raise NotImplementedError("give the calendar that is to be proven")

    @pytest.mark.parametrize(("year", "count"), SESSIONS_IN_YEAR.items())
    def test_a_year_has_its_sessions(
        self, calendar: TradingCalendar, year: int, count: int
    ) -> None:
        assert len(calendar.sessions(date(year, 1, 1), date(year, 12, 31))) == count

    @pytest.mark.parametrize("year", HOLIDAYS)
    def test_the_weekdays_without_session_are_the_holidays(
        self, calendar: TradingCalendar, year: int
    ) -> None:
        open_days = set(calendar.sessions(date(year, 1, 1), date(year, 12, 31)))
        days = (date(year, 1, 1) + timedelta(days=after) for after in range(365))
        closed = [str(day) for day in days if day.weekday() <= FRIDAY and day not in open_days]
        assert tuple(closed) == HOLIDAYS[year]

    @pytest.mark.parametrize(("monday", "count"), SESSIONS_IN_WEEK.items())
    def test_a_week_has_its_sessions(
        self, calendar: TradingCalendar, monday: str, count: int
    ) -> None:
        first = date.fromisoformat(monday)
        assert len(calendar.sessions(first, first + timedelta(days=4))) == count

    def test_sessions_are_plain_ascending_dates(self, calendar: TradingCalendar) -> None:
        sessions = calendar.sessions(date(2025, 12, 22), date(2026, 1, 2))
        assert sessions == tuple(sorted(set(sessions)))
        assert {type(day) for day in sessions} == {date}

    def test_both_ends_are_included(self, calendar: TradingCalendar) -> None:
        assert calendar.sessions(date(2025, 11, 26), date(2025, 11, 28)) == (
            date(2025, 11, 26),
            date(2025, 11, 28),
        )

    def test_one_day_may_be_asked(self, calendar: TradingCalendar) -> None:
        assert calendar.sessions(date(2025, 11, 26), date(2025, 11, 26)) == (date(2025, 11, 26),)
        assert calendar.sessions(date(2025, 11, 27), date(2025, 11, 27)) == ()

    def test_an_interval_that_ends_before_it_begins_is_empty(
        self, calendar: TradingCalendar
    ) -> None:
        assert calendar.sessions(date(2025, 11, 28), date(2025, 11, 26)) == ()

    def test_days_beyond_the_calendar_are_refused(self, calendar: TradingCalendar) -> None:
        with pytest.raises(ValidationError) as caught:
            calendar.sessions(date(2025, 1, 1), self.beyond)
        assert caught.value.category is Category.VALIDATION
        assert str(self.beyond) in caught.value.message
        assert caught.value.hint
