"""What ``spine`` says to people who ask a server: which commands, options and settings it names."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_spine import process


@pytest.mark.parametrize(
    "words",
    [("--server", "", "runs", "list"), ("--server", " ", "health"), ("health", "--server=")],
)
def test_an_empty_server_is_no_server_and_not_the_store_either(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    said = process(*words, folder=tmp_path, env={"SPINE_SERVER": "127.0.0.1:1"}, code=2)

    assert "error [VALIDATION] --server is empty" in said.err
    assert said.out == ""
    assert not (tmp_path / ".spine").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("runs", "list", "--server", "127.0.0.1:1"),
        ("runs", "list", "--server=127.0.0.1:1"),
        ("submit", "queue.say", "--server", "127.0.0.1:1"),
        ("auth", "token", "list", "--server", "127.0.0.1:1"),
    ],
)
def test_a_server_that_is_named_too_late_is_told_where_it_belongs(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    said = process(*words, folder=tmp_path, code=2)

    assert "it goes before the command" in said.err
    assert "spine --server HOST:PORT COMMAND" in said.err


def test_other_options_that_do_not_exist_are_told_as_ever(tmp_path: Path) -> None:
    said = process("runs", "list", "--sevrer", "x", folder=tmp_path, code=2)

    assert "No such option: --sevrer" in said.err
    assert "goes before" not in said.err
