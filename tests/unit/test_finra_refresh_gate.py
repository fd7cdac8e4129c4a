"""The quality gate, and what is told when week or tier cannot be."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from finra_refresh_house import (
    WEEK,
    FinraHouse,
    Row,
    actions,
    file_name,
    partitions,
    published,
    week,
    weekly_text,
)
from polars.testing import assert_frame_equal

from market_spine.domain.captures import PartitionFilter
from market_spine.domain.errors import Category
from market_spine.domain.finra_otc.contract import HEADER
from market_spine.domain.quality import CheckStatus
from market_spine.domain.runs import RunState

GOOD: list[Row] = [("AAA", "OTCN", "100", 2), ("BBB", "OTCX", "50", 1)]
BAD: list[Row] = [("", "OTCN", "1", 1), ("BBB", "", "1", 1), ("CCC", "OTCN", "-1", 1)]


def refuse(house: FinraHouse) -> dict[str, Any]:
    """Refresh from a file without an acceptable row; the report of its partition."""
    outcome = house.run("refresh_week", file=str(house.file(BAD)))
    assert outcome.run.state is RunState.FAILED
    assert outcome.result.error is not None
    assert outcome.result.error.category is Category.VALIDATION
    assert "no row was accepted" in outcome.result.error.message
    assert outcome.result.error.context.partition == "2025-11-10/OTC"
    return partitions(outcome)[0]


def test_a_closed_gate_fails_the_run_and_keeps_the_evidence(house: FinraHouse) -> None:
    report = refuse(house)

    assert (report["rows_read"], report["rows_accepted"], report["grade"]) == (3, 0, "F")
    [capture] = house.captures()
    assert (capture.rows_read, capture.rows_rejected) == (3, 3)
    assert house.rejects(capture=capture.id) == [
        (2, "BLANK_SYMBOL"),
        (3, "BLANK_MPID"),
        (4, "NEGATIVE_SHARES"),
    ]
    assert house.stages() == [("CAPTURED", None, False), ("NORMALIZED", "F", True)]
    failed = [
        item.result.check
        for item in house.evidence.quality(PartitionFilter())
        if item.result.status is CheckStatus.FAIL
    ]
    assert "ROWS_ACCEPTED" in failed
    [run] = house.runs()
    assert (run.state, run.metrics["grade"]) == (RunState.FAILED, "F")


def test_reads_answer_from_the_capture_before_the_refused_one(house: FinraHouse) -> None:
    house.refresh(GOOD)
    before = house.all_frames()

    refuse(house)

    for name, frame in house.all_frames().items():
        assert_frame_equal(frame, before[name])


def test_a_repeat_of_a_refused_file_is_refused_again(house: FinraHouse) -> None:
    refuse(house)

    report = refuse(house)

    assert report["action"] == "ALREADY CAPTURED"
    assert len(house.captures()) == 1


def test_a_good_file_after_a_refused_one_is_taken(house: FinraHouse) -> None:
    refuse(house)

    outcome = house.refresh(GOOD)

    assert partitions(outcome)[0]["grade"] == "B"
    assert house.captures()[-1].sequence == 2
    assert house.frame("venue_volume").height == 2


def test_a_refused_capture_is_not_measured(house: FinraHouse) -> None:
    report = refuse(house)

    by_id = house.run("measure_week", capture=report["capture"])
    by_week = house.run("measure_week", week=WEEK, tier="OTC")

    assert by_id.result.error is not None
    assert "gate is closed" in (by_id.result.error.hint or "")
    assert by_week.run.state is RunState.FAILED
    assert house.frame("symbol_summary").height == 0


def test_a_refused_capture_is_refused_again_when_it_is_replayed(house: FinraHouse) -> None:
    report = refuse(house)

    outcome = house.run("normalize_week", capture=report["capture"])

    assert outcome.run.state is RunState.FAILED
    assert outcome.result.metrics["rows_rejected"] == 3
    assert len(house.rejects()) == 3


def test_one_refused_tier_does_not_take_back_the_other(house: FinraHouse) -> None:
    path = house.folder / "mixed.psv"
    rows = weekly_text(GOOD).splitlines()
    refused = weekly_text(BAD, tier="T1", updated=published(WEEK)).splitlines()[1:]
    path.write_text("\n".join([*rows, *refused]))

    outcome = house.run("refresh_week", file=str(path), week=WEEK)

    assert outcome.run.state is RunState.FAILED
    assert {part["tier"]: part["grade"] for part in partitions(outcome)} == {"T1": "F", "OTC": "B"}
    assert house.frame("venue_volume").get_column("tier").unique().to_list() == ["OTC"]


def test_a_file_given_a_tier_that_no_row_names_is_kept_as_rejects_and_can_be_replayed(
    house: FinraHouse,
) -> None:
    path = house.folder / "unknown.psv"
    path.write_text(weekly_text(GOOD, tier="Tier nine"))

    outcome = house.run("refresh_week", file=str(path), week=WEEK, tier="T2")
    [report] = partitions(outcome)
    replayed = house.run("normalize_week", capture=report["capture"])

    assert (report["tier"], report["rejects"]) == ("T2", {"UNKNOWN_TIER": 2})
    assert partitions(replayed)[0]["rejects"] == {"UNKNOWN_TIER": 2}


# Week and tier


@pytest.mark.parametrize("tier", ["T1", "T2", "OTC"])
@pytest.mark.parametrize("name", ["weekly.psv", "weekly_{day:%Y%m%d}.psv"])
def test_week_and_tier_are_inferred(house: FinraHouse, tier: str, name: str) -> None:
    path = house.folder / name.format(day=published(WEEK, tier))
    path.write_text(weekly_text(GOOD, WEEK, tier))

    [report] = partitions(house.run("refresh_week", file=str(path)))

    assert (report["week_start"], report["tier"]) == (WEEK.isoformat(), tier)


def test_sessions_of_a_week_with_a_holiday(house: FinraHouse) -> None:
    house.refresh(GOOD, week(2))

    volume = house.frame("trading_day_volume", symbol="AAA")

    assert volume.select("sessions", "shares_per_session").row(0) == (4, 25.0)


def failing(house: FinraHouse, text: str, name: str = "weekly.psv", **given: Any) -> Any:
    path = house.folder / name
    path.write_text(text)
    outcome = house.run("refresh_week", file=str(path), **given)
    assert outcome.run.state is RunState.FAILED
    assert house.captures() == []
    return outcome.result.error


def test_a_week_that_cannot_be_told_names_the_parameter(house: FinraHouse) -> None:
    error = failing(house, weekly_text(GOOD, updated=date(2025, 12, 17)))

    assert error.category is Category.VALIDATION
    assert error.context.metadata["parameter"] == "week"
    assert "parameter week" in error.hint


def test_rows_that_imply_different_weeks_are_not_guessed_at(house: FinraHouse) -> None:
    two = weekly_text(GOOD) + weekly_text(GOOD, week(1)).split("\n", 1)[1]

    error = failing(house, two)

    assert error.context.metadata["implied_weeks"] == ["2025-11-10", "2025-11-17"]


def test_tiers_that_imply_different_weeks_are_not_guessed_at(house: FinraHouse) -> None:
    day = date(2025, 12, 15)
    both = (
        weekly_text(GOOD, updated=day) + weekly_text(GOOD, tier="T1", updated=day).split("\n", 1)[1]
    )

    error = failing(house, both)

    assert error.context.metadata["parameter"] == "week"
    assert "OTC: 2025-11-10" in error.message
    assert "T1: 2025-11-24" in error.message


def test_a_tier_that_cannot_be_told_names_the_parameter(house: FinraHouse) -> None:
    error = failing(house, weekly_text(GOOD, tier="Tier nine"), week=WEEK)

    assert error.context.metadata["parameter"] == "tier"
    assert "parameter tier" in error.hint


def test_a_week_that_is_no_monday_is_named_with_its_monday(house: FinraHouse) -> None:
    error = failing(house, weekly_text(GOOD), week=date(2025, 11, 12))

    assert "week 2025-11-12 is a Wednesday" in error.message
    assert "week=2025-11-10" in error.hint


def test_a_given_week_holds_against_the_files_name(house: FinraHouse) -> None:
    path = house.file(GOOD)

    outcome = house.run("refresh_week", file=str(path), week=week(3))

    assert partitions(outcome)[0]["week_start"] == week(3).isoformat()
    assert any("SOURCE_DATES" in text for text in outcome.result.warnings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("|".join(HEADER) + "\n", "no data rows"),
        ("a|b|c\n1|2|3\n", "tierDescription"),
    ],
)
def test_a_file_that_is_no_weekly_file_is_a_typed_error(
    house: FinraHouse, text: str, said: str
) -> None:
    error = failing(house, text, name=file_name(WEEK))

    assert error.category in (Category.VALIDATION, Category.SOURCE)
    assert said in str(error)
    assert house.archive.contents == {}


def test_a_file_that_is_not_there_is_named(house: FinraHouse) -> None:
    outcome = house.run("refresh_week", file=str(house.folder / "nowhere.csv"))

    assert outcome.result.error is not None
    assert outcome.result.error.category is Category.SOURCE
    assert "nowhere.csv" in outcome.result.error.message


def test_a_pattern_of_several_files_points_to_the_backfill(house: FinraHouse) -> None:
    house.file(GOOD)
    house.file(GOOD, week(1))

    outcome = house.run("refresh_week", file=str(house.folder / "*.csv"))

    assert outcome.result.error is not None
    assert "backfill" in (outcome.result.error.hint or "")


def test_every_row_is_accepted_or_rejected_and_the_first_of_twins_wins(house: FinraHouse) -> None:
    rows: list[Row] = [
        *GOOD,
        ("AAA", "OTCN", "999", 9),
        ("ZERO", "OTCN", "0", 0),
        ("S" * 21, "OTCN", "1", 1),
        ("WORD", "OTCN", "many", 1),
        ("HALF", "OTCN", "0.5", 1),
    ]

    outcome = house.refresh(rows)

    metrics = outcome.result.metrics
    assert (metrics["rows_read"], metrics["rows_accepted"], metrics["rows_rejected"]) == (7, 3, 4)
    assert house.rejects() == [
        (4, "DUPLICATE_KEY"),
        (5, "ZERO_VOLUME"),
        (6, "SYMBOL_TOO_LONG"),
        (7, "BAD_SHARES"),
    ]
    volume = house.frame("venue_volume", symbol="AAA")
    assert [str(value) for value in volume.get_column("shares")] == ["100.000000"]
    assert actions(outcome) == ["CAPTURED"]
