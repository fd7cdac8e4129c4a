"""What the exit code tells: each kind of error has one, and the pages tell all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from market_spine.adapters.inbound.cli import exits
from market_spine.adapters.inbound.cli.app import build
from market_spine.adapters.inbound.cli.exits import Exit
from market_spine.adapters.inbound.cli.services import CliServices
from market_spine.bootstrap import main as entry
from market_spine.domain.errors import Category, SpineError
from market_spine.domain.registry import Registry
from market_spine.ports.progress import Progress

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"

CODES = {
    Category.INTERNAL: Exit.DEFECT,
    Category.CONFIGURATION: Exit.CONFIGURATION,
    Category.VALIDATION: Exit.USAGE,
    Category.SOURCE: Exit.FAILED,
    Category.TRANSFORM: Exit.FAILED,
    Category.LOAD: Exit.FAILED,
    Category.TRANSIENT: Exit.AGAIN,
    Category.DEPENDENCY: Exit.AGAIN,
    Category.TIMEOUT: Exit.AGAIN,
    Category.RATE_LIMIT: Exit.AGAIN,
    Category.PERMISSION: Exit.NOT_PERMITTED,
    Category.RESOURCE: Exit.FAILED,
}


def test_the_codes_are_what_scripts_rely_on() -> None:
    assert {code.name: code.value for code in Exit} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "NOT_THERE": 3,
        "NOT_PERMITTED": 4,
        "AGAIN": 5,
        "CONFIGURATION": 6,
        "DEFECT": 70,
        "INTERRUPTED": 130,
    }
    assert (entry._DEFECT, entry._INTERRUPTED) == (Exit.DEFECT, Exit.INTERRUPTED)


@pytest.mark.parametrize("category", list(Category))
def test_every_category_has_a_code(category: Category) -> None:
    assert exits.of(SpineError("it went wrong", category=category)) is CODES[category]


def test_what_can_help_is_told_by_the_error_and_not_by_its_kind_alone() -> None:
    for category in (Category.SOURCE, Category.RESOURCE, Category.INTERNAL):
        assert exits.of(SpineError("busy", category=category, retryable=True)) is Exit.AGAIN
    for category in (Category.VALIDATION, Category.PERMISSION, Category.CONFIGURATION):
        mended_first = SpineError("wrong", category=category, retryable=True)
        assert exits.of(mended_first) is CODES[category]
    never = SpineError("not with this server", category=Category.DEPENDENCY, retryable=False)
    assert exits.of(never) is Exit.FAILED


def test_an_unknown_name_is_not_there() -> None:
    with pytest.raises(SpineError) as raised:
        Registry("pipeline").get("no.such")

    assert exits.of(raised.value) is Exit.NOT_THERE


@pytest.mark.parametrize("category", list(Category))
def test_a_run_has_failed_or_is_worth_another_try(category: Category) -> None:
    error = SpineError("it went wrong", category=category)

    assert exits.of_run(error) is (Exit.AGAIN if category.retryable else Exit.FAILED)


def test_a_run_that_was_cancelled_has_failed() -> None:
    cancelled = SpineError("cancelled", category=Category.TRANSIENT, retryable=False)

    assert exits.of_run(cancelled) is exits.of_run(None) is Exit.FAILED


def no_services(progress: Progress, server: str | None) -> CliServices:
    raise AssertionError


def test_the_page_and_the_help_tell_every_code() -> None:
    def unasked(server: str | None, timeout: float) -> tuple[str, str]:
        raise AssertionError

    told = re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    assert [int(code) for code in told] == list(Exit)
    shown = CliRunner().invoke(build(no_services, unasked), ["--help"]).stdout
    [line] = re.findall(r"Exit codes: [^.]+\.", shown)
    assert [int(code) for code in re.findall(r"\b\d+\b", line)] == list(Exit)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_server_that_drains_is_worth_another_try(form: tuple[str, ...]) -> None:
    app = build(no_services, lambda server, timeout: ("spine.example:1", "NOT_SERVING"))

    said = CliRunner().invoke(app, ["health", *form])

    assert said.exit_code == Exit.AGAIN
    assert "spine.example:1" in said.stdout
    assert "NOT_SERVING" in said.stdout


def test_a_defect_leaves_a_traceback_and_its_own_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "application", no_services)
    monkeypatch.setattr("sys.argv", ["spine", "runs", "list"])
    with pytest.raises(SystemExit) as left:
        entry.main()

    assert left.value.code == Exit.DEFECT
    assert "Traceback" in capsys.readouterr().err
