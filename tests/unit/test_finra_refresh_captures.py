"""A capture is identified by content; changed content is a restatement; the past stays."""

from __future__ import annotations

import gzip
import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from finra_refresh_house import (
    WEEK,
    FinraHouse,
    Row,
    actions,
    file_name,
    partitions,
    week,
    weekly_text,
)
from polars.testing import assert_frame_equal

from market_spine.domain.captures import Stage

ROWS: list[Row] = [
    ("AAA", "OTCN", "100", 2),
    ("AAA", "OTCX", "300", 4),
    ("BBB", "OTCN", "50.5", 1),
    ("CCC", "ARCA", "7", 7),
]


def as_it_is(text: str, path: Path) -> Path:
    path.write_text(text)
    return path


def gzipped(text: str, path: Path) -> Path:
    path = path.with_suffix(".csv.gz")
    path.write_bytes(gzip.compress(text.encode()))
    return path


def other_order_and_line_ends(text: str, path: Path) -> Path:
    header, *rows = text.splitlines()
    path.write_bytes("\r\n".join([header, *reversed(rows)]).encode())
    return path


@pytest.mark.parametrize("repack", [as_it_is, gzipped, other_order_and_line_ends])
def test_the_same_content_is_recognised_in_whatever_packing(
    house: FinraHouse, tmp_path: Path, repack: object
) -> None:
    assert callable(repack)
    house.refresh(ROWS)
    before = house.all_frames()
    (tmp_path / "again").mkdir()

    path = repack(weekly_text(ROWS), tmp_path / "again" / file_name(WEEK))
    outcome = house.run("refresh_week", file=str(path))

    assert outcome.result.ok
    assert actions(outcome) == ["ALREADY CAPTURED"]
    assert "already captured" in outcome.result.warnings[0]
    assert outcome.result.metrics["captures_added"] == 0
    assert outcome.result.metrics["rows_read"] == 4
    assert len(house.captures()) == 1
    for name, frame in house.all_frames().items():
        assert_frame_equal(frame, before[name])


def test_rejects_take_part_in_recognising(house: FinraHouse) -> None:
    bad: Row = ("", "OTCN", "1", 1)
    house.refresh([*ROWS, bad])

    same = house.refresh([bad, *ROWS])
    other = house.refresh([*ROWS, ("", "OTCX", "1", 1)])

    assert actions(same) == ["ALREADY CAPTURED"]
    assert actions(other) == ["CAPTURED"]
    assert other.result.metrics["rows_changed"] == 0
    assert house.rejects(capture=house.captures()[-1].id) == [(6, "BLANK_SYMBOL")]


def test_force_captures_again(house: FinraHouse) -> None:
    house.refresh(ROWS)

    outcome = house.refresh(ROWS, force=True)

    first, second = house.captures()
    assert first.digest == second.digest
    assert (second.sequence, second.supersedes) == (2, first.id)
    assert outcome.result.metrics["captures_added"] == 1
    [report] = partitions(outcome)
    assert [report[f"rows_{what}"] for what in ("changed", "appeared", "vanished")] == [0, 0, 0]


RESTATED: list[Row] = [
    ("AAA", "OTCN", "101", 2),  # other shares
    ("AAA", "OTCX", "300", 5),  # other trades
    ("BBB", "OTCN", "50.5", 1),
    ("DDD", "ARCA", "7", 7),  # new, and CCC has vanished
    ("EEE", "ARCA", "9", 9),  # new
]


def test_a_restatement_says_what_changed_appeared_and_vanished(house: FinraHouse) -> None:
    house.refresh(ROWS)

    outcome = house.refresh(RESTATED)

    assert actions(outcome) == ["RESTATED"]
    counts = {name: outcome.result.metrics[f"rows_{name}"] for name in ("changed", "appeared")}
    assert counts == {"changed": 2, "appeared": 2}
    assert outcome.result.metrics["rows_vanished"] == 1
    first, second = house.captures()
    assert second.supersedes == first.id
    assert house.frame("venue_volume").get_column("symbol").to_list() == [
        "AAA",
        "AAA",
        "BBB",
        "DDD",
        "EEE",
    ]


def test_a_later_date_alone_is_a_restatement(house: FinraHouse) -> None:
    house.refresh(ROWS)

    outcome = house.refresh(ROWS, updated=date(2025, 12, 16))

    assert actions(outcome) == ["RESTATED"]
    assert house.captures()[-1].source_updated_on == date(2025, 12, 16)
    assert outcome.result.metrics["rows_changed"] == 4


def test_content_that_was_superseded_is_recognised_and_changes_nothing(house: FinraHouse) -> None:
    house.refresh(ROWS)
    house.refresh(RESTATED)

    outcome = house.refresh(ROWS)

    assert actions(outcome) == ["ALREADY CAPTURED"]
    assert partitions(outcome)[0]["capture"] == house.captures()[0].id
    assert len(house.captures()) == 2
    assert "EEE" in house.frame("venue_volume").get_column("symbol")


def test_a_capture_carries_three_clocks_and_the_proof_of_its_bytes(house: FinraHouse) -> None:
    path = house.file(ROWS)
    outcome = house.run("refresh_week", file=str(path))

    [capture] = house.captures()
    assert capture.partition.period == WEEK
    assert capture.source_updated_on == WEEK + timedelta(days=35)
    assert outcome.run.started_at is not None
    assert outcome.run.finished_at is not None
    assert outcome.run.started_at < capture.captured_at < outcome.run.finished_at
    assert house.archive.contents[capture.digest] == path.read_bytes()
    assert (capture.bytes, capture.rows_read) == (path.stat().st_size, 4)


# As known at a time


def moved(rows: list[Row], factor: int) -> list[Row]:
    return [(symbol, mpid, str(Decimal(s) * factor), t * factor) for symbol, mpid, s, t in rows]


