"""``spine data``: every format says the same, value for value, and wrong questions are told."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cli_spine import DOMAIN, Spine, weekly_file

DATASETS = (
    "venue_volume",
    "symbol_summary",
    "venue_share",
    "symbol_venue_share",
    "concentration",
    "tier_split",
    "trading_day_volume",
    "rolling_6w",
    "liquidity",
    "venue_share_change",
    "research_snapshot",
)
EMPTY = ("rolling_6w", "venue_share_change")  # one week has no history
VOLUME = f"{DOMAIN}.venue_volume"
OTC = ("--week", "2025-11-10", "--tier", "OTC")


def rows(spine: Spine, *words: str, dataset: str = VOLUME) -> list[dict[str, Any]]:
    said = spine("data", "show", dataset, *words, "--format", "json")
    found: list[dict[str, Any]] = json.loads(said.out, parse_float=Decimal)
    return found


def test_the_datasets_are_listed_with_key_and_columns(there: Spine) -> None:
    listed = {spec["name"]: spec for spec in there("data", "list", "--json").json()}

    assert set(listed) == {f"{DOMAIN}.{name}" for name in DATASETS}
    volume = listed[VOLUME]
    assert volume["key"] == ["week_start", "tier", "symbol", "mpid"]
    assert [column["name"] for column in volume["columns"]] == [
        "week_start",
        "tier",
        "symbol",
        "mpid",
        "venue_name",
        "issue_name",
        "shares",
        "trades",
        "last_update_date",
    ]
    text = there("data", "list").out
    assert all(f"{DOMAIN}.{name}" in text for name in DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_all_formats_agree_value_for_value(there: Spine, tmp_path: Path, name: str) -> None:
    dataset = f"{DOMAIN}.{name}"
    target = tmp_path / "out.parquet"
    there("data", "show", dataset, "-f", "parquet", "-o", target)
    frame = pl.read_parquet(target)
    as_csv = list(csv.reader(io.StringIO(there("data", "show", dataset, "-f", "csv").out)))
    as_json = rows(there, dataset=dataset)

    assert as_csv[0] == frame.columns
    assert (frame.height == 0) == (name in EMPTY)
    assert len(as_csv) - 1 == len(as_json) == frame.height
    for texts, document, values in zip(as_csv[1:], as_json, frame.rows(), strict=True):
        assert list(document) == frame.columns
        for text, told, value in zip(texts, document.values(), values, strict=True):
            assert text == as_text(value)
            assert same(told, value)


def as_text(value: Any) -> Any:
    """The value as the CSV has it; a float only compares."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return Same(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)


