"""Each part of the refresh alone: ingest, normalize, measure; replay from the archive."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from finra_refresh_house import (
    WEEK,
    FinraHouse,
    Row,
    actions,
    file_name,
    line,
    partitions,
    published,
    week,
    weekly_text,
)
from polars.testing import assert_frame_equal

from market_spine.application.finra_otc import refresh
from market_spine.application.finra_otc.stages import Measured, measure_rows
from market_spine.domain.captures import ManifestEntry, Stage
from market_spine.domain.errors import Category
from market_spine.domain.finra_otc.contract import HEADER

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS: list[Row] = [
    ("AAA", "OTCN", "100", 2),
    ("AAA", "OTCX", "300.25", 4),
    ("TRUE", "OTCN", "50", 1),
    ("1E5", "ARCA", "7", 7),
    ("", "ARCA", "7", 7),
]


def same_frames(house: FinraHouse, other: FinraHouse) -> None:
    theirs = other.all_frames()
    for name, frame in house.all_frames().items():
        assert_frame_equal(theirs[name], frame, check_exact=True)


def parts(house: FinraHouse, **where: Any) -> None:
    for name in ("normalize_week", "measure_week"):
        outcome = house.run(name, **where)
        assert outcome.result.ok, outcome.result.error


def test_the_parts_give_exactly_what_the_whole_gives(house: FinraHouse, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = FinraHouse(folder)
    for number in range(6):
        house.refresh(ROWS[number % 2 :], week(number))
        path = other.file(ROWS[number % 2 :], week(number))
        outcome = other.run("ingest_week", file=str(path))
        assert outcome.result.ok, outcome.result.error
        assert other.frame("venue_volume", first_period=week(number)).height == 0
        parts(other, week=week(number), tier="OTC")

    same_frames(house, other)
    assert house.frame("rolling_6w").height == 3
    assert house.rejects() == other.rejects()
    assert house.stages() == other.stages()


def test_ingesting_only_captures(house: FinraHouse) -> None:
    path = house.file(ROWS)

    first = house.run("ingest_week", file=str(path))
    again = house.run("ingest_week", file=str(path))

    assert (actions(first), actions(again)) == (["CAPTURED"], ["ALREADY CAPTURED"])
    assert house.stages() == [("CAPTURED", None, False)]
    [capture] = house.captures()
    assert capture.rows_read == 5
    assert house.archive.contents[capture.digest] == path.read_bytes()


def test_a_refresh_resumes_what_was_only_ingested(house: FinraHouse) -> None:
    path = house.file(ROWS)
    house.run("ingest_week", file=str(path))

    outcome = house.run("refresh_week", file=str(path))

    assert actions(outcome) == ["RESUMED"]
    [capture] = house.captures()
    assert (capture.rows_read, capture.rows_accepted, capture.rows_rejected) == (5, 4, 1)
    assert house.frame("symbol_summary").height == 3
    assert actions(house.run("refresh_week", file=str(path))) == ["ALREADY CAPTURED"]


@pytest.mark.parametrize("go_on", ["refresh_week", "normalize_week"])
def test_a_restatement_that_was_ingested_first_is_counted_when_it_is_taken_further(
    house: FinraHouse, go_on: str
) -> None:
    house.refresh(ROWS)
    path = house.file([("AAA", "OTCN", "101", 2), *ROWS[1:3], ("NEW", "ARCA", "7", 7)])
    house.run("ingest_week", file=str(path))
    parameters = {"file": str(path)} if go_on == "refresh_week" else {"week": WEEK, "tier": "OTC"}

    outcome = house.run(go_on, **parameters)

    assert outcome.result.ok, outcome.result.error
    metrics = outcome.result.metrics
    assert [metrics[f"rows_{what}"] for what in ("changed", "appeared", "vanished")] == [1, 1, 1]


def plain(text: str, path: Path) -> dict[str, Any]:
    path.write_text(text)
    return {}


def packed(text: str, path: Path) -> dict[str, Any]:
    path.write_bytes(gzip.compress(text.encode()))
    return {}


def with_byte_order_mark(text: str, path: Path) -> dict[str, Any]:
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    return {}


def utf_16(text: str, path: Path) -> dict[str, Any]:
    path.write_bytes(text.encode("utf-16"))
    return {}


def cp1252(text: str, path: Path) -> dict[str, Any]:
    path.write_bytes(text.replace("AAA Inc.", "Café").encode("cp1252"))
    return {"encoding": "cp1252"}


def json_lines(text: str, path: Path) -> dict[str, Any]:
    frame = pl.read_csv(text.encode(), separator="|", quote_char=None, infer_schema=False)
    frame.write_ndjson(path)
    return {}


def parquet(text: str, path: Path) -> dict[str, Any]:
    frame = pl.read_csv(text.encode(), separator="|", quote_char=None, infer_schema=False)
    frame.write_parquet(path)
    return {}


@pytest.mark.parametrize(
    "write", [plain, packed, with_byte_order_mark, utf_16, cp1252, json_lines, parquet]
)
def test_a_capture_is_replayed_from_the_archive_when_its_file_is_gone(
    house: FinraHouse, write: Callable[[str, Path], dict[str, Any]]
) -> None:
    path = house.folder / file_name(WEEK)
    given = write(weekly_text(ROWS), path)
    house.run("refresh_week", file=str(path), **given)
    before, rejects = house.all_frames(), house.rejects()
    assert before["venue_volume"].height == 4
    path.unlink()

    outcome = house.run("normalize_week", week=WEEK, tier="OTC")
    house.run("measure_week", week=WEEK, tier="OTC")

    assert actions(outcome) == ["REPLAYED"]
    assert outcome.result.metrics["rows_accepted"] == 4
    assert house.rejects() == rejects
    assert len(house.captures()) == 1
    for name, frame in house.all_frames().items():
        assert_frame_equal(frame, before[name], check_exact=True)


def mixed_text() -> str:
    """T1 and OTC rows, one of an unknown tier, one that cannot be taken apart."""
    day = published(WEEK, "T1")
    return "\n".join(
        [
            "|".join(HEADER),
            line(("AAA", "UBSA", "10", 1), "T1", day),
            line(("BBB", "UBSA", "20", 2), "T1", day),
            line(("CCC", "UBSA", "30", 3), "NMS Tier 9", day),
            "too|few|fields",
            line(("DDD", "OTCN", "40", 4), "OTC", day),
        ]
    )


def test_a_file_of_several_tiers_is_a_capture_of_each(house: FinraHouse) -> None:
    path = house.folder / "mixed.psv"
    path.write_text(mixed_text())

    outcome = house.run("refresh_week", file=str(path), week=WEEK)

    assert outcome.result.ok, outcome.result.error
    t1, otc = partitions(outcome)
    assert (t1["tier"], t1["rows_read"], t1["rows_accepted"], t1["rows_rejected"]) == (
        "T1",
        4,
        2,
        2,
    )
    assert (otc["tier"], otc["rows_read"], otc["rows_accepted"]) == ("OTC", 1, 1)
    assert outcome.result.metrics["rows_read"] == 5
    first, second = house.captures()
    assert first.digest == second.digest
    assert dict(house.rejects(segment="T1"))[4] == "UNKNOWN_TIER"
    assert len(house.rejects()) == 2
    assert actions(house.run("refresh_week", file=str(path), week=WEEK)) == ["ALREADY CAPTURED"] * 2


@pytest.mark.parametrize("tier", ["T1", "OTC"])
def test_each_capture_of_a_mixed_file_is_replayed_as_it_was(house: FinraHouse, tier: str) -> None:
    path = house.folder / "mixed.psv"
    path.write_text(mixed_text())
    house.run("refresh_week", file=str(path), week=WEEK)
    before, rejects = house.all_frames(), house.rejects()
    path.unlink()

    outcome = house.run("normalize_week", week=WEEK, tier=tier)

    assert outcome.result.ok, outcome.result.error
    assert house.rejects() == rejects
    for name, frame in house.all_frames().items():
        assert_frame_equal(frame, before[name], check_exact=True)


def test_with_a_given_tier_rows_of_another_are_rejects_also_when_replayed(
    house: FinraHouse,
) -> None:
    path = house.folder / "mixed.psv"
    path.write_text(mixed_text())
    first = house.run("refresh_week", file=str(path), week=WEEK, tier="T1")
    rejects = house.rejects()

    replayed = house.run("normalize_week", week=WEEK, tier="T1")

    for outcome in (first, replayed):
        assert outcome.result.metrics["rows_accepted"] == 2
        assert outcome.result.metrics["rows_rejected"] == 3
    reasons = [reason for _, reason in rejects]
    assert len(reasons) == 3
    assert {"UNKNOWN_TIER", "TIER_MISMATCH"} < set(reasons)
    assert house.rejects() == rejects


# What is refused


def test_measures_do_not_outlive_the_rows_that_they_follow_from(house: FinraHouse) -> None:
    refreshed = house.refresh(ROWS)
    measured = house.frame("symbol_summary")
    (capture,) = house.captures()
    with house.store.write() as unit:  # as a version with other rules would have stored them
        kept = pl.concat(unit.rows.read("finra_otc_venue_volume", capture.key)).head(1)
        unit.rows.replace("finra_otc_venue_volume", capture.key, kept)
        unit.commit()

    replayed = house.run("normalize_week", capture=capture.id)

    assert any("measures were withdrawn" in text for text in replayed.result.warnings)
    assert house.frame("symbol_summary").height == 0
    assert house.frame("venue_volume").height == refreshed.run.metrics["rows_accepted"]
    assert actions(house.refresh(ROWS)) == ["RESUMED"]
    assert_frame_equal(house.frame("symbol_summary"), measured)


def test_replaying_unchanged_rows_keeps_the_measures(house: FinraHouse) -> None:
    house.refresh(ROWS)
    measured = house.frame("symbol_summary")

    house.run("normalize_week", week=WEEK, tier="OTC")

    assert_frame_equal(house.frame("symbol_summary"), measured)


def test_rows_that_are_replaced_while_they_are_measured_are_measured_again(
    house: FinraHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process normalizes between the reading of the rows and the writing of measures."""
    house.refresh(ROWS)
    (capture,) = house.captures()
    measured: list[int] = []

    def interrupted(accepted: pl.DataFrame, *rest: Any) -> Measured:
        measured.append(accepted.height)
        if len(measured) == 1:
            with house.store.write() as unit:
                unit.rows.replace("finra_otc_venue_volume", capture.key, accepted.head(1))
                unit.manifest.record(
                    ManifestEntry(
                        capture.id, capture.partition, Stage.NORMALIZED, capture.run, NOW, 1, "A"
                    )
                )
                unit.commit()
        return measure_rows(accepted, *rest)

    monkeypatch.setattr(refresh, "measure_rows", interrupted)
    outcome = house.run("measure_week", capture=capture.id)

    assert outcome.result.ok, outcome.result.error
    assert measured == [4, 1]
    assert house.frame("symbol_summary").height == house.frame("venue_volume").height == 1