@pytest.fixture
def restated(house: FinraHouse) -> tuple[FinraHouse, datetime, dict[str, pl.DataFrame]]:
    """Six weeks of OTC and one of T1, then the first of them restated: the moment before that,
    and all datasets as they were then."""
    for number in range(6):
        house.refresh(moved(ROWS, number + 1), week(number))
    house.refresh([("AAA", "UBSA", "600", 6), ("ZZZ", "UBSA", "1", 1)], week(5), "T1")
    before = house.all_frames()
    known = house.clock.time
    for number in (0, 5):
        house.refresh([*moved(ROWS, 10), ("NEW", "OTCX", "5", 5)], week(number))
    return house, known, before


def test_every_dataset_answers_as_it_was_known(
    restated: tuple[FinraHouse, datetime, dict[str, pl.DataFrame]],
) -> None:
    house, known, before = restated

    then, now = house.all_frames(as_of=known), house.all_frames()

    assert len(before) == 11
    for name, frame in before.items():
        assert frame.height > 0, name
        assert_frame_equal(then[name], frame)
        assert not now[name].equals(frame), f"{name} does not show the restatement"


def test_before_the_first_capture_nothing_was_known(house: FinraHouse) -> None:
    early = house.clock.time
    house.refresh(ROWS)

    assert {frame.height for frame in house.all_frames(as_of=early).values()} == {0}


def test_a_restated_earlier_week_changes_the_rolling_weeks_of_later_ones(
    house: FinraHouse,
) -> None:
    for number in range(6):
        house.refresh([("AAA", "OTCN", "100", 10)], week(number))
    known = house.clock.time
    house.refresh([("AAA", "OTCN", "700", 10)], week(0))

    then = house.frame("rolling_6w", first_period=week(5), as_of=known)
    now = house.frame("rolling_6w", first_period=week(5))

    assert then.select("mean_shares", "max_shares", "trend_pct", "trend").row(0) == (
        100.0,
        Decimal(100),
        0.0,
        "FLAT",
    )
    assert now.select("mean_shares", "max_shares", "trend").row(0) == (200.0, Decimal(700), "DOWN")
    assert now.get_column("trend_pct")[0] == pytest.approx(-600 / 7)
    assert house.frame("symbol_summary", first_period=week(5)).height == 1


def test_six_weeks_by_hand(house: FinraHouse) -> None:
    shares = (100, 110, 90, 120, 80, 130)
    for number, each in enumerate(shares):
        rows: list[Row] = [("AAA", "OTCN", str(each), 10 + number)]
        if number in (2, 5):
            rows.append(("SOME", "OTCX", "0" if number == 2 else "8", 3))
        if number == 5:
            rows.append(("ONCE", "OTCX", "4.5", 1))
        house.refresh(rows, week(number))

    rolling = house.frame("rolling_6w")

    assert rolling.get_column("week_start").unique().to_list() == [week(5)]
    aaa, once, some = rolling.sort("symbol").iter_rows(named=True)
    assert (aaa["weeks_present"], aaa["is_complete"]) == (6, True)
    assert (aaa["mean_shares"], aaa["min_shares"], aaa["max_shares"]) == (105.0, 80, 130)
    assert (aaa["mean_trades"], aaa["min_trades"], aaa["max_trades"]) == (12.5, 10, 15)
    assert (aaa["trend_pct"], aaa["trend"]) == (30.0, "UP")
    assert (once["weeks_present"], once["is_complete"], once["trend_pct"]) == (1, False, None)
    assert (some["weeks_present"], some["mean_shares"]) == (2, 4.0)
    assert (some["trend_pct"], some["trend"]) == (None, "FLAT")


def test_a_missing_week_is_named_and_there_are_no_rolling_rows(house: FinraHouse) -> None:
    for number in (0, 1, 3, 4, 5):
        outcome = house.refresh(ROWS, week(number))

    assert house.frame("rolling_6w").height == 0
    [said] = [text for text in outcome.result.warnings if "INSUFFICIENT_HISTORY" in text]
    assert "1 of 6 weeks are missing (2025-11-24)" in said


def test_weeks_in_reverse_order_give_the_same_datasets(tmp_path: Path) -> None:
    frames = []
    for order in (range(7), reversed(range(7))):
        folder = tmp_path / str(len(frames))
        folder.mkdir()
        house = FinraHouse(folder)
        for number in order:
            house.refresh(moved(ROWS, 1 + number % 3), week(number))
            house.refresh(moved(ROWS[:2], 1 + number), week(number), "T1")
        frames.append(house.all_frames())

    forward, backward = frames
    for name, frame in forward.items():
        assert frame.height > 0
        assert_frame_equal(backward[name], frame)


@pytest.mark.parametrize("seed", range(3))
def test_datasets_are_the_same_to_the_bit_whatever_the_order_of_rows(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    rows: list[Row] = [
        (f"S{number % 17}", f"M{number % 7}", f"{chance.randrange(10**9)}.{number:06d}", number)
        for number in range(17 * 7)
    ]
    frames = []
    for turn in range(2):
        folder = tmp_path / str(turn)
        folder.mkdir()
        house = FinraHouse(folder)
        for number in range(6):
            house.refresh(rows, week(number))
            chance.shuffle(rows)
        frames.append(house.all_frames())

    for name, frame in frames[0].items():
        assert frame.height > 0, name
        assert frames[1][name].equals(frame), name


def test_a_stage_is_noted_for_each_partition(house: FinraHouse) -> None:
    house.refresh(ROWS)

    assert house.stages() == [
        (Stage.CAPTURED.value, None, False),
        (Stage.NORMALIZED.value, "A", False),
        (Stage.MEASURED.value, "B", False),
    ]