class Same:
    """Equal to each text of just this number."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and float(other) == self.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return repr(self.value)


def same(told: Any, value: Any) -> bool:
    if isinstance(value, float):
        return float(told) == value
    if isinstance(value, Decimal | int | bool) or value is None:
        return bool(told == value)
    return bool(told == str(value))


def test_symbols_names_and_fractions_survive(there: Spine) -> None:
    found = {(row["symbol"], row["mpid"]): row for row in rows(there, *OTC)}

    assert set(found) == {
        ("TRUE", "OTCN"),
        ("TRUE", "OTCX"),
        ("1E5", "OTCN"),
        ("NULL", "OTCN"),
        ("007", "ARCA"),
    }
    assert found["TRUE", "OTCN"]["issue_name"] == 'Quotes "R" Us, Inc.'
    assert found["1E5", "OTCN"]["issue_name"] == "O'Neil & Söhne / AG"
    assert found["1E5", "OTCN"]["shares"] == Decimal("0.25")
    assert found["NULL", "OTCN"]["shares"] == Decimal("12345678901.123456")
    assert found["TRUE", "OTCN"]["shares"] == 101


@pytest.mark.parametrize("symbol", ["TRUE", "1E5", "NULL", "007"])
def test_a_symbol_is_found_exactly_as_it_is_written(there: Spine, symbol: str) -> None:
    assert {row["symbol"] for row in rows(there, "--symbol", symbol)} == {symbol}
    assert rows(there, "--symbol", symbol.lower() + " ") == []


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--where", "mpid=OTCN"), 3),
        (("--where", "shares=0.25"), 1),
        (("--where", "trades=4"), 1),
        (("--where", "last_update_date=2025-12-01"), 1),
        (("--where", "week_start=2025-11-10"), 6),
        (("--where", "mpid=OTCN", "-w", "symbol=TRUE"), 1),
        (("--where", "symbol=TRUE", "--symbol", "NULL"), 0),
        (("--where", "tier=T1", "--tier", "OTC"), 0),
        (("--where", 'issue_name=Quotes "R" Us, Inc.'), 2),
        (("--where", "issue_name==1+1"), 1),
        (("--tier", "T1"), 1),
        (("--tier", "otce"), 5),
        (("--week", "2025-11-17"), 0),
        (("--from", "2025-11-10"), 6),
        (("--to", "2025-11-10"), 6),
        (("--from", "2025-11-10", "--to", "2025-11-10"), 6),
        (("--from", "2025-11-17"), 0),
        (("--to", "2025-11-03"), 0),
        (("--limit", "0"), 0),
        (("--limit", "1"), 1),
        (("--limit", "5"), 5),
        (("-n", "100"), 6),
    ],
)
def test_rows_are_selected(there: Spine, words: tuple[str, ...], count: int) -> None:
    assert len(rows(there, *words)) == count


def test_the_past_is_answered_as_it_was_known(there: Spine) -> None:
    captures = there("captures", "list", "--tier", "OTC", "--json").json()
    assert [capture["sequence"] for capture in captures] == [2, 1]
    words = (*OTC, "--symbol", "TRUE", "--where", "mpid=OTCN", "--as-of")

    then = rows(there, *words, captures[1]["captured_at"])
    now = rows(there, *words, captures[0]["captured_at"])
    before = rows(there, *words, "2020-01-01")

    assert ([row["shares"] for row in then], [row["shares"] for row in now]) == ([100], [101])
    assert before == []


def test_a_table_shows_rows_and_where_there_are_more(there: Spine) -> None:
    said = there("data", "show", VOLUME, "--limit", "2").out

    assert "TRUE" not in said  # 007 and 1E5 come first
    assert "007" in said
    assert "12,345,678,901" not in said


def test_an_empty_answer_is_said_in_every_format(there: Spine, tmp_path: Path) -> None:
    words = ("data", "show", VOLUME, "--week", "2025-11-17", "--format")

    assert there(*words, "table").out.strip() == "nothing found"
    assert there(*words, "csv").out.count("\n") == 1
    assert there(*words, "json").out == "[]\n"
    there(*words, "parquet", "-o", tmp_path / "none.parquet")
    frame = pl.read_parquet(tmp_path / "none.parquet")
    assert (frame.height, frame.columns[0]) == (0, "week_start")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_file_gets_what_stdout_would(there: Spine, tmp_path: Path, form: str) -> None:
    target = tmp_path / "out"
    said = there("data", "show", VOLUME, "-f", form, "-o", target)

    assert target.read_text() == there("data", "show", VOLUME, "-f", form).out
    assert said.out == ""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((VOLUME, "--where", "venue=OTCN"), ("no column 'venue'", "mpid")),
        ((VOLUME, "--where", "trades=many"), ("'many'", "trades", "Int64")),
        ((VOLUME, "--where", "week_start=Monday"), ("'Monday'", "Date")),
        ((VOLUME, "--where", "mpid"), ("--where 'mpid'", "key=value")),
        ((VOLUME, "--week", "2025-11-11"), ("Tuesday", "2025-11-10")),
        ((VOLUME, "--week", "soon"), ("--week 'soon'", "YYYY-MM-DD")),
        ((VOLUME, "--tier", "T3"), ("'T3' is no tier", "T1")),
        ((VOLUME, "--as-of", "yesterday"), ("--as-of 'yesterday'", "ISO")),
        ((VOLUME, "-f", "table", "-o", "x.txt"), ("--format csv",)),
        ((f"{DOMAIN}.venue_share", "--symbol", "TRUE"), ("no column 'symbol'",)),
        ((f"{DOMAIN}.tier_split", "--tier", "OTC"), ("no column 'tier'",)),
        ((VOLUME, "--limit", "-1"), ("--limit",)),
        ((VOLUME, "--week", "2025-11-10", "--from", "2025-11-10"), ("--week", "--from and --to")),
        ((VOLUME, "--week", "2025-11-10", "--to", "2025-11-10"), ("--week", "--from and --to")),
        ((VOLUME, "--from", "2025-11-17", "--to", "2025-11-10"), ("later than --to",)),
        ((VOLUME, "--from", "2025-11-11"), ("Tuesday",)),
        ((VOLUME, "--to", "later"), ("--to 'later'", "YYYY-MM-DD")),
        ((VOLUME, "-o", "x.txt"), ("x.txt", "--format csv")),
        ((VOLUME, "-o", "x"), ("--format csv",)),
        ((VOLUME, "--format", "xml"), ("xml",)),
        ((), ("DATASET",)),
    ],
)
def test_wrong_questions_are_wrong_usage(
    there: Spine, words: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    said = there("data", "show", *words, code=2)

    assert said.out == ""
    for text in expected:
        assert text.lower() in said.err.lower()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((VOLUME, "--symbol", "NONE"), "no row matches the filters"),
        ((VOLUME, "--where", "mpid=NONE"), "no row matches the filters"),
        ((VOLUME, "--week", "2025-11-17"), "no capture of the week of 2025-11-17; the only week"),
        ((VOLUME, "--from", "2025-11-17"), "no capture of the weeks 2025-11-17 to ..."),
        ((VOLUME, "--tier", "T2"), "no capture of tier T2"),
        ((VOLUME, "--as-of", "2020-01-01"), "by 2020-01-01 23:59:59 UTC; the first capture is of"),
        ((VOLUME, "--limit", "0"), "a limit of 0"),
        ((f"{DOMAIN}.rolling_6w",), "it may need more weeks"),
    ],
)
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_an_empty_answer_says_why(
    there: Spine, words: tuple[str, ...], why: str, form: str
) -> None:
    said = there("data", "show", *words, "-f", form)

    assert why in said.err
    assert said.err.count("\n") == 1
    assert why not in said.out


def test_an_answer_with_rows_has_nothing_to_explain(there: Spine) -> None:
    assert there("data", "show", VOLUME).err == ""


def test_nothing_captured_at_all_is_said(spine: Spine) -> None:
    assert f"nothing of {DOMAIN} has been captured" in spine("data", "show", VOLUME).err


def test_the_first_capture_of_an_earlier_question_is_named(there: Spine) -> None:
    captures = there("captures", "list", "--json").json()
    first = min(item["captured_at"] for item in captures)

    said = there("data", "show", VOLUME, "--as-of", "2020-01-01")

    assert first[:19].replace("T", " ") in said.err


def test_captured_but_not_measured_is_said(spine: Spine, tmp_path: Path) -> None:
    row = "OTC|AAA|A Inc.|OTCN ATS|OTCN|100|2|2025-12-15"
    spine.run("ingest_week", file=weekly_file(tmp_path, "otc_20251215.csv", row))

    said = spine("data", "show", VOLUME)

    assert "not measured" in said.err
    assert "spine manifest list" in said.err


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_the_ending_of_the_file_gives_the_format(there: Spine, tmp_path: Path, form: str) -> None:
    inferred, asked = tmp_path / f"a.{form.upper()}", tmp_path / "b"

    said = there("data", "show", VOLUME, "-o", inferred)
    there("data", "show", VOLUME, "-f", form, "-o", asked)

    assert inferred.read_bytes() == asked.read_bytes()
    assert (said.out, said.err) == ("", f"6 rows -> {inferred}\n")


def test_the_format_that_is_asked_for_wins_over_the_ending(there: Spine, tmp_path: Path) -> None:
    there("data", "show", VOLUME, "-f", "csv", "-o", tmp_path / "x.json")

    assert (tmp_path / "x.json").read_text().startswith("week_start,tier")


def test_a_table_shows_decimals_to_the_last_digit(there: Spine) -> None:
    lines = there("data", "show", VOLUME, *OTC).out.splitlines()

    shares = {line.split()[2]: line for line in lines[2:] if "OTCN" in line}
    assert "   12,345,678,901.123456   " in shares["NULL"]
    assert " 0.25   " in shares["1E5"]
    ends = {
        line.index(text) + len(text)
        for text, line in zip(
            ("12,345,678,901.123456", " 0.25", " 101"),
            (shares["NULL"], shares["1E5"], shares["TRUE"]),
            strict=True,
        )
    }
    assert len(ends) == 1  # right-aligned


def test_a_dataset_is_described_column_by_column(there: Spine) -> None:
    told = there("data", "describe", VOLUME, "--json").json()
    text = there("data", "describe", VOLUME).out

    [listed] = [item for item in there("data", "list", "--json").json() if item["name"] == VOLUME]
    assert told == listed
    columns = {item["name"]: item for item in told["columns"]}
    assert [name for name, item in columns.items() if item["key"]] == told["key"]
    assert columns["shares"]["type"] == "Decimal(18,6)"
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    for name, item in columns.items():
        assert item["description"] in lines[name]
        assert item["type"] in lines[name]
        assert ("   key   " in lines[name]) == item["key"]
    assert "spine data describe NAME" in there("data", "list").out


@pytest.mark.parametrize("question", ["describe", "show"])
def test_an_unknown_dataset_is_not_there(there: Spine, question: str) -> None:
    said = there("data", question, VOLUME[:-1], code=3)

    assert said.out == ""
    assert f"did you mean {VOLUME}" in said.err


def test_a_refused_question_leaves_the_file_alone(there: Spine, tmp_path: Path) -> None:
    target = tmp_path / "kept.csv"
    target.write_text("mine")

    there("data", "show", VOLUME, "--where", "x=1", "-f", "csv", "-o", target, code=2)

    assert target.read_text() == "mine"


def test_a_file_that_cannot_be_written_is_told(there: Spine, tmp_path: Path) -> None:
    said = there("data", "show", VOLUME, "-f", "csv", "-o", tmp_path / "no" / "out", code=1)

    assert "cannot be written" in said.err
