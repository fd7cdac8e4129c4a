"""Workers, followers and terminals as users have them: real processes, signals and widths."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_spine import SPINE, clean_environment, process, terminal
from rich.cells import cell_len

# Shells start background jobs with SIGINT ignored, and so perhaps these tests as well.
STARTED_BY_A_PERSON = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from market_spine.bootstrap.main import main
main()
"""
MODULE = '''
"""Pipelines whose end a test decides."""

import time
from pathlib import Path

from market_spine import Result, RunContext, Step, pipeline, workflow


@pipeline("held.wait")
def wait(context: RunContext, name: str) -> None:
    """Begin, and wait for a file or for being cancelled."""
    context.log.info("begun %s", name)
    with context.progress.task("waiting", total=10, unit="looks") as task:
        task.advance(3)
        while not Path(f"{name}.go").exists():
            time.sleep(0.02)
            task.advance(0)


@pipeline("held.list")
def listed(context: RunContext) -> Result:
    """Many items."""
    return Result.success([f"item-{number}" for number in range(30)])


@pipeline("held.item")
def item(context: RunContext, name: str) -> None:
    """Do nothing for an item."""


many = workflow(
    "held.many",
    Step("a_step_with_a_name_that_is_long_for_a_terminal", "held.list"),
    Step(
        "each",
        "held.item",
        {"name": "${item}"},
        after=("a_step_with_a_name_that_is_long_for_a_terminal",),
        each="${steps.a_step_with_a_name_that_is_long_for_a_terminal}",
    ),
)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held")
    (folder / "held.py").write_text(MODULE)
    (folder / "spine.toml").write_text('modules = ["held"]\nexecution = "inline"\n')
    return folder


@pytest.fixture(scope="module")
def worker(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker of the folder, once it is ready."""
    with started(folder, "worker", "--concurrency", "1") as running:
        assert running.stdout is not None
        assert "working on pools: default" in running.stdout.readline()
        yield running
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STARTED_BY_A_PERSON, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )


def submitted(folder: Path, *words: str) -> str:
    run_id: str = process("submit", *words, "--json", folder=folder).json()["id"]
    return run_id


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def state(folder: Path, run_id: str) -> str:
    found: str = process("runs", "show", run_id, "--json", folder=folder).json()["state"]
    return found


@pytest.mark.usefixtures("worker")
def test_a_follower_sees_a_run_as_it_happens(folder: Path) -> None:
    run_id = submitted(folder, "held.wait", "-p", "name=seen")
    with started(folder, "runs", "show", run_id, "--follow", "--json") as follower:
        assert follower.stdout is not None
        objects = [json.loads(follower.stdout.readline()) for _ in range(4)]
        (folder / "seen.go").touch()  # only now, when all of this was seen
        objects += [json.loads(line) for line in follower.stdout]
        assert follower.wait(60) == 0

    told = [(item["type"], item.get("kind") or item.get("text")) for item in objects]
    assert told[:2] == [("event", "SUBMITTED"), ("event", "CLAIMED")]
    assert ("line", "begun seen") in told[2:4]
    [progress] = [item for item in objects if item["type"] == "progress"]
    assert (progress["done"], progress["total"], progress["unit"]) == (3, 10, "looks")
    assert told[-2] == ("event", "SUCCEEDED")
    assert objects[-1]["type"] == "run"
    assert objects[-1]["state"] == "SUCCEEDED"
    assert len(objects) == 6


@pytest.mark.usefixtures("worker")
def test_what_runs_is_told_to_end_and_its_follower_leaves_with_1(folder: Path) -> None:
    run_id = submitted(folder, "held.wait", "-p", "name=never")
    until(lambda: state(folder, run_id) == "RUNNING")
    with started(folder, "runs", "show", run_id, "--follow") as follower:
        said = process("runs", "cancel", run_id, folder=folder).out
        out, err = follower.communicate(timeout=60)

    assert f"run {run_id} of held.wait is told to end" in said
    assert follower.returncode == 1
    assert "CANCEL_REQUESTED  it is to end" in out
    assert f"run {run_id} CANCELLED" in out
    assert "the run was cancelled" in err


@pytest.mark.usefixtures("worker")
def test_ctrl_c_ends_the_follower_and_not_the_run(folder: Path) -> None:
    run_id = submitted(folder, "held.wait", "-p", "name=later")
    with started(folder, "runs", "show", run_id, "--follow") as follower:
        assert follower.stdout is not None
        until(lambda: "CLAIMED" in follower.stdout.readline())
        follower.send_signal(signal.SIGINT)
        _, err = follower.communicate(timeout=60)

    assert follower.returncode == 130
    assert f"spine runs show {run_id} --follow goes on with it" in err
    assert state(folder, run_id) == "RUNNING"
    (folder / "later.go").touch()
    until(lambda: state(folder, run_id) == "SUCCEEDED")


@pytest.mark.usefixtures("worker")
def test_a_live_run_tells_who_executes_it_and_how_far_it_is(folder: Path) -> None:
    run_id = submitted(folder, "held.wait", "-p", "name=live")
    waiting = submitted(folder, "held.wait", "-p", "name=live")

    def shown() -> str:
        return process("runs", "show", run_id, folder=folder).out

    until(lambda: "progress" in shown())
    text = shown()
    (folder / "live.go").touch()

    assert f"CLAIMED by {os.uname().nodename}/" in text
    assert "waiting: 3 of 10 looks" in text
    until(lambda: state(folder, waiting) == "SUCCEEDED")


@pytest.fixture(scope="module")
def chart(folder: Path, worker: object) -> str:
    """The id of a workflow's run with many items, which is over."""
    run_id = submitted(folder, "held.many")
    until(lambda: state(folder, run_id) == "SUCCEEDED")
    return run_id


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_chart_fits_the_terminal(folder: Path, chart: str, columns: int) -> None:
    lines = terminal("runs", "show", chart, folder=folder, columns=columns).out.splitlines()

    # A command to copy is one line, however long.
    assert max(cell_len(line) for line in lines if "all of them" not in line) <= columns
    [items] = [line for line in lines if line.startswith("each")]
    assert "█" in items
    assert "(30 items)" in items or columns == 40


def test_a_chart_is_plain_where_the_encoding_is(folder: Path, chart: str) -> None:
    env = {"PYTHONIOENCODING": "ascii"}

    out = process("runs", "show", chart, folder=folder, env=env).out

    assert out.isascii()
    assert "#" in out
    assert "a_step_with_a_name_that_is_long_for_a_terminal" in out
    assert f"all of them: spine runs list --parent {chart} -n 31" in out


@pytest.mark.parametrize(
    "words",
    [
        ("runs", "list"),
        ("runs", "stats"),
        ("runs", "stats", "--parts"),
        ("runs", "show", "last", "--events", "--logs"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("chart")
def test_tables_fit_80_columns(folder: Path, words: tuple[str, ...]) -> None:
    lines = terminal(*words, folder=folder, columns=80).out.splitlines()

    copied = ("all of them", "next page")
    assert max(cell_len(line) for line in lines if not line.startswith(copied)) <= 80
    assert not [line for line in lines if line.startswith("row ")]


def test_a_purge_asks_on_a_terminal(folder: Path, chart: str) -> None:
    """The terminal of the test says nothing, which is no yes."""
    words = ("runs", "purge", "--older-than", "1s")
    with subprocess.Popen(
        ["script", "-qec", f"{SPINE} {' '.join(words)}", "/dev/null"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(),
    ) as asked:
        out, _ = asked.communicate("n\n", timeout=60)

    assert "[y/N]" in out
    assert "nothing is deleted" in out
    assert asked.returncode == 1
    assert state(folder, chart) == "SUCCEEDED"
