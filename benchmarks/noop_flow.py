"""What is executed to see what executing costs: steps that do nothing, five in a row."""

from __future__ import annotations

from market_spine import Step, pipeline, workflow
from market_spine.application.context import RunContext


@pipeline("noop.step", partition="{number}")
def step(context: RunContext, number: int) -> None:
    """Does nothing."""


STEPS = ("one", "two", "three", "four", "five")

graph = workflow(
    "noop.graph",
    *(
        Step(name, "noop.step", {"number": "${number}"}, after=STEPS[place - 1 : place])
        for place, name in enumerate(STEPS)
    ),
)
