"""A backfill refreshes from many files, oldest first, and tells what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from finra_refresh_house import DOMAIN, WEEK, FinraHouse, Row, file_name, week

from market_spine.application.context import RunOutcome
from market_spine.domain.runs import RunState

ROWS: list[Row] = [("AAA", "OTCN", "100", 2), ("BBB", "OTCX", "50", 1)]


@pytest.fixture
def filled(house: FinraHouse) -> FinraHouse:
    """OTC files of weeks 0, 1, 2 and 4, T1 files of weeks 1 and 2."""
    for number in (4, 2, 0, 1):
        house.file(ROWS, week(number))
    for number in (1, 2):
        house.file(ROWS, week(number), "T1")
    return house


def backfill(house: FinraHouse, files: Path | str | None = None, **given: Any) -> RunOutcome:
    return house.run("backfill", files=str(files or house.folder), **given)


def taken(outcome: RunOutcome) -> list[str]:
    assert outcome.result.value is not None
    return [file["file"] for file in outcome.result.value["files"]]


def names(*weeks: int, tier: str = "OTC") -> list[str]:
    return [file_name(week(number), tier) for number in weeks]


def test_a_folder_is_refreshed_oldest_first_each_file_a_part_of_its_own(
    filled: FinraHouse,
) -> None:
    outcome = backfill(filled)

    assert outcome.result.ok, outcome.result.error
    first, second = names(1, 2, tier="T1")
    assert taken(outcome) == [first, *names(0), second, *names(1, 2, 4)]  # by publication date
    metrics = outcome.result.metrics
    assert (metrics["files"], metrics["files_succeeded"], metrics["files_failed"]) == (6, 6, 0)
    assert (metrics["rows_read"], metrics["captures_added"]) == (12, 6)
    whole, *parts = filled.runs()
    assert [(run.parent, run.step) for run in parts] == [
        (whole.id, name) for name in taken(outcome)
    ]
    assert {run.pipeline for run in parts} == {f"{DOMAIN}.refresh_week"}
    assert filled.frame("venue_volume").height == 12


def test_missing_weeks_are_summed_up_by_tier(filled: FinraHouse) -> None:
    outcome = backfill(filled)

    assert outcome.result.value is not None
    assert outcome.result.value["missing_weeks"] == {"OTC": ["2025-12-01"]}
    assert outcome.result.metrics["weeks_missing"] == 1
    assert "OTC: no data for the week of 2025-12-01" in outcome.result.warnings


def test_weeks_asked_for_are_missed_also_at_the_ends(filled: FinraHouse) -> None:
    outcome = backfill(filled, first=week(-1), last=week(2), tiers="T1")

    assert outcome.result.value is not None
    assert outcome.result.value["missing_weeks"] == {"T1": ["2025-11-03", "2025-11-10"]}


def test_a_tier_asked_for_that_no_file_holds_is_missing(filled: FinraHouse) -> None:
    outcome = backfill(filled, first=week(1), last=week(2), tiers="T1,T2")

    assert outcome.result.value is not None
    assert outcome.result.value["missing_weeks"] == {"T2": ["2025-11-17", "2025-11-24"]}


def test_a_second_backfill_recognises_everything(filled: FinraHouse) -> None:
    backfill(filled)
    before = len(filled.captures())

    outcome = backfill(filled)

    assert outcome.result.ok
    assert outcome.result.metrics["already_captured"] == 6
    assert outcome.result.metrics["captures_added"] == 0
    assert len(filled.captures()) == before


def test_force_reaches_every_file(filled: FinraHouse) -> None:
    backfill(filled)

    outcome = backfill(filled, force=True)

    assert outcome.result.metrics["captures_added"] == 6
    assert len(filled.captures()) == 12


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tiers": "T1"}, names(1, 2, tier="T1")),
        ({"first": week(2)}, [*names(2, tier="T1"), *names(2, 4)]),
        ({"last": week(0)}, names(0)),
        ({"tiers": "OTC", "first": week(1), "last": week(2)}, names(1, 2)),
    ],
)
def test_tiers_and_weeks_are_selected(
    filled: FinraHouse, given: dict[str, Any], expected: list[str]
) -> None:
    assert taken(backfill(filled, **given)) == expected


def test_a_glob_selects_files(filled: FinraHouse) -> None:
    assert taken(backfill(filled, filled.folder / "*_t1_*.csv")) == names(1, 2, tier="T1")


def test_a_file_with_magic_characters_in_its_name_is_taken_as_it_is(house: FinraHouse) -> None:
    house.file(ROWS, name=f"copy[1] {file_name(WEEK)}")

    assert backfill(house).result.metrics["captures_added"] == 1


def test_one_bad_file_fails_the_run_and_the_others_are_done(filled: FinraHouse) -> None:
    bad = filled.folder / file_name(week(3))
    bad.write_text("a|b\n1|2\n")

    outcome = backfill(filled)

    assert outcome.run.state is RunState.FAILED
    assert outcome.result.error is not None
    assert "1 of 7 files failed" in outcome.result.error.message
    assert outcome.result.error.context.metadata["failed"] == [bad.name]
    assert outcome.result.metrics["files_succeeded"] == 6
    assert outcome.result.metrics["captures_added"] == 6
    assert filled.frame("venue_volume").height == 12
    assert outcome.result.value is not None
    [line] = [file for file in outcome.result.value["files"] if file["error"]]
    assert (line["file"], line["state"]) == (bad.name, "FAILED")


def test_the_files_mended_the_same_backfill_finishes(filled: FinraHouse) -> None:
    bad = filled.folder / file_name(week(3))
    bad.write_text("a|b\n1|2\n")
    backfill(filled)

    filled.file(ROWS, week(3))
    outcome = backfill(filled)

    assert outcome.result.ok, outcome.result.error
    assert (outcome.result.metrics["captures_added"], outcome.result.metrics["weeks_missing"]) == (
        1,
        0,
    )


def test_a_file_whose_name_tells_nothing_is_left_out_of_a_selection_and_said_so(
    filled: FinraHouse,
) -> None:
    filled.file(ROWS, week(3), name="download.csv")

    selected = backfill(filled, first=week(3))
    everything = backfill(filled)

    assert taken(selected) == names(4)
    assert any("download.csv was left out" in text for text in selected.result.warnings)
    assert taken(everything)[0] == "download.csv"
    assert everything.result.ok, everything.result.error


def test_original_and_restated_file_of_a_week_are_taken_in_the_order_of_their_days(
    house: FinraHouse,
) -> None:
    house.file(ROWS)
    restated: list[Row] = [("AAA", "OTCN", "101", 2), ROWS[1]]
    house.file(restated, name="z_weekly_otc_20251215_restated.csv")

    first = backfill(house)
    again = backfill(house)

    assert first.result.metrics["rows_changed"] == 1
    assert again.result.metrics["already_captured"] == 2
    assert house.frame("venue_volume", symbol="AAA").get_column("shares")[0] == 101


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"files": "nowhere"}, "nowhere"),
        ({"first": "2025-11-11"}, "2025-11-11 is a Tuesday"),
        ({"first": week(40)}, "none of the 6 files"),
    ],
)
def test_nothing_to_do_is_said(filled: FinraHouse, given: dict[str, Any], said: str) -> None:
    outcome = backfill(filled, **given)

    assert outcome.run.state is RunState.FAILED
    assert outcome.result.error is not None
    assert said in str(outcome.result.error)
