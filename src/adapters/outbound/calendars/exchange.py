"""Sessions from the exchange_calendars library, remembered as plain dates."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from ....domain.errors import ConfigurationError, ValidationError
from .shipped import shipped_sessions


class ExchangeCalendar:
    """The TradingCalendar of one exchange, from ``first_year`` to the end of next year.

    ``code`` is a name that exchange_calendars knows, such as XNYS. The library takes seconds and
    much memory to load, and so its answer is kept in memory and, where ``cache`` names a folder,
    in a JSON file there. For the NYSE an answer of the library is shipped with this package, good
    for just the release of the library that gave it. ``today`` decides which year is the last.
    """

    def __init__(
        self,
        code: str = "XNYS",
        *,
        today: Callable[[], date],
        cache: Path | None = None,
        first_year: int = 1990,
    ) -> None:
        self._code = code
        self._today = today
        self._cache = cache
        self._first_year = first_year
        self._last_year = 0
        self._sessions: list[date] = []

    def sessions(self, first: date, last: date) -> tuple[date, ...]:
        known = self._known()
        low, high = date(self._first_year, 1, 1), date(self._last_year, 12, 31)
        if first < low or last > high:
            raise ValidationError(
                f"the {self._code} calendar knows no sessions from {first} to {last}",
                hint=f"ask for days from {low} to {high}",
                metadata={"calendar": self._code, "first": str(first), "last": str(last)},
            )
        return tuple(known[bisect_left(known, first) : bisect_right(known, last)])

    def _known(self) -> list[date]:
        last_year = self._today().year + 1
        if last_year > self._last_year:
            found = self._cached(last_year)
            if found is None:
                found = shipped_sessions(self._code, self._first_year, last_year)
            if found is None:
                found = computed_sessions(self._code, self._first_year, last_year)
                self._remember(last_year, found)
            self._sessions, self._last_year = found, last_year
        return self._sessions

    def _file(self, last_year: int) -> Path | None:
        if self._cache is None:
            return None
        library = version("exchange_calendars")
        return self._cache / f"{self._code}-{library}-{self._first_year}-{last_year}.json"

    def _cached(self, last_year: int) -> list[date] | None:
        """The sessions of an earlier answer; None where there is none that can be trusted."""
        file = self._file(last_year)
        if file is None:
            return None
        try:
            content = json.loads(file.read_bytes())
        except (OSError, ValueError):
            return None
        return _sessions_in(content, self._code, last_year)

    def _remember(self, last_year: int, sessions: list[date]) -> None:
        """Keep the answer; where that fails it is worked out again next time."""
        file = self._file(last_year)
        if file is None:
            return
        content = {
            "code": self._code,
            "last_year": last_year,
            "count": len(sessions),
            "sessions": [day.isoformat() for day in sessions],
        }
        with suppress(OSError):
            _write_atomically(file, json.dumps(content))


def computed_sessions(code: str, first_year: int, last_year: int) -> list[date]:
    """What the library answers for these years, both inclusive."""
    # pandas and the calendars of all exchanges: two seconds and 78 MB, only where nothing is kept.
    import exchange_calendars as library  # type: ignore[import-untyped]  # noqa: PLC0415  # see above; ships no py.typed

    bounds = {"start": f"{first_year}-01-01", "end": f"{last_year}-12-31"}
    try:
        # What pandas deprecates in the library is nothing that a caller of ours could change.
        with warnings.catch_warnings(action="ignore"):
            calendar = library.get_calendar(code, **bounds)
    except library.errors.InvalidCalendarName as error:
        raise ConfigurationError(
            f"{code!r} is no exchange calendar",
            hint="give the market identifier code of an exchange, such as XNYS",
            cause=error,
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"the calendar {code} cannot be had for the years {first_year} to {last_year}: {error}",
            hint="let it begin in a later year",
            cause=error,
        ) from error
    return [session.date() for session in calendar.sessions]


def _sessions_in(content: Any, code: str, last_year: int) -> list[date] | None:
    try:
        expected = (content["code"], content["last_year"], content["count"])
        sessions = [date.fromisoformat(text) for text in content["sessions"]]
    except (KeyError, TypeError, ValueError):
        return None
    rising = all(day < later for day, later in pairwise(sessions))
    return sessions if rising and expected == (code, last_year, len(sessions)) else None


def _write_atomically(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as part:
            part.write(text)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