@pytest.mark.parametrize("name", ["normalize_week", "measure_week"])
def test_a_part_without_a_capture_says_which_part_comes_first(house: FinraHouse, name: str) -> None:
    outcome = house.run(name, week=WEEK, tier="OTC")

    assert outcome.result.error is not None
    assert outcome.result.error.category is Category.VALIDATION
    earlier = {"normalize_week": "ingest_week", "measure_week": "normalize_week"}[name]
    assert earlier in (outcome.result.error.hint or "")


@pytest.mark.parametrize("given", [{}, {"week": WEEK}, {"tier": "OTC"}])
def test_a_part_needs_a_capture_or_week_and_tier(house: FinraHouse, given: dict[str, Any]) -> None:
    outcome = house.run("measure_week", **given)

    assert outcome.result.error is not None
    assert "week and tier" in outcome.result.error.message


def test_an_unknown_capture_is_named(house: FinraHouse) -> None:
    outcome = house.run("normalize_week", capture="no-such")

    assert outcome.result.error is not None
    assert "no capture no-such" in outcome.result.error.message


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_archive_is_told_and_what_is_published_stays(
    house: FinraHouse, damage: str
) -> None:
    house.refresh(ROWS)
    before = house.frame("venue_volume")
    [digest] = house.archive.contents
    if damage == "missing":
        del house.archive.contents[digest]
    else:
        house.archive.contents[digest] += b"x"

    outcome = house.run("normalize_week", week=WEEK, tier="OTC")

    assert outcome.result.error is not None
    assert outcome.result.error.category is Category.SOURCE
    assert digest in outcome.result.error.message
    assert_frame_equal(house.frame("venue_volume"), before)
