"""Sessions that are shipped, so that the first run need not load the library.

The file holds the closed weekdays that the library named in it gave; ``make calendars`` writes it
anew. With another release of the library installed it is passed over, for that may know better.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

FILE = Path(__file__).with_name("shipped_sessions.json")
_SATURDAY = 5


def shipped_sessions(code: str, first_year: int, last_year: int) -> list[date] | None:
    """The sessions of these years, both inclusive; None where the file does not answer for them."""
    content = json.loads(FILE.read_bytes())
    calendar = content["calendars"].get(code)
    if calendar is None or content["library"] != version("exchange_calendars"):
        return None
    if first_year < calendar["first_year"] or last_year > calendar["last_year"]:
        return None
    closed = {date.fromisoformat(text) for text in calendar["closed_weekdays"]}
    return [day for day in _weekdays(first_year, last_year) if day not in closed]


def write_shipped(code: str, first_year: int, last_year: int, sessions: list[date]) -> None:
    """Replace the file by one that answers for the exchange and years of ``sessions``."""
    closed = sorted(set(_weekdays(first_year, last_year)) - set(sessions))
    calendar = {
        "first_year": first_year,
        "last_year": last_year,
        "closed_weekdays": [day.isoformat() for day in closed],
    }
    content = {"library": version("exchange_calendars"), "calendars": {code: calendar}}
    FILE.write_text(json.dumps(content, indent=1) + "\n")


def _weekdays(first_year: int, last_year: int) -> list[date]:
    first = date(first_year, 1, 1)
    days = (date(last_year, 12, 31) - first).days + 1
    every = (first + timedelta(days=index) for index in range(days))
    return [day for day in every if day.weekday() < _SATURDAY]
