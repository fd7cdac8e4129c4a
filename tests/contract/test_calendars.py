"""Every trading calendar keeps the same promises."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from market_spine.adapters.outbound.calendars.exchange import ExchangeCalendar
from market_spine.ports.calendars import TradingCalendar
from market_spine.testing.calendar_suite import HOLIDAYS, CalendarSuite
from market_spine.testing.memory_calendar import MemoryCalendar


class TestMemoryCalendar(CalendarSuite):
    @pytest.fixture
    def calendar(self) -> TradingCalendar:
        return MemoryCalendar(date.fromisoformat(day) for days in HOLIDAYS.values() for day in days)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calendar")


class TestExchangeCalendar(CalendarSuite):
    """The first test works the sessions out, all others read what it has kept."""

    @pytest.fixture
    def calendar(self, cache: Path) -> TradingCalendar:
        return ExchangeCalendar(today=lambda: date(2026, 11, 22), cache=cache)


class TestExchangeCalendarWithoutCache(CalendarSuite):
    @pytest.fixture
    def calendar(self, uncached: TradingCalendar) -> TradingCalendar:
        return uncached


@pytest.fixture(scope="module")
def uncached() -> TradingCalendar:
    return ExchangeCalendar(today=lambda: date(2026, 11, 22))
