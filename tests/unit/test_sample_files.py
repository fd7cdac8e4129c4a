"""The sample is the same everywhere, and its files have the format and dates of FINRA's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from market_spine.domain.errors import ValidationError
from market_spine.domain.finra_otc.weeks import Tier
from market_spine.testing.finra_sample import HEADER, WEEKS, main, write_sample

DIGEST = "118b9f0c5389083107f03c35e65867f30887f3c53f4e7a34ab7451a45cfff79e"


def open_every_day(day: date) -> date:
    return day


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_sample(tmp_path_factory.mktemp("sample"), next_session=open_every_day)


def records(path: Path) -> list[list[str]]:
    return [line.split("|") for line in path.read_text(encoding="ascii").split("\n")[1:] if line]


def digest(paths: Sequence[Path]) -> str:
    content = hashlib.sha256()
    for path in paths:
        content.update(path.name.encode())
        content.update(path.read_bytes())
    return content.hexdigest()


def test_the_default_sample_is_the_same_on_every_machine(sample: list[Path]) -> None:
    assert digest(sample) == DIGEST


def test_another_seed_gives_other_files(sample: list[Path], tmp_path: Path) -> None:
    other = write_sample(tmp_path, seed=1, next_session=open_every_day)
    assert [path.name for path in other] == [path.name for path in sample]
    for path, default in zip(other, sample, strict=True):
        assert path.read_bytes() != default.read_bytes(), path.name


def test_a_week_is_the_same_whatever_else_is_asked_for(sample: list[Path], tmp_path: Path) -> None:
    alone = write_sample(tmp_path, weeks=[WEEKS[1]], tiers=[Tier.T2], next_session=open_every_day)
    assert [path.name for path in alone] == ["finra_otc_weekly_t2_20251222.csv"]
    assert alone[0].read_bytes() == (sample[0].parent / alone[0].name).read_bytes()


def test_files_are_named_by_tier_and_first_publication(sample: list[Path]) -> None:
    assert [path.name for path in sample] == [
        "finra_otc_weekly_t1_20251201.csv",
        "finra_otc_weekly_t2_20251215.csv",
        "finra_otc_weekly_otc_20251215.csv",
        "finra_otc_weekly_t1_20251208.csv",
        "finra_otc_weekly_t2_20251222.csv",
        "finra_otc_weekly_otc_20251222.csv",
        "finra_otc_weekly_t1_20251215.csv",
        "finra_otc_weekly_t2_20251229.csv",
        "finra_otc_weekly_otc_20251229.csv",
    ]


def test_every_row_carries_the_tier_and_the_date_of_its_file(sample: list[Path]) -> None:
    names = {"t1": "NMS Tier 1", "t2": "NMS Tier 2", "otc": "OTC"}
    for path in sample:
        _, _, _, tier, day = path.stem.split("_")
        published = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        assert {(row[0], row[7]) for row in records(path)} == {(names[tier], published)}, path.name


def test_a_holiday_moves_the_publication_to_the_next_session(tmp_path: Path) -> None:
    holiday = date(2026, 1, 19)
    paths = write_sample(
        tmp_path,
        weeks=[holiday - timedelta(days=21)],
        tiers=[Tier.T1],
        rows={Tier.T1: 20},
        next_session=lambda day: day + timedelta(days=1) if day == holiday else day,
    )
    assert [path.name for path in paths] == ["finra_otc_weekly_t1_20260120.csv"]
    assert {row[7] for row in records(paths[0])} == {"2026-01-20"}


def test_without_a_calendar_given_the_nyse_decides(tmp_path: Path) -> None:
    holiday = date(2026, 1, 19)
    paths = write_sample(
        tmp_path, weeks=[holiday - timedelta(days=21)], tiers=[Tier.T1], rows={Tier.T1: 20}
    )
    assert [path.name for path in paths] == ["finra_otc_weekly_t1_20260120.csv"]


def test_a_week_that_is_no_monday_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="Tuesday"):
        write_sample(
            tmp_path / "sample",
            weeks=[WEEKS[0], date(2025, 11, 18)],
            next_session=open_every_day,
        )
    assert not (tmp_path / "sample").exists()


def test_files_are_plain_pipe_separated_ascii_without_quotes(sample: list[Path]) -> None:
    for path in sample:
        content = path.read_bytes()
        assert content.isascii(), path.name
        assert not any(mark in content for mark in (b"\r", b'"', b"\t", b"\0", b"\n\n")), path.name
        lines = content.decode().removesuffix("\n").split("\n")
        assert lines[0] == HEADER
        assert {line.count("|") for line in lines} == {7}, path.name


def test_rows_are_sorted_by_symbol_and_unique_by_venue(sample: list[Path]) -> None:
    for path in sample:
        rows = records(path)
        symbols = [row[1] for row in rows]
        assert symbols == sorted(symbols), path.name
        assert len({(row[1], row[4]) for row in rows}) == len(rows), path.name


def test_figures_are_positive_and_no_trade_is_smaller_than_a_share(sample: list[Path]) -> None:
    for path in sample:
        for row in records(path):
            shares, trades = float(row[5]), int(row[6])
            assert 1 <= trades <= shares, (path.name, row)


@pytest.mark.parametrize(("tier", "rows"), [(Tier.T1, 1500), (Tier.T2, 3000), (Tier.OTC, 1200)])
def test_files_have_about_as_many_rows_as_promised(
    sample: list[Path], tier: Tier, rows: int
) -> None:
    files = [path for path in sample if f"_weekly_{tier.lower()}_" in path.name]
    assert len(files) == 3
    for path in files:
        assert len(records(path)) == pytest.approx(rows, rel=0.07), path.name


def test_the_number_of_rows_can_be_asked_for_by_tier(tmp_path: Path) -> None:
    paths = write_sample(
        tmp_path,
        weeks=WEEKS[:1],
        tiers=[Tier.T1, Tier.OTC],
        rows={Tier.OTC: 400},
        next_session=open_every_day,
    )
    assert [len(records(path)) for path in paths] == [
        pytest.approx(1500, rel=0.07),
        pytest.approx(400, rel=0.1),
    ]


def test_the_command_writes_the_files_it_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "sample"
    code = main([str(folder), "--weeks", "2", "--rows", "200", "--rows", "T1=90", "--restate"])
    printed = capsys.readouterr().out.splitlines()
    assert code == 0
    assert len(printed) == 7
    assert sorted(printed) == sorted(str(path) for path in folder.rglob("*.csv"))
    assert printed[-1] == str(folder / "restated" / "finra_otc_weekly_otc_20251222.csv")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--weeks", "0"], "whole number from 1"),
        (["--rows", "many"], "whole number from 1"),
        (["--rows", "T9=10"], "'T9' is no tier"),
        (["--first", "2025-11-11"], "a week is known by its Monday"),
        (["--first", "soon"], "a Monday as YYYY-MM-DD"),
    ],
)
def test_the_command_says_what_is_wrong_with_an_argument(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "sample"), *arguments])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "sample").exists()
