"""Each check at its limit: what just passes, what just fails, what it says."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from market_spine.domain.captures import Restatement
from market_spine.domain.finra_otc import checks
from market_spine.domain.finra_otc.contract import ACCEPTED_SCHEMA, LINE
from market_spine.domain.finra_otc.cut_off import cut_off_line
from market_spine.domain.finra_otc.measures import VENUE_SHARE_SCHEMA
from market_spine.domain.quality import CheckResult, CheckStatus, Grade, Severity, grade
from market_spine.ports.sources import MALFORMED_SCHEMA, empty_malformed

FIRST = date(2025, 12, 15)
PASS, FAIL, SKIP = CheckStatus.PASS, CheckStatus.FAIL, CheckStatus.SKIP


def accepted(*rows: tuple[str, int, int, date]) -> pl.DataFrame:
    """Accepted rows from (symbol, shares, trades, last update)."""
    return pl.DataFrame(
        [
            (symbol, "V1", "", "", Decimal(shares), trades, day)
            for symbol, shares, trades, day in rows
        ],
        schema=ACCEPTED_SCHEMA,
        orient="row",
    )


SOUND = accepted(("A", 10, 1, FIRST), ("B", 5, 0, FIRST + timedelta(days=11)))


def venues(**shares: float) -> pl.DataFrame:
    """A venue share frame from each venue's share of 1,000 shares."""
    return pl.DataFrame(
        [
            (mpid, "", Decimal(round(share * 1000)), 1, 1, share, rank)
            for rank, (mpid, share) in enumerate(shares.items(), start=1)
        ],
        schema=VENUE_SHARE_SCHEMA,
        orient="row",
    )


def outcome(result: CheckResult) -> tuple[str, CheckStatus, Severity]:
    return result.check, result.status, result.severity


@pytest.mark.parametrize(("rows", "status"), [(0, FAIL), (1, PASS)])
def test_some_row_has_to_be_accepted(rows: int, status: CheckStatus) -> None:
    result = checks.rows_accepted(rows)
    assert outcome(result) == ("ROWS_ACCEPTED", status, Severity.ERROR)


@pytest.mark.parametrize(("read", "status"), [(10, PASS), (11, FAIL), (9, FAIL)])
def test_the_rows_have_to_balance(read: int, status: CheckStatus) -> None:
    result = checks.rows_balance(read, 7, 3)
    assert outcome(result) == ("ROWS_BALANCE", status, Severity.ERROR)
    assert result.observed == f"{read} read, 7 accepted, 3 rejected"
    if result.failed:
        assert "1 rows are unaccounted for" in result.message


def test_a_file_that_ends_in_the_middle_of_a_record_is_an_error() -> None:
    cut, whole = checks.complete_file(2874), checks.complete_file(None)
    assert outcome(cut) == ("COMPLETE_FILE", FAIL, Severity.ERROR)
    assert cut.message == "the file ends in the middle of a record (line 2874): fetch it again"
    assert outcome(whole) == ("COMPLETE_FILE", PASS, Severity.ERROR)


@pytest.mark.parametrize(
    ("read", "rejected", "status", "severity"),
    [
        (0, 0, SKIP, Severity.WARNING),
        (100, 1, PASS, Severity.WARNING),
        (1000, 11, FAIL, Severity.WARNING),
        (1000, 100, FAIL, Severity.WARNING),
        (1000, 101, FAIL, Severity.ERROR),
        (999, 998, FAIL, Severity.WARNING),
        (100_000, 33_333, FAIL, Severity.ERROR),
    ],
)
def test_one_row_in_a_hundred_may_be_rejected_and_one_in_ten_closes_the_gate(
    read: int, rejected: int, status: CheckStatus, severity: Severity
) -> None:
    assert outcome(checks.reject_rate(read, rejected)) == ("REJECT_RATE", status, severity)


@pytest.mark.parametrize(
    ("accepted_rows", "changed", "appeared", "vanished", "status", "said"),
    [
        (100, 0, 0, 0, PASS, "0 of 100 rows"),
        (99, 50, 0, 1, PASS, "1 of 100 rows (1.00%)"),
        (98, 0, 0, 2, FAIL, "2 of 100 rows (2.00%)"),
        (100, 0, 2, 2, FAIL, "2 of 100 rows (2.00%)"),
        (5000, 0, 4901, 1, PASS, "1 of 100 rows (1.00%)"),
        (1, 0, 1, 3, FAIL, "3 of 3 rows (100.00%)"),
        (5, 0, 5, 0, SKIP, "no capture before"),
    ],
)
def test_one_row_in_a_hundred_may_vanish(
    accepted_rows: int, changed: int, appeared: int, vanished: int, status: CheckStatus, said: str
) -> None:
    result = checks.rows_vanished(accepted_rows, Restatement(changed, appeared, vanished))
    assert outcome(result) == ("ROWS_VANISHED", status, Severity.WARNING)
    assert said in result.message


def test_without_a_capture_before_no_row_can_vanish() -> None:
    assert checks.rows_vanished(10, None).status is SKIP


