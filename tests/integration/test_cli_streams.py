"""Where the output goes: full disks, closed pipes, and streams that cannot show every letter."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from cli_spine import DOMAIN, SPINE, Said, clean_environment, process, terminal, weekly_file

VOLUME = f"{DOMAIN}.venue_volume"
FULL = Path("/dev/full")
ANSWERS = (
    ("data", "show", VOLUME),
    ("data", "show", VOLUME, "-f", "csv"),
    ("data", "show", VOLUME, "-f", "json"),
    ("data", "show", VOLUME, "-f", "parquet"),
    ("data", "describe", VOLUME),
    ("data", "list", "--json"),
    ("runs", "show", "last"),
    ("pipelines", "show", f"{DOMAIN}.backfill"),
    ("--help",),
    ("runs", "list", "--help"),
)
ASCII = {"PYTHONIOENCODING": "ascii"}


def into(
    descriptor: int | None, *words: str, folder: Path, env: Mapping[str, str] | None = None
) -> Said:
    """``spine WORDS`` with stdout as given; None closes it before the program starts."""
    command = [str(SPINE), *words]
    if descriptor is None:
        command = ["/bin/sh", "-c", '"$@" >&-', "sh", *command]
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=descriptor,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
        env={**clean_environment(), **(env or {})},
    )
    return Said(done.returncode, "", done.stderr)


def into_closed_pipe(*words: str, folder: Path) -> Said:
    """``spine WORDS`` when the reader has gone before the first byte."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return into(writing, *words, folder=folder)
    finally:
        os.close(writing)


def into_full_disk(*words: str, folder: Path) -> Said:
    with FULL.open("wb") as full:
        return into(full.fileno(), *words, folder=folder)


@pytest.mark.parametrize("words", ANSWERS, ids=" ".join)
def test_a_reader_that_left_is_no_error(filled: Path, words: tuple[str, ...]) -> None:
    said = into_closed_pipe(*words, folder=filled)

    assert (said.code, said.err) == (0, "")


