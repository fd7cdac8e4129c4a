"""What is executed to see what executing costs: steps that do nothing, five in a row."""

from __future__ import annotations

import time
from datetime import date

from market_spine import Result, Step, days, pipeline, workflow
from market_spine.application.context import RunContext


@pipeline("noop.step", partition="{number}")
def step(context: RunContext, number: int) -> None:
    """Does nothing."""


@pipeline("noop.day", partitions=days("day"), partition="{day}")
def a_day(context: RunContext, day: date) -> None:
    """Does nothing."""


STEPS = ("one", "two", "three", "four", "five")

graph = workflow(
    "noop.graph",
    *(
        Step(name, "noop.step", {"number": "${number}"}, after=STEPS[place - 1 : place])
        for place, name in enumerate(STEPS)
    ),
)


@pipeline("noop.begun")
def begun(context: RunContext) -> Result[float]:
    """Tells when its code was begun."""
    context.check()
    return Result.success(time.time())