DATED = "lastUpdateDate"


@pytest.mark.parametrize("place", range(1, 11))
def test_a_date_that_breaks_off_in_the_last_row_cuts_the_file_off(place: int) -> None:
    days = ["2025-12-15", "2025-12-15"[:place]]
    rows = pl.DataFrame({"MPID": ["A", "B"], DATED: days, LINE: [2, 3]})
    found = cut_off_line(rows, empty_malformed(), delimited=True)
    assert found == (3 if place < 10 else None)


def test_a_blank_date_in_the_last_row_is_a_reject_like_any_other() -> None:
    rows = pl.DataFrame({"MPID": ["A", "B"], DATED: ["2025-12-15", None], LINE: [2, 3]})
    assert cut_off_line(rows, empty_malformed(), delimited=True) is None


@pytest.mark.parametrize(
    "day", ["2025-12-15 ", "15.12.2025", "2025-13-45", "2025/12", "n/a", "20251215"]
)
def test_another_kind_of_wrong_date_does_not(day: str) -> None:
    rows = pl.DataFrame({"MPID": ["A"], DATED: [day], LINE: [2]})
    assert cut_off_line(rows, empty_malformed(), delimited=True) is None


def test_a_short_date_elsewhere_does_not_cut_the_file_off() -> None:
    rows = pl.DataFrame({"MPID": ["A", "B"], DATED: ["2025-1", "2025-12-15"], LINE: [2, 3]})
    last = rows.head(1)
    ragged = pl.DataFrame([(3, "RAGGED_ROW", "", "x")], schema=MALFORMED_SCHEMA, orient="row")
    assert cut_off_line(rows, empty_malformed(), delimited=True) is None
    assert cut_off_line(last, ragged, delimited=True) is None
    assert cut_off_line(last, empty_malformed(), delimited=False) is None
    assert cut_off_line(last.select(DATED, "MPID", LINE), empty_malformed(), delimited=True) is None
    assert cut_off_line(last.clear(), empty_malformed(), delimited=True) is None
    assert cut_off_line(last, empty_malformed(), delimited=True) == 2


def test_what_the_source_says_is_cut_off_is() -> None:
    cut = pl.DataFrame(
        [(3, "RAGGED_ROW", "", "x"), (9, "CUT_OFF", "", "y")], schema=MALFORMED_SCHEMA, orient="row"
    )
    assert cut_off_line(pl.DataFrame(), cut, delimited=True) == 9
    assert cut_off_line(pl.DataFrame(), cut, delimited=False) == 9


def test_the_reject_rate_is_told_in_words() -> None:
    assert checks.reject_rate(1000, 11).observed == "11 of 1,000 rows (1.10%)"


def test_trades_without_shares_are_named() -> None:
    rows = accepted(("A", 0, 3, FIRST), ("B", 1, 0, FIRST), ("C", 0, 1, FIRST))
    result = checks.zero_volume_rows(rows)
    assert outcome(result) == ("ZERO_VOLUME_ROWS", FAIL, Severity.WARNING)
    assert result.message == "2 rows have trades but no shares: A, C"
    assert checks.zero_volume_rows(SOUND).status is PASS


@pytest.mark.parametrize(
    ("first", "superseded", "status", "said"),
    [
        (FIRST, None, PASS, "agree"),
        (FIRST, FIRST + timedelta(days=11), PASS, "agree"),
        (FIRST + timedelta(days=1), None, FAIL, "1 rows were last updated before"),
        (FIRST, FIRST + timedelta(days=12), FAIL, "older than 2025-12-27"),
    ],
)
def test_source_dates(first: date, superseded: date | None, status: CheckStatus, said: str) -> None:
    result = checks.source_dates(SOUND, first, superseded)
    assert outcome(result) == ("SOURCE_DATES", status, Severity.WARNING)
    assert said in result.message
    assert result.observed == "2025-12-15 to 2025-12-26"


def test_without_rows_there_are_no_source_dates() -> None:
    assert checks.source_dates(SOUND.clear(), FIRST, FIRST).status is SKIP


@pytest.mark.parametrize(
    ("total", "status"),
    [(1.0, PASS), (1.0 + 5e-10, PASS), (1.0 - 2e-9, FAIL), (1.0 + 2e-9, FAIL), (0.5, FAIL)],
)
def test_shares_have_to_sum_to_one(total: float, status: CheckStatus) -> None:
    result = checks.shares_sum(venues(A=0.25, B=total - 0.25))
    assert outcome(result) == ("SHARES_SUM", status, Severity.ERROR)


def test_a_tier_without_shares_has_no_sum() -> None:
    nothing = venues(A=0.0).with_columns(pl.lit(None, pl.Float64).alias("share"))
    assert checks.shares_sum(nothing).status is SKIP
    assert checks.shares_sum(venues()).status is SKIP


def test_missing_parts_of_a_tier_with_shares_are_an_error() -> None:
    broken = venues(A=1.0).with_columns(pl.lit(float("nan")).alias("share"))
    assert checks.shares_sum(broken).status is FAIL


