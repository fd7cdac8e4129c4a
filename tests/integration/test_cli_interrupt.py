"""Ctrl-C in ``spine run``: one line says what became of the run, and run history agrees."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_spine import DOMAIN, clean_environment, process, weekly_file

# Shells start background jobs with SIGINT ignored, and so perhaps these tests as well.
STARTED_BY_A_PERSON = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from market_spine.bootstrap.main import main
main()
"""
MODULE = f'''
"""Pipelines that begin, say so, and do not end by themselves."""

import threading

from market_spine import RunContext, Step, pipeline, workflow


@pipeline("mine.wait")
def wait(context: RunContext) -> None:
    """Wait until somebody interrupts."""
    print("begun", flush=True)
    threading.Event().wait(120)


@pipeline("mine.load_and_wait")
def load_and_wait(context: RunContext, file: str) -> None:
    """Do the writes of a refresh, in a part of its own, then wait."""
    context.execute("{DOMAIN}.refresh_week", {{"file": file}}, step="refresh")
    wait(context)


many = workflow(
    "mine.many",
    Step("load", "{DOMAIN}.refresh_week", {{"file": "${{file}}"}}),
    Step("wait", "mine.wait", after=("load",)),
    Step("never", "mine.wait", after=("wait",)),
    description="Load, then wait",
)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "spine.toml").write_text('modules = ["mine"]\n')
    weekly_file(tmp_path, "otc_20251215.csv", "OTC|AAA|A Inc.|OTCN ATS|OTCN|1|1|2025-12-15")
    return tmp_path


@contextmanager
def begun(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """``spine run WORDS``, once its pipeline has said that it began."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTED_BY_A_PERSON, "run", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    ) as running:
        try:
            told = running.stderr if "--json" in words else running.stdout
            assert told is not None
            assert told.readline() == "begun\n"
            yield running
        finally:
            running.kill()


def interrupted(folder: Path, *words: str) -> tuple[int, str, str]:
    with begun(folder, *words) as running:
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    return running.returncode, out, err


def test_an_interrupted_run_is_cancelled_and_says_so(folder: Path) -> None:
    code, out, err = interrupted(folder, "mine.wait")

    [run] = process("runs", "list", "--json", folder=folder).json()
    assert code == 130
    assert run["state"] == "CANCELLED"
    assert err == (
        f"interrupted: run {run['id']} of mine.wait is recorded as CANCELLED; "
        "nothing of it was committed, run it again\n"
    )
    assert out == ""


def test_an_interrupted_run_prints_its_one_document(folder: Path) -> None:
    code, out, err = interrupted(folder, "mine.wait", "--json")

    document = json.loads(out)
    [run] = process("runs", "list", "--json", folder=folder).json()
    assert code == 130
    named = {"status", "run_id", "pipeline", "metrics", "error", "warnings", "output"}
    assert set(document) == named
    assert (document["status"], document["run_id"]) == ("CANCELLED", run["id"])
    assert err.startswith("interrupted: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["mine.many", "mine.load_and_wait"])
def test_the_parts_that_are_done_stay_done(folder: Path, name: str) -> None:
    code, _, err = interrupted(folder, name, "-p", "file=otc_20251215.csv")

    shown = process("runs", "show", "last", "--json", folder=folder).json()
    rows = process("data", "show", f"{DOMAIN}.venue_volume", "-f", "json", folder=folder).json()
    assert code == 130
    assert (shown["pipeline"], shown["state"]) == (name, "CANCELLED")
    assert shown["parts"][0]["state"] == "SUCCEEDED"
    assert [row["symbol"] for row in rows] == ["AAA"]
    assert err == (
        f"interrupted: run {shown['id']} of {name} is recorded as CANCELLED; "
        "the parts that are done stay done, run it again for the others\n"
    )


def test_an_interrupted_run_is_not_mistaken_for_an_earlier_one(folder: Path) -> None:
    interrupted(folder, "mine.wait")
    _, _, err = interrupted(folder, "mine.wait")

    newest, oldest = process("runs", "list", "--json", folder=folder).json()
    assert newest["id"] in err
    assert oldest["id"] not in err
