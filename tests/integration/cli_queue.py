"""Pipelines for the tests of what the command line does with queued runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

MODULE = '''
"""Pipelines that do little, and do it as they are told."""

from datetime import date
from pathlib import Path

from market_spine import Result, RunContext, Step, pipeline, workflow
from market_spine.domain.errors import Category, SourceError
from market_spine.domain.partitions import days
from market_spine.domain.retries import Retry


@pipeline("queue.say", partition="{text}")
def say(context: RunContext, text: str = "hello") -> Result:
    """Log a word."""
    context.log.info("said %s", text)
    return Result.success({"text": text}, metrics={"rows_read": 1})


@pipeline("queue.numbers")
def numbers(context: RunContext, count: int) -> Result:
    """The numbers up to a count."""
    return Result.success(list(range(count)))


@pipeline("queue.one")
def one(context: RunContext, number: int, bad: int = -1) -> Result:
    """Fail for one number, until the file mended is there."""
    if number == bad and not Path("mended").exists():
        raise SourceError(f"number {number} is bad", hint="mend it")
    return Result.success({"number": number})


@pipeline("queue.flaky", retry=Retry(attempts=2, delay=0, backoff="fixed"))
def flaky(context: RunContext) -> None:
    """Fail each time."""
    raise SourceError("the server is away", category=Category.DEPENDENCY)


@pipeline("queue.heavy", pool="heavy")
def heavy(context: RunContext) -> None:
    """For workers of another pool."""


@pipeline("queue.day", partition="{day}/{symbol}", partitions=days("day", symbol=("A", "B")))
def a_day(context: RunContext, day: date, symbol: str, bad: str = "") -> None:
    """Load a day of a symbol, unless it is the bad one."""
    if f"{day}" == bad and not Path("mended").exists():
        raise SourceError(f"there is no {day}")


inner = workflow("queue.inner", Step("first", "queue.say", {"text": "inner"}))
graph = workflow(
    "queue.graph",
    Step("numbers", "queue.numbers", {"count": "${count}"}),
    Step(
        "each",
        "queue.one",
        {"number": "${item}", "bad": "${bad}"},
        after=("numbers",),
        each="${steps.numbers}",
    ),
    Step("inner", "queue.inner", after=("numbers",)),
    Step("last", "queue.say", {"text": "bye"}, after=("each", "inner")),
    description="Numbers, each of them, then the last word",
)
each = workflow("queue.each", Step("one", "queue.one", {"number": "${item}"}, each="${numbers}"))
'''


def provide(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the command line find the pipelines, and execute runs in this process."""
    (folder / "queue_pipelines.py").write_text(MODULE)
    sys.modules.pop("queue_pipelines", None)
    patch.syspath_prepend(folder)
    patch.setenv("SPINE_MODULES", "queue_pipelines")
    patch.setenv("SPINE_EXECUTION", "inline")