@pytest.mark.parametrize("form", ["table", "csv", "json", "parquet"])
def test_a_reader_that_leaves_after_the_first_bytes_is_no_error(tmp_path: Path, form: str) -> None:
    rows = [f"OTC|S{n}|Name {n}|OTCN ATS|OTCN|{n}|1|2025-12-15" for n in range(1, 20_001)]
    file = weekly_file(tmp_path, "otc_20251215.csv", *rows)
    process("run", f"{DOMAIN}.refresh_week", "-p", f"file={file}", folder=tmp_path)
    words = [SPINE, "data", "show", VOLUME, "-f", form, "-n", "20000"]

    with subprocess.Popen(
        words, cwd=tmp_path, stdout=-1, stderr=-1, env=clean_environment()
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(10)
        running.stdout.close()  # far more than a pipe holds is still to come
        err = running.stderr.read()

    assert (running.returncode, err) == (0, b"")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full to write to")
@pytest.mark.parametrize("words", ANSWERS, ids=" ".join)
def test_a_full_disk_is_told(filled: Path, words: tuple[str, ...]) -> None:
    said = into_full_disk(*words, folder=filled)

    assert said.code == 1
    assert said.err.startswith(
        "error [RESOURCE] stdout cannot be written: No space left on device\n"
    )
    assert "Traceback" not in said.err
    assert "Exception ignored" not in said.err


def test_a_closed_stdout_is_told(filled: Path) -> None:
    said = into(None, "runs", "list", folder=filled)

    assert said.code == 1
    assert "stdout cannot be written: it is closed" in said.err


@pytest.mark.parametrize("json_asked", [False, True])
@pytest.mark.parametrize(("share", "code"), [("100", 0), ("many", 1)])
def test_a_run_counts_though_nobody_reads(
    tmp_path: Path, share: str, code: int, json_asked: bool
) -> None:
    row = f"OTC|AAA|A Inc.|OTCN ATS|OTCN|{share}|2|2025-12-15"
    file = weekly_file(tmp_path, "otc_20251215.csv", row)
    words = ("run", f"{DOMAIN}.refresh_week", "-p", f"file={file}")

    said = into_closed_pipe(*words, *(["--json"] if json_asked else []), folder=tmp_path)

    [run] = process("runs", "list", "--json", folder=tmp_path).json()
    assert said.code == code
    assert run["state"] == ("FAILED" if code else "SUCCEEDED")
    assert "Traceback" not in said.err
    assert ("error [VALIDATION]" in said.err) == (bool(code) and not json_asked)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full to write to")
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_run_whose_outcome_cannot_be_shown_is_recorded(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    row = "OTC|AAA|A Inc.|OTCN ATS|OTCN|100|2|2025-12-15"
    file = weekly_file(tmp_path, "otc_20251215.csv", row)

    said = into_full_disk(
        "run", f"{DOMAIN}.refresh_week", "-p", f"file={file}", *more, folder=tmp_path
    )

    assert said.code == 1
    assert "stdout cannot be written: No space left on device" in said.err
    [run] = process("runs", "list", "--json", folder=tmp_path).json()
    assert run["state"] == "SUCCEEDED"


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full to write to")
@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_full_disk_under_a_file_is_told(filled: Path, form: str) -> None:
    said = process("data", "show", VOLUME, "-f", form, "-o", FULL, folder=filled, code=1)

    assert said.err.startswith("error [RESOURCE] /dev/full cannot be written: No space left")


# Letters that the stream does not have


def test_tables_are_drawn_in_ascii_where_nothing_else_can_be_shown(filled: Path) -> None:
    words = ("data", "show", VOLUME, "--symbol", "1E5")

    plain = process(*words, folder=filled, env=ASCII)
    drawn = process(*words, folder=filled, env={"PYTHONIOENCODING": "utf-8"})
    watched = terminal(*words, folder=filled, columns=200, env=ASCII)

    assert "O'Neil & S\\xf6hne / AG" in plain.out
    assert "O'Neil & Söhne / AG" in drawn.out
    assert "─" in drawn.out
    assert set(plain.out.splitlines()[1]) == {"-"}
    assert "S\\xf6hne" in watched.out
    header, rule, row = plain.out.splitlines()[:3]
    assert header.index("shares") + len("shares") == row.index(" 0.25") + len(" 0.25")
    assert len(rule) >= len(row)


@pytest.mark.parametrize("words", [("-f", "json"), ("-f", "csv")])
def test_rows_reach_a_pipe_whatever_its_encoding(filled: Path, words: tuple[str, str]) -> None:
    asked = ("data", "show", VOLUME, "--symbol", "1E5", *words)

    plain = process(*asked, folder=filled, env=ASCII)
    usual = process(*asked, folder=filled, env={"PYTHONIOENCODING": "utf-8"})

    if words[1] == "json":
        assert plain.out.isascii()
        assert json.loads(plain.out) == json.loads(usual.out)
    else:
        assert plain.out == usual.out


def test_documents_are_escaped_where_their_letters_cannot_be_shown(tmp_path: Path) -> None:
    words = ("run", "söhne_漢", "--json")

    plain = process(*words, folder=tmp_path, env=ASCII, code=3)
    usual = process(*words, folder=tmp_path, env={"PYTHONIOENCODING": "utf-8"}, code=3)

    assert plain.out.isascii()
    assert "söhne_漢" in usual.out
    assert plain.json()["pipeline"] == usual.json()["pipeline"] == "söhne_漢"


def test_what_was_read_has_no_power_over_the_terminal(tmp_path: Path) -> None:
    row = "OTC||\x1b[31mRed\x07 Inc.|OTCN ATS|OTCN|1|1|2025-12-15"
    good = "OTC|AAA|A\x1b[2J Inc.|OTCN ATS|OTCN|1|1|2025-12-15"
    file = weekly_file(tmp_path, "otc_20251215.csv", row, good)
    process("run", f"{DOMAIN}.refresh_week", "-p", f"file={file}", folder=tmp_path)

    rejects = process("rejects", "list", folder=tmp_path).out
    rows = process("data", "show", VOLUME, folder=tmp_path).out

    assert "\x1b" not in rejects + rows
    assert "\\x1b[31mRed\\x07 Inc." in rejects
    assert "A\\x1b[2J Inc." in rows
