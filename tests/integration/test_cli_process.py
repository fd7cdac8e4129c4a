"""``spine`` as users start it: real processes, streams, pipes and modules of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_spine import DOMAIN, SPINE, process, weekly_file

HEAVY = (
    "polars",
    "sqlalchemy",
    "grpc",
    "pydantic",
    "alembic",
    "dataframely",
    "dependency_injector",
    "exchange_calendars",
    "structlog",
    "rich.table",
)

MODULE = '''
"""Pipelines of a user."""

from typing import Annotated

import polars as pl
from market_spine import Param, Result, RunContext, Step, pipeline, register_source, workflow
from market_spine.testing.memory_source import MemorySource


@register_source("numbers")
def numbers(count: int):
    """The numbers up to a count."""
    return MemorySource(pl.DataFrame({"n": list(range(count))}))


@pipeline("mine.count")
def count(context: RunContext, upto: Annotated[int, Param("How many")] = 3) -> Result:
    """Count numbers."""
    print("a pipeline may print")
    return Result.success(metrics={"rows_read": context.source("numbers", count=upto).fetch().rows})


@pipeline("mine.login")
def login(context: RunContext, key: Annotated[str, Param("Key", secret=True)]) -> None:
    """Fail with the key in hand."""
    raise RuntimeError(f"refused: {key} at postgresql://me:{key}@host")


@pipeline("mine.odd")
def odd(context: RunContext) -> Result:
    """Return a value that looks a bit like a refresh."""
    return Result.success({"partitions": 5, "files": [1], "x": {"partitions": "y"}})


double = workflow(
    "mine.double",
    Step("partitions", "mine.count", {"upto": "${upto}"}),
    Step("files", "mine.count", after=("partitions",)),
    description="Count twice",
)
'''


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a module of a user's, named in its settings file."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "mine.py").write_text(MODULE)
    (folder / "spine.toml").write_text('modules = ["mine"]\n')
    return folder


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from market_spine.bootstrap.main import main\n"
        "sys.argv = ['spine', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert "Usage: spine" in done.stdout
    assert done.stderr.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_the_executable_answers(tmp_path: Path, word: str) -> None:
    said = process(word, folder=tmp_path)

    assert "spine" in said.out
    assert said.err == ""


def test_a_module_of_ones_own_is_listed_and_runs(user: Path) -> None:
    listed = process("pipelines", "list", "--json", folder=user).json()
    own = [(item["name"], item["kind"]) for item in listed if item["origin"] == "user"]
    assert own == [
        ("mine.count", "pipeline"),
        ("mine.login", "pipeline"),
        ("mine.odd", "pipeline"),
        ("mine.double", "workflow"),
    ]

    said = process("run", "mine.count", "-p", "upto=5", "--json", folder=user)

    assert said.json()["metrics"]["rows_read"] == 5
    assert "a pipeline may print" in said.err


def test_a_workflow_of_ones_own_is_shown_and_runs(user: Path) -> None:
    shown = process("pipelines", "show", "mine.double", "--json", folder=user).json()
    assert shown["parameters"] == ["upto"]
    assert [step["step"] for step in shown["steps"]] == ["partitions", "files"]

    text = process("run", "mine.double", "-p", "upto=4", folder=user)

    assert "SUCCEEDED" in text.out
    assert [step in text.out for step in ("partitions", "files")] == [True, True]


def test_values_of_any_shape_are_shown(user: Path) -> None:
    assert "SUCCEEDED" in process("run", "mine.odd", folder=user).out


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_failing_pipeline_leaves_its_traceback_on_stderr_and_no_secret_anywhere(
    user: Path, style: str
) -> None:
    env = {"SPINE_LOG_FORMAT": style}
    said = process(
        "run", "mine.login", "-p", "key=hunter2222", "--json", folder=user, env=env, code=1
    )

    document = said.json()
    assert document["error"]["category"] == "INTERNAL"
    assert "RuntimeError: refused: ***" in document["error"]["message"]
    assert "Traceback" in said.err
    assert "hunter2222" not in said.out + said.err
    shown = process("runs", "show", document["run_id"], "--json", folder=user)
    assert shown.json()["parameters"] == {"key": "***"}
    assert "hunter2222" not in shown.out
    for stored in (user / ".spine").rglob("*"):
        assert stored.is_dir() or b"hunter2222" not in stored.read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("raise SystemExit(0)\n", "SystemExit"),
        (
            "from market_spine import pipeline\n@pipeline('Bad Name')\ndef work(context): ...\n",
            "'Bad Name' is no pipeline name",
        ),
    ],
)
def test_a_broken_module_is_wrong_usage_and_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "broken_one.py").write_text(content)

    answer = process(
        "pipelines", "list", folder=tmp_path, env={"SPINE_MODULES": "broken_one"}, code=6
    )

    assert "module broken_one" in answer.err
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


def test_two_pipelines_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "twin.py").write_text(
        "from market_spine import pipeline\n"
        f"@pipeline('{DOMAIN}.backfill')\ndef work(context): ...\n"
    )

    answer = process("pipelines", "list", folder=tmp_path, env={"SPINE_MODULES": "twin"}, code=6)

    assert f"two pipelines are named '{DOMAIN}.backfill'" in answer.err


def test_the_doctor_names_a_broken_module(tmp_path: Path) -> None:
    (tmp_path / "broken_one.py").write_text("1 / 0\n")

    answer = process(
        "doctor", "--json", folder=tmp_path, env={"SPINE_MODULES": "broken_one"}, code=1
    )

    [finding] = [item for item in answer.json() if not item["ok"]]
    assert finding["name"] == "modules"
    assert "ZeroDivisionError" in finding["detail"]


def test_documents_stand_alone_on_stdout_and_logs_on_stderr(tmp_path: Path) -> None:
    weekly_file(tmp_path, "otc_20251215.csv", "OTC|||ARCA ATS|ARCA|1|1|2025-12-15")
    words = ("run", f"{DOMAIN}.refresh_week", "-p", "file=otc_20251215.csv", "--json")

    said = process(*words, folder=tmp_path, env={"SPINE_LOG_LEVEL": "DEBUG"}, code=1)
    wrong = process(*words[:2], "--json", folder=tmp_path, code=2)

    assert said.json()["status"] == wrong.json()["status"] == "FAILED"
    assert set(said.json()) == set(wrong.json())


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_reader_that_leaves_early_is_no_error(filled: Path, form: str) -> None:
    command = [SPINE, "data", "show", f"{DOMAIN}.venue_volume", "--format", form]
    reading, writing = os.pipe()
    os.close(reading)  # gone before the first row

    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            command,
            cwd=filled,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if "SPINE_" not in name},
        )

    assert done.stderr == ""
    assert done.returncode in (0, 141)


def test_json_of_a_run_is_one_document_for_other_programs(user: Path) -> None:
    said = process("run", "mine.count", "--json", folder=user)

    assert said.out.startswith("{")
    decoder = json.JSONDecoder()
    _, end = decoder.raw_decode(said.out)
    assert said.out[end:].strip() == ""


def test_steps_that_no_process_can_execute_fail_where_nobody_else_could(tmp_path: Path) -> None:
    """What is attached to a command is not put back for others, or it would never end."""
    (tmp_path / "here_only.py").write_text(
        "import sys\n"
        "from market_spine import Step, pipeline, workflow\n"
        "if sys.argv[0] == '-c':\n"
        "    raise ImportError('not in a process of its own')\n"
        "@pipeline('mine.quick')\n"
        "def quick(context):\n"
        "    pass\n"
        "both = workflow('mine.both', Step('a', 'mine.quick'), Step('b', 'mine.quick'))\n"
    )
    env = {"SPINE_MODULES": "here_only"}
    said = process("run", "mine.both", "--json", folder=tmp_path, env=env, code=1)

    assert said.json()["status"] == "FAILED"
    assert "not in a process of its own" in said.out
