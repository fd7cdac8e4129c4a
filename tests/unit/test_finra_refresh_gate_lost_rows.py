"""Files that lost rows on their way: what closes the gate, and what is only warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from finra_refresh_house import WEEK, FinraHouse, Row, partitions, published, weekly_text
from polars.testing import assert_frame_equal

from market_spine.domain.captures import PartitionFilter
from market_spine.domain.quality import CheckStatus
from market_spine.domain.runs import RunState

GOOD: list[Row] = [("AAA", "OTCN", "100", 2), ("BBB", "OTCX", "50", 1)]
MANY: list[Row] = [(f"S{number:04d}", "OTCN", "100", 2) for number in range(1000)]


def refused(house: FinraHouse, path: Path, check: str, **given: Any) -> dict[str, Any]:
    """Refresh from a file that closes the gate; the error names ``check``'s message."""
    before = house.all_frames()
    outcome = house.run("refresh_week", file=str(path), **given)
    assert outcome.run.state is RunState.FAILED
    [report] = partitions(outcome)
    assert report["grade"] == "F"
    [said] = [text for text in report["findings"] if text.startswith(f"{check}: ")]
    assert outcome.result.error is not None
    assert said.removeprefix(f"{check}: ") in outcome.result.error.message
    assert house.captures()[-1].id == report["capture"]
    for name, frame in house.all_frames().items():
        assert_frame_equal(frame, before[name])
    return report


def cut(house: FinraHouse, content: bytes, place: int) -> Path:
    path = house.folder / f"cut_{published(WEEK):%Y%m%d}.csv"
    path.write_bytes(content[:place])
    return path


def test_a_file_cut_off_at_any_byte_of_its_last_record_is_refused(house: FinraHouse) -> None:
    house.refresh(GOOD)
    content = weekly_text([*GOOD, ("CCC", "OTCN", "7", 1)]).encode()
    first = content[:-1].rfind(b"\n") + 1

    before_date = content.rfind(b"|") + 1
    for place in range(first + 1, len(content) - 1):
        if place == before_date:
            continue  # no different from a whole row whose date is blank, which is a reject
        report = refused(house, cut(house, content, place), "COMPLETE_FILE", week=WEEK)

        assert (report["rows_accepted"], report["rows_rejected"]) == (2, 1), content[first:place]
        assert any("in the middle of a record (line 4)" in text for text in report["findings"])

    for whole in (content, content[:-1]):
        assert house.run("refresh_week", file=str(cut(house, whole, len(whole)))).result.ok


def test_a_cut_file_is_refused_again_by_a_repeat_by_force_and_by_a_replay(
    house: FinraHouse,
) -> None:
    house.refresh(GOOD)
    content = weekly_text([*GOOD, ("CCC", "OTCN", "7", 1)]).encode()
    path = cut(house, content, len(content) - 30)

    first = refused(house, path, "COMPLETE_FILE")
    again = house.run("refresh_week", file=str(path))
    forced = refused(house, path, "COMPLETE_FILE", force=True)
    replayed = house.run("normalize_week", capture=first["capture"])

    assert house.rejects(capture=first["capture"]) == [(4, "CUT_OFF")]
    for outcome in (again, replayed):
        assert outcome.result.error is not None
        assert "in the middle of a record (line 4)" in outcome.result.error.message
    assert forced["capture"] != first["capture"]


def test_a_cut_concerns_every_tier_of_the_file(house: FinraHouse) -> None:
    """The malformed record is counted with the largest tier; rows of the other may lack."""
    rows = weekly_text(MANY[:5]).splitlines()
    first_tier = weekly_text(GOOD, tier="T1", updated=published(WEEK)).splitlines()[1:]
    path = house.folder / "both.psv"
    path.write_text("\n".join([*rows, *first_tier])[:-25])

    outcome = house.run("refresh_week", file=str(path), week=WEEK)

    assert outcome.run.state is RunState.FAILED
    assert {part["tier"]: part["grade"] for part in partitions(outcome)} == {"T1": "F", "OTC": "F"}
    assert house.frame("venue_volume").height == 0


def test_a_last_row_without_line_end_is_taken(house: FinraHouse) -> None:
    path = house.file(GOOD)
    path.write_text(path.read_text().removesuffix("\n"))

    [report] = partitions(house.run("refresh_week", file=str(path)))

    assert (report["rows_accepted"], report["rows_rejected"]) == (2, 0)


def test_a_file_of_which_a_tenth_is_rejected_is_refused(house: FinraHouse) -> None:
    house.refresh(MANY)
    rows = [(symbol, mpid, "-1", trades) for symbol, mpid, _, trades in MANY[:101]]

    report = refused(house, house.file([*rows, *MANY[101:]]), "REJECT_RATE")

    assert (report["rows_accepted"], report["rows_rejected"]) == (899, 101)
    assert house.frame("venue_volume").height == 1000


@pytest.mark.parametrize(("total", "bad"), [(1000, 100), (999, 500)])
def test_fewer_rejects_or_fewer_rows_are_only_warned_of(
    house: FinraHouse, total: int, bad: int
) -> None:
    rows = [(symbol, mpid, "-1", trades) for symbol, mpid, _, trades in MANY[:bad]]

    outcome = house.refresh([*rows, *MANY[bad:total]])

    assert any("REJECT_RATE: " in text for text in outcome.result.warnings)
    assert house.frame("venue_volume").height == total - bad


def test_rows_that_vanished_are_warned_of(house: FinraHouse) -> None:
    house.refresh(MANY)

    few = house.refresh(MANY[10:])
    many = house.refresh(MANY[300:])

    assert not any("ROWS_VANISHED" in text for text in few.result.warnings)
    [said] = [text for text in many.result.warnings if "ROWS_VANISHED" in text]
    assert "290 of 990 rows (29.29%) of the capture that this one supersedes vanished" in said
    assert house.frame("venue_volume").height == 700


def test_without_a_capture_before_nothing_vanished(house: FinraHouse) -> None:
    house.refresh(MANY)

    [result] = [
        item.result
        for item in house.evidence.quality(PartitionFilter())
        if item.result.check == "ROWS_VANISHED"
    ]

    assert result.status is CheckStatus.SKIP


def test_a_damaged_raw_file_is_healed_by_the_same_file_again(house: FinraHouse) -> None:
    house.refresh(GOOD)
    [capture] = house.captures()
    house.archive.contents[capture.digest] = b"damaged"
    damaged = house.run("normalize_week", capture=capture.id)
    assert damaged.result.error is not None
    assert "is damaged" in damaged.result.error.message

    house.refresh(GOOD, force=True)

    for item in house.captures():
        assert house.run("normalize_week", capture=item.id).result.ok