@pytest.mark.parametrize(
    "check", [checks.fewer_venues, checks.volume_change, checks.venue_share_move]
)
def test_without_the_week_before_nothing_is_compared(check: object) -> None:
    result = check(venues(A=1.0), None)  # type: ignore[operator]  # all three take the same
    assert (result.status, result.failed) == (SKIP, False)
    assert "the week before is not known" in result.message


def test_fewer_venues_are_named() -> None:
    before = venues(A=0.5, B=0.3, C=0.2)
    result = checks.fewer_venues(venues(A=0.5, NEW=0.5), before)
    assert outcome(result) == ("FEWER_VENUES", FAIL, Severity.WARNING)
    assert result.message == "2 venues after 3 in the week before; gone: B, C"
    assert checks.fewer_venues(before, before).status is PASS
    assert checks.fewer_venues(venues(X=0.5, Y=0.3, Z=0.2), before).status is PASS


@pytest.mark.parametrize(
    ("now", "status", "said"),
    [
        (1.5, PASS, "+50.0 %"),
        (1.501, FAIL, "+50.1 %"),
        (0.5, PASS, "-50.0 %"),
        (0.499, FAIL, "-50.1 %"),
        (0.0, FAIL, "-100.0 %"),
    ],
)
def test_volume_may_change_by_half(now: float, status: CheckStatus, said: str) -> None:
    result = checks.volume_change(venues(A=now), venues(A=0.6, B=0.4))
    assert outcome(result) == ("VOLUME_CHANGE", status, Severity.WARNING)
    assert result.observed == said


def test_a_week_before_without_shares_is_no_measure_of_change() -> None:
    assert checks.volume_change(venues(A=1.0), venues(A=0.0)).status is SKIP


@pytest.mark.parametrize(
    ("before", "now", "status"),
    [
        (0.3, 0.4, PASS),  # 0.10000000000000003 in floating point
        (0.4, 0.3, PASS),
        (0.3, 0.401, FAIL),
        (0.401, 0.3, FAIL),
    ],
)
def test_a_share_may_move_by_ten_points(before: float, now: float, status: CheckStatus) -> None:
    result = checks.venue_share_move(venues(A=now), venues(A=before))
    assert outcome(result) == ("VENUE_SHARE_MOVE", status, Severity.WARNING)


def test_venues_that_moved_are_named_the_furthest_first() -> None:
    result = checks.venue_share_move(venues(A=0.5, NEW=0.5), venues(A=0.35, GONE=0.6, B=0.05))
    assert result.message == (
        "venues whose share moved by more than 10 points: GONE -60.0, NEW +50.0, A +15.0"
    )


def test_missing_weeks_are_named() -> None:
    weeks = [date(2025, 11, 17), date(2025, 11, 10)]
    result = checks.insufficient_history(weeks)
    assert outcome(result) == ("INSUFFICIENT_HISTORY", FAIL, Severity.WARNING)
    assert "2 of 6 weeks are missing (2025-11-10, 2025-11-17)" in result.message
    assert checks.insufficient_history([]).status is PASS


def test_long_lists_are_cut() -> None:
    rows = accepted(*((f"S{index:02d}", 0, 1, FIRST) for index in range(12)))
    assert checks.zero_volume_rows(rows).message.endswith("S08, S09 and 2 more")


def test_all_checks_of_a_sound_capture_give_an_a() -> None:
    normal = checks.normalize_checks(
        rows_read=2,
        accepted=SOUND,
        rows_rejected=0,
        first_published=FIRST,
        restatement=Restatement(changed=1, appeared=0, vanished=0),
    )
    measured = checks.measure_checks(
        venues=venues(A=1.0), previous_venues=venues(A=1.0), missing_weeks=[]
    )
    assert [result.check for result in normal] == [
        *("ROWS_ACCEPTED", "ROWS_BALANCE", "COMPLETE_FILE", "REJECT_RATE", "ROWS_VANISHED"),
        *("ZERO_VOLUME_ROWS", "SOURCE_DATES"),
    ]
    assert {result.check for result in normal} == checks.NORMALIZE_CHECKS
    assert [result.check for result in measured] == [
        *("SHARES_SUM", "FEWER_VENUES", "VOLUME_CHANGE", "VENUE_SHARE_MOVE"),
        "INSUFFICIENT_HISTORY",
    ]
    assert {result.status for result in normal + measured} == {PASS}
    assert grade(normal + measured) is Grade.A


def test_an_empty_capture_is_an_f_and_no_crash() -> None:
    normal = checks.normalize_checks(
        rows_read=0, accepted=SOUND.clear(), rows_rejected=0, first_published=FIRST
    )
    measured = checks.measure_checks(
        venues=venues(), previous_venues=venues(A=1.0), missing_weeks=[FIRST]
    )
    assert grade(normal) is Grade.F
    assert {result.check for result in measured if result.failed} == {
        *("FEWER_VENUES", "VOLUME_CHANGE", "VENUE_SHARE_MOVE", "INSUFFICIENT_HISTORY")
    }
