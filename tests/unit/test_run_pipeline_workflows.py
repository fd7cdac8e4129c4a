"""Workflows: steps in order, skipped after a failure, refused before the first when wrong."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from dispatch_house import House

from market_spine.application.context import RunContext
from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    SpineError,
    ValidationError,
)
from market_spine.domain.pipelines import Pipeline, pipeline
from market_spine.domain.runs import RunState
from market_spine.domain.workflows import Step, workflow


@pytest.fixture
def steps() -> tuple[list[tuple[str, Any]], Pipeline]:
    """What ran, in order, and a pipeline that notes it."""
    ran: list[tuple[str, Any]] = []

    @pipeline("demo.step")
    def step(context: RunContext, name: str, factor: int = 1, fail: bool = False) -> None:
        ran.append((name, factor))
        if fail:
            raise ValidationError(f"{name} is broken")

    return ran, step


def test_steps_run_in_their_order_with_the_workflows_parameters(
    steps: tuple[list[tuple[str, Any]], Pipeline],
) -> None:
    ran, step = steps

    def note(context: RunContext, factor: Any) -> dict[str, int]:
        ran.append(("function", factor))
        return {"noted": 1}

    graph = workflow(
        "demo.graph",
        Step("last", "demo.step", {"name": "last"}, after=("note", "first")),
        Step("note", note, {"factor": "${factor}"}, after=("first",)),
        Step("first", "demo.step", {"name": "first", "factor": "${factor}"}),
    )
    house = House(step, graph)

    outcome = house.run("demo.graph", {"factor": "3"})

    assert ran == [("first", 3), ("function", "3"), ("last", 1)]
    assert outcome.result.metrics == {"steps": 3, "steps_succeeded": 3}
    whole, *parts = house.runs()
    assert whole.parameters == {"factor": "3"}
    assert [(run.step, run.pipeline, run.parent, run.state) for run in parts] == [
        ("first", "demo.step", whole.id, RunState.SUCCEEDED),
        ("note", "demo.graph.note", whole.id, RunState.SUCCEEDED),
        ("last", "demo.step", whole.id, RunState.SUCCEEDED),
    ]
    assert parts[1].metrics == {"noted": 1}


def test_steps_after_a_failed_one_are_skipped_and_independent_ones_run(
    steps: tuple[list[tuple[str, Any]], Pipeline],
) -> None:
    ran, step = steps
    graph = workflow(
        "demo.graph",
        Step("bad", "demo.step", {"name": "bad", "fail": True}),
        Step("after_bad", "demo.step", {"name": "after_bad"}, after=("bad",)),
        Step("after_that", "demo.step", {"name": "after_that"}, after=("after_bad",)),
        Step("apart", "demo.step", {"name": "apart"}),
    )
    house = House(step, graph)

    outcome = house.run("demo.graph")

    assert sorted(name for name, _ in ran) == ["apart", "bad"]
    states = {run.step: run.state for run in house.runs()[1:]}
    assert states == {
        "bad": RunState.FAILED,
        "after_bad": RunState.SKIPPED,
        "after_that": RunState.SKIPPED,
        "apart": RunState.SUCCEEDED,
    }
    assert outcome.run.state is RunState.FAILED
    assert outcome.result.error is not None
    assert "3 of 4 steps" in outcome.result.error.message
    skipped = next(run for run in house.runs() if run.step == "after_bad")
    assert skipped.warnings == ("skipped, because bad did not succeed",)
    bad = next(run for run in house.runs() if run.step == "bad")
    assert bad.error is not None
    assert bad.error.context.step == "bad"


@pytest.mark.parametrize(
    ("errors", "category", "retryable"),
    [
        ([Category.DEPENDENCY, Category.RATE_LIMIT], Category.DEPENDENCY, True),
        ([Category.DEPENDENCY, Category.PERMISSION], Category.PERMISSION, False),
        ([Category.LOAD, Category.TIMEOUT], Category.LOAD, False),
    ],
)
def test_a_workflow_fails_as_its_steps_do_and_first_for_what_somebody_has_to_mend(
    errors: list[Category], category: Category, retryable: bool
) -> None:
    @pipeline("demo.fail")
    def fail(context: RunContext, kind: str) -> None:
        raise SpineError(f"it was {kind}", category=Category(kind))

    inner = workflow("demo.inner", Step("only", "demo.fail", {"kind": errors[0].value}))
    graph = workflow(
        "demo.graph", Step("a", "demo.inner"), Step("b", "demo.fail", {"kind": errors[1].value})
    )
    house = House(fail, inner, graph)

    outcome = house.run("demo.graph")

    assert outcome.run.error is not None
    assert (outcome.run.error.category, outcome.run.error.retryable) == (category, retryable)
    assert isinstance(outcome.run.error.cause, SpineError)
    assert outcome.run.error.cause.category is category


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "missing factor"),
        ({"factor": "1", "other": "2"}, "unknown other"),
        ({"factor": "many"}, "'many' is not a whole number"),
    ],
)
def test_wrong_parameters_of_a_late_step_stop_a_workflow_before_its_first(
    steps: tuple[list[tuple[str, Any]], Pipeline], given: dict[str, str], said: str
) -> None:
    ran, step = steps
    inner = workflow("demo.inner", Step("only", "demo.step", {"name": "x", "factor": "${factor}"}))
    graph = workflow(
        "demo.graph",
        Step("first", "demo.step", {"name": "first"}),
        Step("late", "demo.inner", {"factor": "${factor}"}, after=("first",)),
    )
    house = House(step, graph, inner)

    with pytest.raises(ValidationError, match=said):
        house.run("demo.graph", given)

    assert (ran, house.runs()) == ([], [])


def test_a_step_that_names_no_pipeline_stops_a_workflow_before_its_first(
    steps: tuple[list[tuple[str, Any]], Pipeline],
) -> None:
    ran, step = steps
    graph = workflow(
        "demo.graph",
        Step("first", "demo.step", {"name": "first"}),
        Step("late", "demo.stepp", {"name": "late"}, after=("first",)),
    )
    house = House(step, graph)

    with pytest.raises(ValidationError, match=r"demo\.stepp"):
        house.run("demo.graph")

    assert (ran, house.runs()) == ([], [])


@pytest.mark.parametrize("way", ["a", "ab", "cab"])
def test_a_workflow_that_runs_itself_is_refused_before_anything_runs(way: str) -> None:
    graphs = [
        workflow(f"demo.{name}", Step("next", f"demo.{after}", {"x": "${x}"}))
        for name, after in zip(way, way[1:] + way[0], strict=True)
    ]

    with pytest.raises(ConfigurationError) as raised:
        House(workflow("demo.z", Step("first", "demo.a", {"x": "${x}"})), *graphs)

    first, _, told = raised.value.message.partition(" runs itself: ")
    found = told.split(" -> ")
    assert (first, found[0]) == (f"workflow {found[0]}", found[-1])
    assert sorted(found[1:]) == [f"demo.{name}" for name in sorted(way)]
    assert "".join(name[-1] for name in found) in way * 2 + way[0]


def test_workflows_may_run_one_that_others_run_as_well() -> None:
    ran: list[int] = []

    @pipeline("demo.note")
    def note(context: RunContext) -> None:
        ran.append(1)

    House(
        note,
        workflow("demo.d", Step("one", "demo.note")),
        workflow("demo.b", Step("d", "demo.d")),
        workflow("demo.c", Step("d", "demo.d"), Step("b", "demo.b")),
    ).run("demo.c")

    assert ran == [1, 1]


def test_a_workflow_given_typed_values_remembers_them_as_plain_ones(
    steps: tuple[list[tuple[str, Any]], Pipeline],
) -> None:
    def note(context: RunContext, day: date) -> dict[str, int]:
        return {"year": day.year}

    house = House(workflow("demo.graph", Step("note", note, {"day": "${day}"})))

    outcome = house.run("demo.graph", {"day": date(2025, 11, 10)})

    assert outcome.result.ok, outcome.result.error
    assert [run.parameters for run in house.runs()] == [{"day": "2025-11-10"}] * 2
