"""Weeks and tiers: when FINRA first publishes a week, and which week a file holds.

A week is known by its Monday. The weekly file does not say which week it holds, so the week
follows from when its tier was first published: never from the distance to the last Friday.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date, timedelta
from enum import StrEnum

from ..errors import ValidationError

NextSession = Callable[[date], date]
"""The first NYSE session on or after a day."""

FRIDAY = timedelta(days=4)

_SHOWN = 5


class Tier(StrEnum):
    """The three groups of securities that FINRA publishes on their own calendars."""

    T1 = "T1"
    T2 = "T2"
    OTC = "OTC"

    @property
    def lag_days(self) -> int:
        """Days from a week's Monday to its first publication, before holidays move it."""
        return 21 if self is Tier.T1 else 35

    @property
    def description(self) -> str:
        """What the weekly file calls the tier."""
        return _DESCRIPTIONS[self]

    @classmethod
    def parse(cls, text: str) -> Tier:
        """The tier that a code (T1, T2, OTC, OTCE) or description names, in any case.

        Raises a ValidationError that says what was expected.
        """
        found = TIER_NAMES.get(text.strip().lower())
        if found is None:
            raise ValidationError(
                f"{text!r} is no tier",
                hint="give T1 (NMS Tier 1), T2 (NMS Tier 2) or OTC (also OTCE)",
                metadata={"parameter": "tier", "given": text},
            )
        return found


_DESCRIPTIONS = {Tier.T1: "NMS Tier 1", Tier.T2: "NMS Tier 2", Tier.OTC: "OTC"}

TIER_NAMES: dict[str, Tier] = {
    "t1": Tier.T1,
    "nms tier 1": Tier.T1,
    "t2": Tier.T2,
    "nms tier 2": Tier.T2,
    "otc": Tier.OTC,
    "otce": Tier.OTC,
}
"""Every name of a tier, in lower case."""


def monday_of(day: date) -> date:
    """The Monday of the week that ``day`` lies in."""
    return day - timedelta(days=day.weekday())


def check_week(day: date, parameter: str = "week") -> date:
    """``day`` itself, when it is a Monday; raises a ValidationError that names its Monday.

    ``parameter`` is what the error calls it.
    """
    monday = monday_of(day)
    if day != monday:
        raise ValidationError(
            f"week {day.isoformat()} is a {day:%A}, and a week is known by its Monday",
            hint=f"give {parameter}={monday.isoformat()} for the week that this day lies in",
            metadata={
                "parameter": parameter,
                "given": day.isoformat(),
                "monday": monday.isoformat(),
            },
        )
    return day


def sessions_window(week: date) -> tuple[date, date]:
    """Monday and Friday of the week: the days between which its sessions lie."""
    return week, week + FRIDAY


def week_shift(week: date, weeks: int) -> date:
    """The Monday ``weeks`` weeks later (earlier when negative)."""
    return week + timedelta(weeks=weeks)


def first_publication(week: date, tier: Tier, next_session: NextSession) -> date:
    """When FINRA first publishes the week that begins on Monday ``week`` for the tier.

    Raises a ValidationError for a week whose publication lies beyond any calendar.
    """
    try:
        nominal = week + timedelta(days=tier.lag_days)
    except OverflowError as error:
        raise ValidationError(
            f"week {week.isoformat()} lies beyond the calendar",
            hint="give the Monday of a published week",
            metadata={"parameter": "week", "given": week.isoformat()},
        ) from error
    return next_session(nominal)


def week_published_on(day: date, tier: Tier, next_session: NextSession) -> date | None:
    """The Monday of the week that was first published for the tier on ``day``.

    None when no week was: on other days than Mondays, but for those to which a holiday moved it.
    A day beyond what the calendar knows is no publication day either.
    """
    try:
        week = monday_of(day) - timedelta(days=tier.lag_days)
        published = first_publication(week, tier, next_session)
    except (OverflowError, ValidationError):
        return None
    return week if published == day else None


_DATE = re.compile(r"(?<![0-9])(20[0-9]{2})([-_. ]?)([0-9]{2})\2([0-9]{2})(?![0-9])")
_TIER_WORD = re.compile(r"(?<![a-z0-9])(?:nms[-_. ]*)?(?:tier|t)[-_. ]*([12])(?![a-z0-9])")
_OTC_WORD = re.compile(r"(?<![a-z0-9])otce?(?![a-z0-9])")
_PROGRAMME = re.compile(
    r"(?<![a-z0-9])finra[-_. ]*otc(?![a-z0-9])|otc[-_. ]*(?:transparency|market)"
)


