"""Weeks and tiers: publication dates, and which week a file holds. FINRA publishes a week's
T1 21 days after its Monday, T2 and OTC after 35, on the next NYSE session."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.adapters.outbound.calendars.exchange import ExchangeCalendar
from market_spine.domain.errors import Category, ValidationError
from market_spine.domain.finra_otc.weeks import (
    NextSession,
    Tier,
    check_week,
    first_publication,
    infer_week,
    name_evidence,
    sessions_window,
    week_published_on,
)
from market_spine.testing.memory_calendar import MemoryCalendar

D = date.fromisoformat
NYSE = MemoryCalendar(
    D(day)
    for day in (
        *("2025-01-01", "2025-01-09", "2025-01-20", "2025-02-17", "2025-04-18", "2025-05-26"),
        *("2025-06-19", "2025-07-04", "2025-09-01", "2025-11-27", "2025-12-25"),
        *("2026-01-01", "2026-01-19", "2026-02-16", "2026-04-03", "2026-05-25", "2026-06-19"),
        *("2026-07-03", "2026-09-07", "2026-11-26", "2026-12-25"),
    )
)


def next_nyse(day: date) -> date:
    return NYSE.sessions(day, day + timedelta(days=10))[0]


@pytest.fixture(scope="module")
def real_nyse() -> NextSession:
    calendar = ExchangeCalendar(today=lambda: date(2028, 1, 1))
    days = calendar.sessions(date(2021, 1, 1), date(2029, 1, 31))
    following: dict[date, date] = {}
    upcoming = iter(days)
    session = next(upcoming)
    day = date(2021, 1, 1)
    while day <= days[-1]:
        while session < day:
            session = next(upcoming)
        following[day] = session
        day += timedelta(days=1)
    return following.__getitem__


@pytest.mark.parametrize(
    ("tier", "week", "published"),
    [
        (Tier.OTC, "2025-11-10", "2025-12-15"),
        (Tier.OTC, "2025-11-17", "2025-12-22"),
        (Tier.OTC, "2025-11-24", "2025-12-29"),
        (Tier.T2, "2025-11-10", "2025-12-15"),
        (Tier.T1, "2025-11-24", "2025-12-15"),
        (Tier.T1, "2025-12-29", "2026-01-20"),  # 01-19 is Martin Luther King's day
        (Tier.OTC, "2025-12-15", "2026-01-20"),
        (Tier.OTC, "2026-01-12", "2026-02-17"),  # 02-16 is Presidents' day
        (Tier.T1, "2025-08-11", "2025-09-02"),  # 09-01 is Labor day
    ],
)
def test_a_week_is_first_published_on_a_session_after_the_lag(
    tier: Tier, week: str, published: str
) -> None:
    assert first_publication(D(week), tier, next_nyse) == D(published)
    assert week_published_on(D(published), tier, next_nyse) == D(week)


@pytest.mark.parametrize(
    "day", ["2026-01-19", "2026-01-21", "2025-12-16", "2025-12-14", "2025-12-13", "2025-12-12"]
)
def test_on_other_days_no_week_is_first_published(day: str) -> None:
    assert week_published_on(D(day), Tier.OTC, next_nyse) is None


@pytest.mark.parametrize("tier", Tier)
def test_publication_and_week_are_each_others_inverse_from_2022_to_2027(
    tier: Tier, real_nyse: NextSession
) -> None:
    week = date(2022, 1, 3)
    checked = 0
    while week < date(2028, 1, 1):
        published = first_publication(week, tier, real_nyse)
        assert 0 <= (published - week).days - tier.lag_days <= 1, week
        assert week_published_on(published, tier, real_nyse) == week
        week += timedelta(weeks=1)
        checked += 1
    assert checked == 313


@pytest.mark.parametrize("tier", Tier)
def test_every_day_publishes_one_week_or_none(tier: Tier, real_nyse: NextSession) -> None:
    days = [date(2022, 3, 1) + timedelta(days=after) for after in range(365 * 5)]
    weeks = [week for day in days if (week := week_published_on(day, tier, real_nyse))]
    assert len(weeks) == len(set(weeks)) == 260
    assert all(later - week == timedelta(weeks=1) for week, later in pairwise(weeks))


@pytest.mark.parametrize("day", [date.min, date.max, date(1900, 1, 1), date(2999, 12, 30)])
@pytest.mark.parametrize("tier", Tier)
def test_days_beyond_the_calendar_publish_nothing(day: date, tier: Tier) -> None:
    assert week_published_on(day, tier, next_nyse) is None


def test_a_week_beyond_all_calendars_is_refused() -> None:
    with pytest.raises(ValidationError, match="9999-12-27 lies beyond"):
        first_publication(date(9999, 12, 27), Tier.T1, next_nyse)


def test_a_monday_is_a_week() -> None:
    assert check_week(D("2025-11-10")) == D("2025-11-10")


@pytest.mark.parametrize("day", ["2025-11-11", "2025-11-14", "2025-11-16"])
def test_another_day_is_no_week_and_its_monday_is_named(day: str) -> None:
    with pytest.raises(ValidationError) as caught:
        check_week(D(day))
    error = caught.value
    assert error.category is Category.VALIDATION
    assert day in error.message
    assert "week=2025-11-10" in (error.hint or "")
    assert error.context.metadata["parameter"] == "week"


def test_a_week_may_span_two_years() -> None:
    assert sessions_window(D("2025-12-29")) == (D("2025-12-29"), D("2026-01-02"))


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("T1", Tier.T1),
        ("t2", Tier.T2),
        ("otc", Tier.OTC),
        ("OTCE", Tier.OTC),
        ("NMS Tier 1", Tier.T1),
        ("nms tier 2", Tier.T2),
        (" OTC ", Tier.OTC),
    ],
)
def test_tiers_are_parsed_by_code_and_description(text: str, tier: Tier) -> None:
    assert Tier.parse(text) is tier


@pytest.mark.parametrize("text", ["", "T3", "NA", "NMS", "1", "OTC2"])
def test_what_names_no_tier_is_refused_and_the_names_told(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Tier.parse(text)
    assert all(name in str(caught.value) for name in ("T1", "T2", "OTC"))
    assert caught.value.context.metadata["parameter"] == "tier"


def test_descriptions_and_lags() -> None:
    assert [(tier.description, tier.lag_days) for tier in Tier] == [
        ("NMS Tier 1", 21),
        ("NMS Tier 2", 35),
        ("OTC", 35),
    ]


DEC_15 = D("2025-12-15")


@pytest.mark.parametrize(
    ("name", "tier", "day"),
    [
        ("finra_otc_weekly_otc_20251215.csv", Tier.OTC, DEC_15),
        ("finra_otc_weekly_t1_20251215.psv.gz", Tier.T1, DEC_15),
        ("FINRA-OTC-WEEKLY-T2-2025-12-15.PSV.ZST", Tier.T2, DEC_15),
        ("finra otc weekly OTCE 2025.12.15.txt", Tier.OTC, DEC_15),
        ("/data/2024-01-01/t2/finra_otc_weekly_t1_20251215.csv", Tier.T1, DEC_15),
        ("C:\\in\\finra_otc_weekly_t1_20251215.csv", Tier.T1, DEC_15),
        ("NMS Tier 1 2025_12_15.csv", Tier.T1, DEC_15),
        ("nms-tier2-20251215.csv", Tier.T2, DEC_15),
        ("otc_20251215.csv", Tier.OTC, DEC_15),
        ("otc-20251215T063000.csv", Tier.OTC, DEC_15),
        ("20251215_t1.csv", Tier.T1, DEC_15),
        ("finra_otc_weekly_20251215.csv", None, DEC_15),
        ("otc_transparency_20251215.csv", None, DEC_15),
        ("t1_t2_20251215.csv", None, DEC_15),
        ("otc_20251215_20251222.csv", Tier.OTC, None),
        ("otc_20251215_2025-12-15.csv", Tier.OTC, DEC_15),
        ("otc_20251315.csv", Tier.OTC, None),
        ("otc_120251215.csv", Tier.OTC, None),
        ("otc_202512151.csv", Tier.OTC, None),
        ("otc_2025-1215.csv", Tier.OTC, None),
        ("t10_t21_botched_otcx.csv", None, None),
        ("weekly.csv", None, None),
        ("", None, None),
    ],
)
def test_a_file_name_tells_tier_and_date(name: str, tier: Tier | None, day: date | None) -> None:
    assert name_evidence(name) == (tier, day)


@given(st.text() | st.from_regex(re.compile(r"[a-z_0-9.\-]*(otc|t[12])[_-]?[0-9]{8}[a-z.]*")))
def test_no_file_name_is_too_odd(name: str) -> None:
    tier, day = name_evidence(name)
    assert tier is None or tier in Tier
    assert day is None or day.year >= 2000


def inferred(tier: Tier, file_date: str | None, *update_dates: str) -> date:
    return infer_week(
        tier,
        file_date=None if file_date is None else D(file_date),
        update_dates=[D(day) for day in update_dates],
        next_session=next_nyse,
    )


@pytest.mark.parametrize(
    ("tier", "file_date", "update_dates", "week"),
    [
        pytest.param(Tier.OTC, "2025-12-15", ["2025-12-15"], "2025-11-10", id="both agree"),
        pytest.param(Tier.OTC, None, ["2025-12-22"], "2025-11-17", id="rows alone"),
        pytest.param(Tier.T1, None, ["2025-12-22"], "2025-12-01", id="rows alone, T1"),
        pytest.param(Tier.OTC, "2025-12-22", [], "2025-11-17", id="name alone"),
        pytest.param(
            Tier.OTC,
            "2025-12-15",
            ["2025-12-15", "2025-12-16", "2026-01-02"],
            "2025-11-10",
            id="name, and rows restated later",
        ),
        pytest.param(Tier.OTC, "2025-12-15", ["2026-03-12"], "2025-11-10", id="all restated"),
        pytest.param(
            Tier.OTC, "2025-12-17", ["2025-12-15"], "2025-11-10", id="download date is passed over"
        ),
        pytest.param(
            Tier.OTC, "2026-01-20", ["2026-01-20"], "2025-12-15", id="holiday moves to Tuesday"
        ),
        pytest.param(Tier.OTC, None, ["2026-01-20"], "2025-12-15", id="holiday, rows alone"),
        pytest.param(
            Tier.OTC, "2026-01-19", ["2026-01-20"], "2025-12-15", id="a holiday is no evidence"
        ),
    ],
)
def test_the_week_is_inferred(
    tier: Tier, file_date: str | None, update_dates: list[str], week: str
) -> None:
    assert inferred(tier, file_date, *update_dates) == D(week)


@pytest.mark.parametrize(
    ("file_date", "update_dates", "said"),
    [
        pytest.param(
            "2025-12-15",
            ["2025-12-22"],
            ["2025-11-10 by 2025-12-15 in the file's name", "2025-11-17 by rows of 2025-12-22"],
            id="name and rows differ",
        ),
        pytest.param(
            None,
            ["2025-12-15", "2025-12-22"],
            ["2025-11-10 by rows of 2025-12-15", "2025-11-17 by rows of 2025-12-22"],
            id="rows differ",
        ),
        pytest.param(
            "2025-12-15",
            ["2025-12-15", "2025-12-22"],
            ["different weeks", "2025-11-10", "2025-11-17"],
            id="some rows differ from name",
        ),
        pytest.param(
            "2025-12-22",
            ["2025-12-16", "2025-12-22"],
            ["2025-12-16, before 2025-12-22"],
            id="rows older than the publication",
        ),
        pytest.param(
            None,
            ["2025-12-15", "2025-12-16"],
            ["several days", "2025-12-16"],
            id="restated rows and no name",
        ),
        pytest.param(
            "2025-12-17",
            ["2025-12-15", "2025-12-16"],
            ["several days"],
            id="restated rows and a download date",
        ),
        pytest.param(None, ["2025-12-16"], ["2025-12-16"], id="a Tuesday"),
        pytest.param(None, ["2026-01-19"], ["2026-01-19"], id="a holiday"),
        pytest.param(None, [], ["no date tells"], id="nothing"),
        pytest.param("2025-12-17", [], ["no date tells"], id="a download date alone"),
        pytest.param(None, ["9999-12-31"], ["9999-12-31"], id="a date beyond the calendar"),
    ],
)
def test_where_it_would_be_a_guess_the_parameter_is_asked_for(
    file_date: str | None, update_dates: list[str], said: list[str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        inferred(Tier.OTC, file_date, *update_dates)
    error = caught.value
    assert error.category is Category.VALIDATION
    assert "parameter week" in (error.hint or "")
    assert error.context.metadata["parameter"] == "week"
    assert [text for text in said if text not in error.message] == []
    assert "OTC" in error.message


def test_the_popular_rule_would_be_wrong() -> None:
    published = D("2025-12-15")
    assert inferred(Tier.OTC, None, "2025-12-15") + timedelta(days=4) != published - timedelta(3)


tiers = st.sampled_from(list(Tier))
mondays = st.integers(0, 600).map(lambda after: date(2015, 1, 5) + timedelta(weeks=after))


@st.composite
def closures(draw: st.DrawFn) -> Callable[[date], date]:
    """A calendar with any Mondays (and some Tuesdays after them) closed."""
    closed = frozenset(
        day
        for monday in draw(st.lists(mondays, max_size=40))
        for day in (monday, *draw(st.sampled_from([(), (monday + timedelta(days=1),)])))
    )
    calendar = MemoryCalendar(closed)
    return lambda day: calendar.sessions(day, day + timedelta(days=10))[0]


@given(mondays, tiers, closures())
def test_a_never_restated_file_tells_its_week_under_any_holidays(
    week: date, tier: Tier, next_session: NextSession
) -> None:
    published = first_publication(week, tier, next_session)
    downloaded = published + timedelta(days=5 - published.weekday())  # a Saturday
    for file_date in (None, published, downloaded):
        found = infer_week(
            tier, file_date=file_date, update_dates={published}, next_session=next_session
        )
        assert found == week, file_date


@given(mondays, tiers, closures(), st.lists(st.integers(0, 200), max_size=5))
def test_restated_rows_never_lead_to_another_week(
    week: date, tier: Tier, next_session: NextSession, later: list[int]
) -> None:
    published = first_publication(week, tier, next_session)
    days = {published, *(published + timedelta(days=after) for after in later)}
    for file_date in (published, None):
        with suppress(ValidationError):
            found = infer_week(
                tier, file_date=file_date, update_dates=days, next_session=next_session
            )
            assert found == week, file_date
