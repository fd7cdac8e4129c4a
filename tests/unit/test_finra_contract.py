"""Rows of the weekly file become accepted rows or rejects, each exactly one of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.domain.errors import Category, ValidationError
from market_spine.domain.finra_otc.contract import (
    ACCEPTED_SCHEMA,
    HEADER,
    Normalized,
    normalize,
    split_by_tier,
)
from market_spine.domain.finra_otc.rejects import REJECT_SCHEMA
from market_spine.domain.finra_otc.weeks import Tier

SOUND = {
    "tierDescription": "OTC",
    "issueSymbolIdentifier": "AABB",
    "issueName": "Asia Broadband Inc Common Stock",
    "marketParticipantName": "OTCN OTC LINK NQB IDQS",
    "MPID": "OTCN",
    "totalWeeklyShareQuantity": "6753871",
    "totalWeeklyTradeCount": "171",
    "lastUpdateDate": "2025-12-15",
}


def raw(rows: pl.DataFrame) -> pl.Series:
    assert not rows.is_empty(), "raw text is asked for rejects only"
    return rows.select(
        pl.concat_str(pl.col(HEADER).cast(pl.String).fill_null(""), separator="|").alias("raw")
    ).to_series()


def never(rows: pl.DataFrame) -> pl.Series:
    raise AssertionError(f"raw text was asked for {rows.height} rows, though none is rejected")


def frame(*changes: Mapping[str, str | None]) -> pl.DataFrame:
    """One row per change to the sound row, on lines 2, 3, ..., each of its own symbol."""
    rows = [
        {**SOUND, "issueSymbolIdentifier": f"SYM{index}", **change}
        for index, change in enumerate(changes)
    ]
    texts = pl.DataFrame(rows, schema=dict.fromkeys(HEADER, pl.String))
    return texts.with_columns(pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias("_line"))


def rejected(**change: str | None) -> dict[str, Any]:
    """The one reject that a sound row with this change becomes."""
    result = normalize(frame(change), Tier.OTC, raw)
    assert (result.accepted.height, result.rejects.height) == (0, 1)
    return result.rejects.row(0, named=True)


def accepted(**change: str | None) -> dict[str, Any]:
    """The accepted row that a sound row with this change becomes."""
    result = normalize(frame(change), Tier.OTC, never)
    assert (result.accepted.height, result.rejects.height) == (1, 0)
    return result.accepted.row(0, named=True)


def test_a_sound_row_is_accepted_with_its_types() -> None:
    result = normalize(frame({"issueSymbolIdentifier": "AABB"}), Tier.OTC, never)
    assert result.rows_read == 1
    assert dict(result.accepted.schema) == ACCEPTED_SCHEMA
    assert dict(result.rejects.schema) == REJECT_SCHEMA
    assert result.accepted.rows() == [
        (
            "AABB",
            "OTCN",
            "OTCN OTC LINK NQB IDQS",
            "Asia Broadband Inc Common Stock",
            Decimal("6753871.000000"),
            171,
            date(2025, 12, 15),
        )
    ]


@pytest.mark.parametrize("symbol", ["TRUE", "1E5", "BRK.B", "ABRpD", "null", "NaN", "00123", "é"])
def test_a_symbol_stays_what_it_is(symbol: str) -> None:
    assert accepted(issueSymbolIdentifier=symbol)["symbol"] == symbol


def test_space_around_symbol_mpid_and_numbers_is_cut_off() -> None:
    row = accepted(
        issueSymbolIdentifier=" BRK.B\t",
        MPID=" OTCX ",
        totalWeeklyShareQuantity=" 5 ",
        totalWeeklyTradeCount=" 6 ",
        lastUpdateDate=" 2025-12-15 ",
    )
    assert (row["symbol"], row["mpid"], row["shares"], row["trades"]) == ("BRK.B", "OTCX", 5, 6)
    assert row["last_update_date"] == date(2025, 12, 15)


@pytest.mark.parametrize("name", ["Two  Spaces, (A) & 'B' /#%$:", ' "quoted"', " led", "x" * 201])
def test_a_name_is_kept_as_given(name: str) -> None:
    row = accepted(issueName=name, marketParticipantName=name)
    assert (row["issue_name"], row["venue_name"]) == (name, name)


@pytest.mark.parametrize("name", [None, "", "   "])
def test_a_blank_name_is_an_empty_text(name: str | None) -> None:
    row = accepted(issueName=name, marketParticipantName=name)
    assert (row["issue_name"], row["venue_name"]) == ("", "")


@pytest.mark.parametrize("length", [1, 20])
@pytest.mark.parametrize("letter", ["x", "é", "漢"])
def test_twenty_characters_are_allowed(length: int, letter: str) -> None:
    assert accepted(issueSymbolIdentifier=letter * length, MPID=letter * length)["symbol"] == (
        letter * length
    )


REJECTS = [
    ("UNKNOWN_TIER", {"tierDescription": "NMS Tier 3"}, "tierDescription 'NMS Tier 3' names no"),
    ("UNKNOWN_TIER", {"tierDescription": None}, "tierDescription '' names no tier"),
    ("TIER_MISMATCH", {"tierDescription": "NMS Tier 1"}, "tier T1 among rows of tier OTC"),
    ("BLANK_SYMBOL", {"issueSymbolIdentifier": None}, "issueSymbolIdentifier is blank"),
    ("BLANK_SYMBOL", {"issueSymbolIdentifier": " \t\u00a0"}, "issueSymbolIdentifier is blank"),
    ("BLANK_MPID", {"MPID": ""}, "MPID is blank"),
    ("SYMBOL_TOO_LONG", {"issueSymbolIdentifier": "x" * 21}, "more than 20 characters"),
    ("MPID_TOO_LONG", {"MPID": "é" * 21}, "more than 20 characters"),
    ("BAD_SHARES", {"totalWeeklyShareQuantity": "1,000"}, "Quantity '1,000' is no number"),
    ("BAD_SHARES", {"totalWeeklyShareQuantity": "NaN"}, "'NaN' is no number"),
    ("BAD_SHARES", {"totalWeeklyShareQuantity": "inf"}, "'inf' is no number"),
    ("BAD_SHARES", {"totalWeeklyShareQuantity": None}, "'' is no number"),
    ("BAD_SHARES", {"totalWeeklyShareQuantity": "1.1234567"}, "12 integer or 6 fraction digits"),
    ("BAD_SHARES", {"totalWeeklyShareQuantity": "1000000000000"}, "more than 12 integer"),
    ("BAD_TRADES", {"totalWeeklyTradeCount": "1.5"}, "'1.5' is no whole number"),
    ("BAD_TRADES", {"totalWeeklyTradeCount": ""}, "'' is no whole number"),
    ("BAD_TRADES", {"totalWeeklyTradeCount": str(2**63)}, "below 2^63"),
    ("NEGATIVE_SHARES", {"totalWeeklyShareQuantity": "-0.000001"}, "'-0.000001' is negative"),
    ("NEGATIVE_TRADES", {"totalWeeklyTradeCount": "-1"}, "'-1' is negative"),
    ("BAD_DATE", {"lastUpdateDate": "2025-02-30"}, "'2025-02-30' is no date"),
    ("BAD_DATE", {"lastUpdateDate": "2025-1-05"}, "is no date"),
    ("BAD_DATE", {"lastUpdateDate": "12/15/2025"}, "is no date"),
    ("BAD_DATE", {"lastUpdateDate": "0000-01-01"}, "is no date"),
    ("BAD_DATE", {"lastUpdateDate": None}, "is no date"),
    (
        "ZERO_VOLUME",
        {"totalWeeklyShareQuantity": "-0.0", "totalWeeklyTradeCount": "0"},
        "shares and trades are both 0",
    ),
]


@pytest.mark.parametrize(("reason", "change", "said"), REJECTS)
def test_a_broken_row_is_rejected_with_its_reason(
    reason: str, change: dict[str, str | None], said: str
) -> None:
    reject = rejected(**change)
    assert reject["reason"] == reason
    assert said in reject["detail"]
    assert reject["line"] == 2
    texts = {**SOUND, "issueSymbolIdentifier": "SYM0", **change}
    assert reject["raw"] == "|".join(texts[name] or "" for name in HEADER)


@pytest.mark.parametrize(
    "change", [{"totalWeeklyShareQuantity": "0"}, {"totalWeeklyTradeCount": "0"}]
)
def test_only_both_together_are_zero_volume(change: dict[str, str]) -> None:
    accepted(**change)


def test_a_long_offending_value_is_cut_in_the_detail_and_kept_in_the_raw_row() -> None:
    reject = rejected(totalWeeklyShareQuantity="x" * 5000)
    assert len(reject["detail"]) < 200
    assert "x" * 5000 in reject["raw"]


def test_the_first_reason_is_named_and_all_are_told_in_order() -> None:
    reject = rejected(
        tierDescription="?",
        issueSymbolIdentifier="",
        MPID="",
        totalWeeklyShareQuantity="x",
        totalWeeklyTradeCount="-1",
        lastUpdateDate="today",
    )
    assert reject["reason"] == "UNKNOWN_TIER"
    assert reject["detail"] == (
        "tierDescription '?' names no tier; issueSymbolIdentifier is blank; MPID is blank; "
        "totalWeeklyShareQuantity 'x' is no number; totalWeeklyTradeCount '-1' is negative; "
        "lastUpdateDate 'today' is no date (year-month-day)"
    )


def test_of_rows_with_one_key_the_first_line_wins_wherever_it_stands() -> None:
    key = {"issueSymbolIdentifier": "A", "MPID": "M"}
    rows = frame(
        {**key, "totalWeeklyTradeCount": "1"},
        {**key, "totalWeeklyTradeCount": "2"},
        {"issueSymbolIdentifier": "B", "MPID": "M"},
        {**key, "totalWeeklyTradeCount": "4"},
    ).reverse()
    result = normalize(rows, Tier.OTC, raw)
    assert result.accepted.select("symbol", "trades").rows() == [("A", 1), ("B", 171)]
    assert result.rejects.select("line", "reason", "detail").rows() == [
        (line, "DUPLICATE_KEY", "symbol 'A' of venue 'M' stands on line 2 already")
        for line in (3, 5)
    ]
    assert "|2|" in result.rejects["raw"][0]


def test_the_first_line_wins_also_where_rows_come_sorted_by_key() -> None:
    rows = frame(*[{"issueSymbolIdentifier": name} for name in "ABBC"])[[0, 2, 1, 3]]
    result = normalize(rows, Tier.OTC, raw)
    assert result.accepted.height == 3
    assert result.rejects["line"].to_list() == [4]


def test_keys_that_differ_in_case_are_different() -> None:
    rows = frame({"issueSymbolIdentifier": "ABRpD"}, {"issueSymbolIdentifier": "ABRPD"})
    assert normalize(rows, Tier.OTC, never).accepted["symbol"].to_list() == ["ABRPD", "ABRpD"]


def test_a_broken_row_is_no_rival_for_a_key() -> None:
    key = {"issueSymbolIdentifier": "A"}
    rows = frame({**key, "totalWeeklyShareQuantity": "x"}, key)
    result = normalize(rows, Tier.OTC, raw)
    assert result.accepted["symbol"].to_list() == ["A"]
    assert result.rejects["reason"].to_list() == ["BAD_SHARES"]


def test_rows_are_sorted_byte_by_byte_and_rejects_by_line() -> None:
    symbols = ["b", "é", "B", "a.", "a", "Z", "10", "9"]
    changes: list[dict[str, str | None]] = [{"issueSymbolIdentifier": name} for name in symbols]
    changes += [{"MPID": None}, {"lastUpdateDate": None}]
    shuffled = frame(*changes).sample(fraction=1, shuffle=True, seed=1)
    result = normalize(shuffled, Tier.OTC, raw)
    assert result.accepted["symbol"].to_list() == sorted(symbols, key=str.encode)
    assert result.rejects["line"].to_list() == [10, 11]


def test_columns_may_stand_in_any_order_and_be_more() -> None:
    rows = frame({}).select("_line", *reversed(HEADER), pl.lit("x").alias("weekStartDate"))
    assert normalize(rows, Tier.OTC, never).accepted.height == 1


@pytest.mark.parametrize("use", [split_by_tier, lambda rows: normalize(rows, Tier.OTC, never)])
def test_a_missing_column_is_named(use: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        use(frame({}).drop("MPID", "issueName"))
    assert caught.value.category is Category.VALIDATION
    assert "issueName, MPID" in caught.value.message


def test_no_rows_give_empty_frames_with_their_types() -> None:
    result = normalize(frame(), Tier.OTC, never)
    assert result.rows_read == result.accepted.height == result.rejects.height == 0
    assert dict(result.accepted.schema) == ACCEPTED_SCHEMA
    assert dict(result.rejects.schema) == REJECT_SCHEMA


def test_native_types_of_json_and_parquet_are_read() -> None:
    rows = pl.DataFrame(
        {
            "tierDescription": pl.Series(["OTC"] * 3, dtype=pl.Categorical),
            "issueSymbolIdentifier": [7, 8, 9],
            "issueName": pl.Series([None] * 3, dtype=pl.Null),
            "marketParticipantName": [True, False, None],
            "MPID": [b"OTCN", b"OTCX", b"\xff\xfe"],
            "totalWeeklyShareQuantity": [123.5, 1.25e9, float("nan")],
            "totalWeeklyTradeCount": [171.0, 1.0, 2.5],
            "lastUpdateDate": [date(2025, 12, 15)] * 3,
            "_line": pl.Series([1, 2, 3], dtype=pl.UInt32),
        }
    )
    result = normalize(rows, Tier.OTC, raw_json)
    assert result.accepted.select("symbol", "mpid", "venue_name", "shares", "trades").rows() == [
        ("7", "OTCN", "true", Decimal("123.5"), 171),
        ("8", "OTCX", "false", Decimal(1250000000), 1),
    ]
    assert result.accepted["last_update_date"].to_list() == [date(2025, 12, 15)] * 2
    reject = result.rejects.row(0, named=True)
    assert reject["reason"] == "BLANK_MPID"
    assert "'NaN' is no number" in reject["detail"]
    assert "'2.5' is no whole number" in reject["detail"]


def raw_json(rows: pl.DataFrame) -> pl.Series:
    return pl.Series("raw", ["{}"] * rows.height)


def test_nested_and_timed_values_are_no_crash() -> None:
    rows = frame({}).with_columns(
        pl.lit([1, 2]).alias("issueName"),
        pl.struct(pl.lit(1).alias("a")).alias("totalWeeklyShareQuantity"),
        pl.lit(datetime(2025, 12, 15, 6, 30, tzinfo=UTC)).alias("lastUpdateDate"),
    )
    reject = normalize(rows, Tier.OTC, raw_json).rejects.row(0, named=True)
    assert (reject["reason"], reject["detail"].count(";")) == ("BAD_SHARES", 0)


def test_rows_are_split_by_the_tier_they_name() -> None:
    rows = frame(
        {"tierDescription": "OTC"},
        {"tierDescription": "nms tier 2"},
        {"tierDescription": "T2"},
        {"tierDescription": "NA"},
        {"tierDescription": None},
        {"tierDescription": "NMS Tier 1"},
    )
    parts = {tier: part["_line"].to_list() for tier, part in split_by_tier(rows).items()}
    assert list(parts) == [Tier.T1, Tier.T2, Tier.OTC]
    assert parts == {Tier.OTC: [2], Tier.T2: [3, 4, 5, 6], Tier.T1: [7]}


def test_of_equally_large_tiers_the_first_takes_the_rows_that_name_none() -> None:
    rows = frame({"tierDescription": "OTC"}, {"tierDescription": "T2"}, {"tierDescription": ""})
    parts = {tier: part["_line"].to_list() for tier, part in split_by_tier(rows).items()}
    assert parts == {Tier.T2: [3, 4], Tier.OTC: [2]}


@pytest.mark.parametrize(
    "rows", [frame(), frame({"tierDescription": "x"}, {"tierDescription": None})]
)
def test_where_no_row_names_a_tier_all_rows_stand_under_none(rows: pl.DataFrame) -> None:
    parts = split_by_tier(rows)
    assert list(parts) == [None]
    assert parts[None].equals(rows)


nasty = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.sampled_from(
        ["", " ", "OTC", "T1", "NMS Tier 2", "A", "B", "M", "0", "1", "-1", "1.5", "2025-12-15"]
    ),
    st.sampled_from(list(SOUND.values())),
)


@st.composite
def nasty_frames(draw: st.DrawFn) -> pl.DataFrame:
    columns = {
        name: st.one_of(st.just(SOUND[name]), nasty) if name != "issueSymbolIdentifier" else nasty
        for name in HEADER
    }
    rows = draw(st.lists(st.fixed_dictionaries(columns), max_size=12))
    return frame(*rows)


@given(nasty_frames(), st.sampled_from(list(Tier)))
def test_every_row_is_accepted_or_rejected_and_none_twice(rows: pl.DataFrame, tier: Tier) -> None:
    result = normalize(rows, tier, raw)
    check_balance(rows, result)


@given(nasty_frames())
def test_splitting_loses_no_row(rows: pl.DataFrame) -> None:
    parts = split_by_tier(rows)
    lines = sorted(line for part in parts.values() for line in part["_line"].to_list())
    assert lines == rows["_line"].to_list()
    for tier, part in parts.items():
        check_balance(part, normalize(part, tier or Tier.T1, raw))


@given(nasty_frames(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: pl.DataFrame, random: Any) -> None:
    order = list(range(rows.height))
    random.shuffle(order)
    result, other = normalize(rows, Tier.OTC, raw), normalize(rows[order], Tier.OTC, raw)
    assert result.accepted.equals(other.accepted)
    assert result.rejects.equals(other.rejects)


def check_balance(rows: pl.DataFrame, result: Normalized) -> None:
    assert result.rows_read == rows.height == result.accepted.height + result.rejects.height
    assert dict(result.accepted.schema) == ACCEPTED_SCHEMA
    assert dict(result.rejects.schema) == REJECT_SCHEMA
    assert sum(result.accepted.null_count().row(0)) == 0
    assert sum(result.rejects.null_count().row(0)) == 0
    assert result.accepted.select("symbol", "mpid").is_unique().all()
    assert set(result.rejects["line"]) <= set(rows["_line"])
    assert result.rejects["line"].is_unique().all()
    assert result.rejects["line"].is_sorted()
    keys = result.accepted.select("symbol", "mpid").rows()
    assert keys == sorted(keys, key=lambda key: (key[0].encode(), key[1].encode()))
