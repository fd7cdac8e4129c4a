"""The sample holds what parsers and measures stumble over, and restates like FINRA does."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from market_spine.domain.errors import ValidationError
from market_spine.domain.finra_otc.weeks import Tier
from market_spine.testing.finra_sample import restate, write_sample

Sample = dict[tuple[str, int], list[list[str]]]
"""Rows by tier and number of the week, from 0."""


def records(path: Path) -> list[list[str]]:
    return [line.split("|") for line in path.read_text(encoding="ascii").split("\n")[1:] if line]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_sample(tmp_path_factory.mktemp("quirks"), next_session=lambda day: day)


@pytest.fixture(scope="module")
def sample(paths: list[Path]) -> Sample:
    return {
        (path.stem.split("_")[3].upper(), number // 3): records(path)
        for number, path in enumerate(paths)
    }


def symbols(rows: list[list[str]]) -> set[str]:
    return {row[1] for row in rows}


def test_each_otc_file_has_one_row_without_symbol_and_name(sample: Sample) -> None:
    for (tier, week), rows in sample.items():
        nameless = [row for row in rows if not row[1] or not row[2]]
        assert len(nameless) == (tier == "OTC"), (tier, week)
        for row in nameless:
            assert row[1:3] == ["", ""]
            assert row[5:7] == ["1", "1"]


def test_exactly_one_file_lacks_the_final_newline(paths: list[Path]) -> None:
    assert [path.name for path in paths if not path.read_bytes().endswith(b"\n")] == [
        "finra_otc_weekly_t2_20251222.csv"
    ]


@pytest.mark.parametrize(
    ("tier", "symbol"),
    [
        ("T1", "QVLN.A"),
        ("T1", "QVLN.B"),
        ("T2", "HVRpD"),
        ("T2", "TRUE"),
        ("T2", "NA"),
        ("OTC", "1E5"),
    ],
)
def test_symbols_that_readers_mistake_trade_every_week(
    sample: Sample, tier: str, symbol: str
) -> None:
    for week in range(3):
        assert symbol in symbols(sample[tier, week])


def test_two_symbols_stand_in_two_tiers_and_no_other_does(sample: Sample) -> None:
    for week in range(3):
        tiers = defaultdict(set)
        for tier in ("T1", "T2", "OTC"):
            for symbol in symbols(sample[tier, week]) - {""}:
                tiers[symbol].add(tier)
        assert {symbol: found for symbol, found in tiers.items() if len(found) > 1} == {
            "DUOQ": {"T1", "T2"},
            "UPLQ": {"T2", "OTC"},
        }


@pytest.mark.parametrize(("tier", "symbol"), [("T1", "EVNQ"), ("T2", "EVTQ"), ("OTC", "EVOQF")])
def test_the_top_venue_of_one_symbol_a_tier_is_tied(sample: Sample, tier: str, symbol: str) -> None:
    for week in range(3):
        shares = sorted(float(row[5]) for row in sample[tier, week] if row[1] == symbol)
        assert len(shares) >= 2
        assert shares[-1] == shares[-2]


@pytest.mark.parametrize("tier", ["T1", "T2", "OTC"])
def test_names_hold_every_mark_that_real_names_hold(sample: Sample, tier: str) -> None:
    names = {row[2] for row in sample[tier, 0]}
    text = "".join(names)
    assert [mark for mark in "',()&/#%$:" if mark not in text] == []
    assert any("  " in name for name in names)
    assert max(map(len, names)) == 201
    assert any(name.endswith("Opportun") for name in names), "a truncated name"


@pytest.mark.parametrize("tier", ["T1", "T2"])
def test_about_an_eighth_of_nms_rows_have_fractional_shares(sample: Sample, tier: str) -> None:
    for week in range(3):
        rows = sample[tier, week]
        assert sum("." in row[5] for row in rows) / len(rows) == pytest.approx(0.13, abs=0.03)


def test_otc_shares_are_whole(sample: Sample) -> None:
    assert not [row for week in range(3) for row in sample["OTC", week] if "." in row[5]]


@pytest.mark.parametrize("tier", ["T1", "T2", "OTC"])
def test_most_symbols_live_on_and_some_come_and_go(sample: Sample, tier: str) -> None:
    first, last = symbols(sample[tier, 0]), symbols(sample[tier, 2])
    assert len(first & last) / len(first | last) > 0.8
    assert last - first, "none appeared"
    assert first - last, "none vanished"


@pytest.mark.parametrize(("tier", "low", "high"), [("T1", 16, 27), ("T2", 10, 20), ("OTC", 1, 3)])
def test_a_symbol_trades_on_as_many_venues_as_in_its_tier(
    sample: Sample, tier: str, low: float, high: float
) -> None:
    rows = sample[tier, 0]
    assert low <= len(rows) / len(symbols(rows)) <= high


def test_volumes_rise_and_fall_by_symbol(sample: Sample) -> None:
    totals: list[dict[str, float]] = [defaultdict(float) for _ in range(3)]
    for week, total in enumerate(totals):
        for row in sample["T1", week]:
            total[row[1]] += float(row[5])
    trends = [totals[2][symbol] / shares - 1 for symbol, shares in totals[0].items()]
    assert sum(trend > 0.05 for trend in trends) > 10
    assert sum(trend < -0.05 for trend in trends) > 10


def test_otc_link_leads_the_otc_tier_as_it_does_in_life(sample: Sample) -> None:
    total: dict[str, float] = defaultdict(float)
    for row in sample["OTC", 0]:
        total[row[4]] += float(row[5])
    assert sorted(total, key=lambda mpid: -total[mpid])[:3] == ["OTCN", "OTCX", "ARCA"]


def test_a_restated_file_changes_adds_and_drops_rows(paths: list[Path], tmp_path: Path) -> None:
    for path in paths:
        restated = restate(path, tmp_path / "restated", changed=4)
        assert restated.name == path.name
        assert restated.read_bytes().endswith(b"\n") == path.read_bytes().endswith(b"\n")
        before = {(row[1], row[4]): row for row in records(path)}
        after = {(row[1], row[4]): row for row in records(restated)}
        assert list(after) == sorted(after, key=lambda key: key[0])
        assert len(after.keys() - before.keys()) == 1
        assert len(before.keys() - after.keys()) == 1
        changed = [key for key in before.keys() & after.keys() if before[key] != after[key]]
        assert len(changed) == 4
        for key in changed:
            assert before[key][5] != after[key][5]
            assert before[key][:5] == after[key][:5]
            assert int(after[key][6]) <= float(after[key][5])
        later = [*changed, *(after.keys() - before.keys())]
        assert all(after[key][7] > before[changed[0]][7] for key in later)
        assert all(date.fromisoformat(after[key][7]).weekday() != 0 for key in later)


def test_a_restatement_takes_the_date_that_is_given(paths: list[Path], tmp_path: Path) -> None:
    restated = restate(paths[0], tmp_path, updated=date(2026, 3, 12))
    dates = [row[7] for row in records(restated)]
    assert dates.count("2026-03-12") == 4
    assert set(dates) == {"2025-12-01", "2026-03-12"}


def test_a_file_too_small_to_restate_is_refused(tmp_path: Path) -> None:
    (path,) = write_sample(
        tmp_path / "small",
        weeks=[date(2025, 11, 10)],
        tiers=[Tier.OTC],
        rows={Tier.OTC: 1},
        next_session=lambda day: day,
    )
    with pytest.raises(ValidationError, match="too few"):
        restate(path, tmp_path, changed=50)
