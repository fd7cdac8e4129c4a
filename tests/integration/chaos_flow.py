"""What is executed under chaos: workflows of five steps, each of which leaves exactly one trace."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from market_spine import Result, RunContext, Step, pipeline, workflow
from market_spine.domain.captures import Capture, Partition

DOMAIN = "chaos"
DAY = date(2026, 1, 5)
STEPS = ("one", "left", "right", "join", "last")


@pipeline("chaos.step")
def step(context: RunContext, number: int, add: int) -> Result[int]:
    """Adds to a number, and leaves a trace of it that two commits would show."""
    context.unit_of_work().captures.add(
        Capture(
            id=context.run_id,
            partition=Partition(DOMAIN, DAY, context.run_id),
            digest=context.run_id,
            captured_at=datetime.now(UTC),
            source_updated_on=None,
            source_name=str(context.run.step),
            source_type="chaos",
            source_options={},
            run=context.run_id,
            bytes=number + add,
        )
    )
    return Result.success(number + add)


def join(context: RunContext, left: int, right: int) -> Result[int]:
    return step.function(context, left, right)  # type: ignore[no-any-return]


def _step(name: str, number: Any, add: int, *after: str) -> Step:
    return Step(name, "chaos.step", {"number": number, "add": add}, after=after)


graph = workflow(
    "chaos.graph",
    _step("one", "${number}", 1),
    _step("left", "${steps.one}", 10, "one"),
    _step("right", "${steps.one}", 100, "one"),
    Step("join", join, {"left": "${steps.left}", "right": "${steps.right}"}, ("left", "right")),
    _step("last", "${steps.join}", 1000, "join"),
)


def expected(number: int) -> int:
    """What the last step has to return."""
    return (number + 11) + (number + 101) + 1000
