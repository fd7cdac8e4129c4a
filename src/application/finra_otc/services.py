"""What the FINRA OTC pipelines need from the world besides the run's own context."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from ...domain.errors import ValidationError
from ...domain.finra_otc.weeks import sessions_window
from ...ports.archive import RawArchive
from ...ports.calendars import TradingCalendar
from ...ports.files import FileFinder
from ...ports.runtime import Clock, Ids

_LONGEST_CLOSURE = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Services:
    """Ports, and two questions to the calendar that several pipelines ask."""

    archive: RawArchive
    calendar: TradingCalendar
    clock: Clock
    ids: Ids
    files: FileFinder

    def next_session(self, day: date) -> date:
        """The first NYSE session on or after ``day``."""
        found = self.calendar.sessions(day, day + _LONGEST_CLOSURE)
        if not found:
            raise ValidationError(f"the calendar has no session in the two weeks from {day}")
        return found[0]

    def sessions_in(self, week: date) -> int:
        """How many days of the week that begins on Monday ``week`` had a session."""
        return len(self.calendar.sessions(*sessions_window(week)))
