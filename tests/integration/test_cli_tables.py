"""Tables on terminals of every width: what is copied stays whole, and little is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_spine import DOMAIN, Spine, process, terminal, weekly_file
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from market_spine.adapters.inbound.cli.layout import (
    ASCII,
    Column,
    Shorten,
    Signs,
    fold,
    hanging,
    lay_out,
)

ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
LISTS = (
    ("runs", "list"),
    ("captures", "list"),
    ("rejects", "list"),
    ("quality", "list"),
    ("manifest", "list"),
    ("data", "list"),
    ("pipelines", "list"),
    ("pipelines", "show", f"{DOMAIN}.backfill"),
    ("pipelines", "show", f"{DOMAIN}.refresh_week"),
    ("data", "describe", f"{DOMAIN}.research_snapshot"),
    ("data", "show", f"{DOMAIN}.concentration"),
)


@pytest.fixture(scope="module")
def mixed(filled: Path) -> Path:
    """The filled folder with a failed run, and a backfill, as well."""
    (filled / "broken_otc_20251222.csv").write_text("a|b\n1|2\n")
    process("run", f"{DOMAIN}.backfill", "-p", "files=broken*", folder=filled, code=1)
    return filled


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_lists_are_tables_that_fit(mixed: Path, words: tuple[str, ...], columns: int) -> None:
    lines = terminal(*words, folder=mixed, columns=columns).out.splitlines()

    # A command to copy is one line, however long.
    assert max(cell_len(line) for line in lines if "run it:" not in line) <= columns
    assert not [line for line in lines if re.match(r"row \d", line)]
    assert [line for line in lines if re.fullmatch("─+", line)]


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_pipes_get_everything_and_no_trailing_blanks(
    mixed: Path, there: Spine, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    lines = there(*words).out.splitlines()

    assert not [line for line in lines if line != line.rstrip()]
    assert not [line for line in lines if re.match(r"row \d", line)]


def test_identifiers_are_whole_at_80_columns(mixed: Path) -> None:
    names = {f"{DOMAIN}.refresh_week", f"{DOMAIN}.backfill"}
    runs = terminal("runs", "list", folder=mixed, columns=80).out
    captures = terminal("captures", "list", folder=mixed, columns=80).out
    ids = [run["id"] for run in process("runs", "list", "--json", folder=mixed).json()]

    header, _, *rows = runs.splitlines()
    assert header.split() == ["run", "pipeline", "partition", "state"]
    listed = [row.split() for row in rows[: len(ids)]]
    assert {row[1] for row in listed} == names
    assert [row[0] for row in listed] == [each[-8:] for each in ids]
    assert "the end of its id" in rows[-1]
    assert len(ID.findall(captures)) == 3


def test_a_command_to_copy_is_one_line(mixed: Path) -> None:
    words = ("pipelines", "show", f"{DOMAIN}.refresh_week")

    lines = terminal(*words, folder=mixed, columns=60).out.splitlines()

    example = f"run it: spine run {DOMAIN}.refresh_week -p file=finra_otc_weekly_otc_20251215.csv"
    assert example in lines


def test_the_shortened_id_that_is_shown_is_accepted(mixed: Path) -> None:
    shown = terminal("runs", "list", folder=mixed, columns=80).out.splitlines()[2].split()[0]
    [newest] = process("runs", "list", "-n", "1", "--json", folder=mixed).json()

    assert process("runs", "show", shown, "--json", folder=mixed).json()["id"] == newest["id"]


def test_a_failed_run_tells_its_error_in_the_list(mixed: Path) -> None:
    wide = terminal("runs", "list", folder=mixed, columns=120).out
    piped = process("runs", "list", folder=mixed).out

    [row] = [line for line in wide.splitlines() if "refresh_week" in line and "FAILED" in line]
    assert "VALIDATION: the header of" in row
    assert row.endswith("…")
    assert "2025-11-10/OTC" in wide
    assert "unexpected: a, b" in piped


def test_runs_without_a_failure_have_no_column_for_it(there_at: Path) -> None:
    assert "error" not in process("runs", "list", folder=there_at).out


@pytest.fixture
def there_at(tmp_path: Path) -> Path:
    """A folder with one run that succeeded."""
    row = "OTC|AAA|A Inc.|OTCN ATS|OTCN|1|1|2025-12-15"
    file = weekly_file(tmp_path, "otc_20251215.csv", row)
    process("run", f"{DOMAIN}.refresh_week", "-p", f"file={file}", folder=tmp_path)
    return tmp_path


def test_ids_are_whole_at_120_columns(there_at: Path) -> None:
    header, _, row, *_ = terminal("runs", "list", folder=there_at, columns=120).out.splitlines()

    assert header.split() == ["run", "pipeline", "partition", "state", "seconds"]
    assert ID.match(row)


def test_a_restatement_shows_its_changes_at_80_columns(there_at: Path) -> None:
    row = "OTC|AAA|A Inc.|OTCN ATS|OTCN|2|1|2025-12-15"
    file = weekly_file(there_at, "again_otc_20251215.csv", row)

    shown = terminal(
        "run", f"{DOMAIN}.refresh_week", "-p", f"file={file}", folder=there_at, columns=80
    )

    lines = shown.out.splitlines()
    header = next(line for line in lines if line.startswith("week "))
    assert {"action", "changed", "appeared", "vanished", "grade"} <= set(header.split())
    assert max(map(len, lines)) <= 80


def test_durations_have_two_decimals_at_most(mixed: Path) -> None:
    said = (
        process("runs", "list", folder=mixed).out
        + process("runs", "show", "last", folder=mixed).out
    )

    assert re.findall(r"seconds +\d", said)
    for number in re.findall(r"(?<=\s)\d+\.(\d+)(?=\s|$)", said):
        assert len(number) <= 2


def test_wide_rows_become_records_with_a_hanging_indent(mixed: Path) -> None:
    words = ("data", "show", f"{DOMAIN}.research_snapshot", "-n", "1")

    lines = terminal(*words, folder=mixed, columns=40).out.splitlines()

    assert lines[0] == "row 1"
    assert [line for line in lines if line.split()[:1] == ["week_start"]]
    assert max(map(len, lines)) <= 40


# The layout by itself

CELLS = st.text(st.sampled_from("ab-. é漢"), max_size=40).map(str.strip)
WIDTHS = st.integers(20, 120)


@st.composite
def columns(draw: st.DrawFn) -> list[Column]:
    count = draw(st.integers(1, 4))
    return [
        Column(
            f"c{index}",
            cells := draw(st.lists(CELLS, min_size=count, max_size=count)),
            right=draw(st.booleans()),
            folds=any(" " in text for text in cells),
        )
        for index in range(draw(st.integers(1, 6)))
    ]


@given(columns(), WIDTHS)
def test_no_line_is_wider_than_the_terminal(given_columns: list[Column], width: int) -> None:
    laid = lay_out(given_columns, width, ("c1", "c0"), Signs())

    assert all(cell_len(line) <= width for line in (*laid.head, *laid.body))
    assert all(line == line.rstrip() for line in (*laid.head, *laid.body) if laid.head)


@given(columns(), WIDTHS)
def test_words_are_whole_in_a_table_and_complete_in_records(
    given_columns: list[Column], width: int
) -> None:
    laid = lay_out(given_columns, width, (), ASCII)
    words = [word for column in given_columns for text in column.cells for word in text.split()]

    if laid.head:
        shown = " ".join(laid.body).split()
        assert sorted(shown) == sorted(words)
    else:
        letters = "".join("".join(laid.body).split())
        assert sum(map(len, words)) <= len(letters)


@given(columns())
def test_without_a_width_nothing_is_left_out_or_folded(given_columns: list[Column]) -> None:
    laid = lay_out(given_columns, None, ("c0", Shorten("c1", 1, "note")), Signs())

    assert len(laid.body) == len(given_columns[0].cells)
    assert not laid.notes
    for index, line in enumerate(laid.body):
        assert all(column.cells[index] in line for column in given_columns)


def test_columns_give_way_in_the_declared_order() -> None:
    made = [Column(name, [name * 9]) for name in "abc"]

    def names(width: int) -> list[str]:
        return lay_out(made, width, ("b", "a"), Signs()).head[0].split()

    assert names(33) == ["a", "b", "c"]
    assert names(32) == ["a", "c"]
    assert names(21) == ["a", "c"]
    assert names(20) == ["c"]
    assert not lay_out(made, 8, ("b", "a"), Signs()).head


def test_records_have_also_the_columns_that_gave_way() -> None:
    made = [Column(name, [name * 30]) for name in "ab"]

    laid = lay_out(made, 20, ("a",), Signs())

    assert laid.body[0] == "row 1"
    assert "".join(laid.body).count("a") == 31


def test_a_shortened_column_keeps_its_end_and_is_noted() -> None:
    made = [Column("id", ["0123456789"]), Column("x", ["y" * 10])]

    laid = lay_out(made, 20, (Shorten("id", 4, "the end"),), Signs())

    assert laid.body == ["6789   yyyyyyyyyy"]
    assert laid.notes == ["the end"]


def test_a_cut_column_loses_its_end_only() -> None:
    made = [Column("id", ["0123456789"]), Column("error", ["word " * 10], cut=True)]

    assert lay_out(made, 33, (), Signs()).body == ["0123456789   word word word word…"]
    assert lay_out(made, None, (), Signs()).body == ["0123456789   " + ("word " * 10).rstrip()]


def test_prose_is_folded_between_words() -> None:
    made = [Column("id", ["0123456789"]), Column("text", ["alpha beta gamma delta"], folds=True)]

    assert lay_out(made, 30, (), Signs()).body == [
        "0123456789   alpha beta gamma",
        "             delta",
    ]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 5, [""]),
        ("one two", 7, ["one two"]),
        ("one two", 6, ["one", "two"]),
        ("a  b", 10, ["a  b"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("ab cdefgh ij", 4, ["ab", "cdef", "gh", "ij"]),
        ("漢字 漢", 4, ["漢字", "漢"]),
    ],
)
def test_text_is_folded(text: str, width: int, lines: list[str]) -> None:
    assert fold(text, width) == lines


def test_what_is_folded_hangs_below_its_beginning() -> None:
    assert hanging("  label  ", "one two three four five", 25) == [
        "  label  one two three",
        "         four five",
    ]