def name_evidence(file_name: str) -> tuple[Tier | None, date | None]:
    """Tier and date that a file's name tells, each None where it tells none or several.

    Case and separators do not matter. The "otc" of "finra_otc" names the programme, not a tier.
    The date is not yet known to be a publication date. Never raises.
    """
    name = re.split(r"[/\\]", file_name)[-1].lower()
    days = {day for match in _DATE.finditer(name) if (day := _as_date(match)) is not None}
    undated = _DATE.sub(" ", name)
    tiers = {Tier(f"T{match.group(1)}") for match in _TIER_WORD.finditer(undated)}
    if not tiers and _OTC_WORD.search(_PROGRAMME.sub(" ", undated)):
        tiers = {Tier.OTC}
    return (
        tiers.pop() if len(tiers) == 1 else None,
        days.pop() if len(days) == 1 else None,
    )


def _as_date(match: re.Match[str]) -> date | None:
    try:
        return date(int(match.group(1)), int(match.group(3)), int(match.group(4)))
    except ValueError:
        return None


def infer_week(
    tier: Tier,
    *,
    file_date: date | None,
    update_dates: Collection[date],
    next_session: NextSession,
) -> date:
    """The Monday of the week that a file of ``tier`` holds.

    ``file_date`` is the date in the file's name, ``update_dates`` the distinct lastUpdateDate of
    its rows. A file date on which no week was first published (the day of a download) is no
    evidence. With a file date that is, rows may have been restated on later days that imply no
    week. Without one, only a single update date common to all rows is accepted.

    Raises a ValidationError that names the parameter ``week`` wherever this would be a guess.
    """
    evidence = _Evidence(tier, file_date, sorted(set(update_dates)), next_session)
    if len(evidence.weeks) > 1:
        raise evidence.error("the dates imply different weeks")
    if evidence.file_week is not None and file_date is not None:
        earlier = [day for day in evidence.update_dates if day < file_date]
        if earlier:
            raise evidence.error(
                f"rows were last updated on {_days(earlier)}, before {file_date.isoformat()}, "
                f"when the file's name says that week {evidence.file_week.isoformat()} "
                "was first published"
            )
        return evidence.file_week
    if not evidence.update_dates:
        raise evidence.error("no date tells when it was first published")
    if not evidence.weeks:
        raise evidence.error(
            f"no week of this tier was first published on {_days(evidence.update_dates)}"
        )
    if len(evidence.update_dates) > 1:
        raise evidence.error(
            f"its rows were last updated on several days ({_days(evidence.update_dates)}) and "
            "its name tells no publication date"
        )
    return next(iter(evidence.weeks))


class _Evidence:
    """What the dates of one file say about its week."""

    def __init__(
        self,
        tier: Tier,
        file_date: date | None,
        update_dates: list[date],
        next_session: NextSession,
    ) -> None:
        self.tier = tier
        self.update_dates = update_dates
        self.file_week = (
            None if file_date is None else week_published_on(file_date, tier, next_session)
        )
        self.weeks: dict[date, list[str]] = {}
        if file_date is not None and self.file_week is not None:
            self.weeks[self.file_week] = [f"{file_date.isoformat()} in the file's name"]
        for day in update_dates:
            week = week_published_on(day, tier, next_session)
            if week is not None:
                self.weeks.setdefault(week, []).append(f"rows of {day.isoformat()}")

    def error(self, reason: str) -> ValidationError:
        implied = "; ".join(
            f"week {week.isoformat()} by {', '.join(sources)}"
            for week, sources in sorted(self.weeks.items())
        )
        return ValidationError(
            f"the week of this {self.tier.value} file cannot be told: {reason}"
            + (f" ({implied})" if implied else ""),
            hint="give the parameter week, the Monday of the week that the file holds",
            metadata={
                "parameter": "week",
                "tier": self.tier.value,
                "implied_weeks": [week.isoformat() for week in sorted(self.weeks)],
                "update_dates": [day.isoformat() for day in self.update_dates[:20]],
            },
        )


def _days(days: list[date]) -> str:
    shown = ", ".join(day.isoformat() for day in days[:_SHOWN])
    return f"{shown} and {len(days) - _SHOWN} more" if len(days) > _SHOWN else shown
