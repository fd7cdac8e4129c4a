"""What ``spine`` says to people who ask a server: which commands, options and settings it names."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cli_queue
import pytest
from cli_server import serving
from cli_spine import SPINE, Said, clean_environment, process

from market_spine.adapters.inbound.cli.commands import Asked, answered_by
from market_spine.adapters.inbound.cli.outage import Outage
from market_spine.domain.errors import Category, SpineError, ValidationError

ENV = {"SPINE_MODULES": "queue_pipelines", "SPINE_EXECUTION": "inline"}


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


@dataclass(frozen=True, slots=True)
class Served:
    """A server that executes what is submitted, or one that has no worker; and a folder."""

    address: str
    folder: Path

    def __call__(self, *words: str, code: int = 0) -> Said:
        return process("--server", self.address, *words, folder=self.folder, code=code)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("idle")
    (folder / "queue_pipelines.py").write_text(cli_queue.MODULE)
    with serving(folder, env=ENV) as address:
        yield Served(address, tmp_path_factory.mktemp("elsewhere"))


def test_what_to_do_next_can_be_copied_and_asks_the_same_server(idle: Served) -> None:
    option = f"spine --server {idle.address} "
    submitted = idle("submit", "queue.say")
    made = idle("backfill", "create", "queue.day", "--from", "2026-01-05", "--to", "2026-01-06")
    shown = idle("pipelines", "show", "queue.day")

    for said in (submitted, made):
        [line] = re.findall("^next: (.*) --follow$", said.out, re.MULTILINE)
        assert line.startswith(option)
        assert idle(*shlex.split(line)[3:]).code == 0
        assert "if none runs: spine serve there" in said.out
    assert f"run it: {option}submit queue.day -p " in shown.out
    missing = idle("runs", "show", "00000000-0000-7000-8000-000000000000", code=3)
    assert f"next: {option}runs list shows" in missing.err


def test_a_server_of_the_environment_is_not_named_again(idle: Served) -> None:
    env = {"SPINE_SERVER": idle.address}
    said = process("submit", "queue.say", folder=idle.folder, env=env)
    shown = process("pipelines", "show", "queue.say", folder=idle.folder, env=env)

    assert re.search("^next: spine runs show [-0-9a-f]+ --follow$", said.out, re.MULTILINE)
    assert "if none runs: spine serve there" in said.out
    assert "run it: spine submit queue.say" in shown.out


def test_a_server_that_goes_away_is_told_at_once_and_once(tmp_path: Path) -> None:
    (tmp_path / "queue_pipelines.py").write_text(cli_queue.MODULE)
    with serving(tmp_path, env=ENV) as address:
        there = Served(address, tmp_path)
        run_id = there("submit", "queue.say", "--json").json()["id"]
        following = subprocess.Popen(
            [SPINE, "--server", address, "runs", "show", run_id, "--follow"],
            cwd=tmp_path,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert following.stdout is not None
        assert following.stdout.readline().startswith(f"run {run_id}")
    with following:
        assert following.stderr is not None
        lines = iter(following.stderr)
        before: list[str] = []
        for line in lines:
            if line == "the server is away, trying again\n":
                break
            before.append(line)
        else:
            pytest.fail("".join(before))
        following.send_signal(signal.SIGINT)
        rest = "".join(lines)

    assert "is away" not in rest
    assert f"spine --server {address} runs show {run_id} --follow goes on with it" in rest


def test_patience_ends_with_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    away = SpineError("no server answers", category=Category.DEPENDENCY)
    outage = Outage("the run goes on")
    answered_by(Asked())  # whatever this process asked before

    def fail(times: int) -> None:
        for _ in range(times):
            outage.goes_on(away)

    fail(120)
    outage.over()
    fail(120)
    assert capsys.readouterr().err == "the store is away, trying again\n" * 2
    with pytest.raises(SpineError) as raised:
        fail(1)

    assert raised.value is away
    assert capsys.readouterr().err == "the run goes on\n"
    with pytest.raises(ValidationError):
        Outage("the run goes on").goes_on(ValidationError("no such run"))
    assert capsys.readouterr().err == ""
