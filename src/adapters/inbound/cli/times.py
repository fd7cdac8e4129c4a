"""Ages and moments as people write them: ``90d``, ``12h 30m``, a date, an ISO time."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from ....domain.errors import ValidationError
from ....domain.parameters import parse_timestamp

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_AGE = re.compile(r"(?:\s*\d+\s*[wdhms])+\s*", re.IGNORECASE)
_TERM = re.compile(r"(\d+)\s*([wdhms])", re.IGNORECASE)
_SHORT = 0.1  # seconds
_LONG = 120  # seconds that are still told as seconds


def age(text: str, option: str) -> timedelta:
    """``90d`` or ``12h 30m`` as a duration; raises a ValidationError for anything else."""
    found = _age(text)
    if found is None:
        raise ValidationError(
            f"{option} {text!r} is no duration",
            hint=f"write it as {option} 90d, 12h, '1d 12h 30m': w, d, h, m and s are understood",
        )
    return found


def since(text: str | None, now: datetime, option: str = "--since") -> datetime | None:
    """The beginning of a time: so long before ``now``, the beginning of a date, or an ISO time."""
    if text is None:
        return None
    try:
        back = _age(text)
        return now - back if back is not None else _moment(text, time.min)
    except (ValueError, OverflowError) as error:
        raise _no_moment(text, option, error) from error


def until(text: str | None, now: datetime, option: str = "--until") -> datetime | None:
    """The end of a time, in the same words; a date means its end."""
    if text is None:
        return None
    try:
        back = _age(text)
        return now - back if back is not None else _moment(text, time.max)
    except (ValueError, OverflowError) as error:
        raise _no_moment(text, option, error) from error


def day(text: str, option: str) -> date:
    """A date; raises a ValidationError for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValidationError(
            f"{option} {text!r} is not a date (YYYY-MM-DD)", cause=error
        ) from error


def spoken(seconds: float) -> str:
    """A duration in its two largest units: ``1.5 s``, ``3 min 20 s``, ``2 d 4 h``."""
    if 0 < seconds < _SHORT:
        return f"{1000 * seconds:.0f} ms"
    if seconds < _LONG:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    place = next(place for place, (_, size) in enumerate(units) if whole >= size)
    (name, size), (lower, part) = units[place], units[place + 1]
    rest = whole % size // part
    return f"{whole // size} {name}" + (f" {rest} {lower}" if rest else "")


def _age(text: str) -> timedelta | None:
    if not _AGE.fullmatch(text):
        return None
    try:
        return timedelta(
            seconds=sum(int(n) * _UNITS[unit.lower()] for n, unit in _TERM.findall(text))
        )
    except OverflowError:
        return None


def _moment(text: str, at: time) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), at, tzinfo=UTC)
    except ValueError:
        return parse_timestamp(text)


def _no_moment(text: str, option: str, error: Exception) -> ValidationError:
    return ValidationError(
        f"{option} {text!r} is no time",
        hint=f"write it as {option} 7d (so long ago), 2026-01-05, or 2026-01-05T09:30:00Z (UTC)",
        cause=error,
    )
