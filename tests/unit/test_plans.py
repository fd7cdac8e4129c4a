"""What follows from the states of steps: any graph, any order of ends, comes to an end."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine import Step, workflow
from market_spine.application.catalog import Catalog
from market_spine.domain.errors import Category
from market_spine.domain.plans import Plan, PlannedStep, filled, next_moves
from market_spine.domain.registry import Registry
from market_spine.domain.retries import Retry
from market_spine.domain.runs import RunState

ENDS = [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Up to eight steps, each after some of those before it."""
    steps: list[PlannedStep] = []
    for number in range(draw(st.integers(1, 8))):
        names = [step.name for step in steps]
        after = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        anyway = draw(st.booleans())
        steps.append(PlannedStep(f"s{number}", "x", {}, after=tuple(after), even_if_skipped=anyway))
    return Plan(tuple(steps))


@given(plan=plans(), data=st.data())
def test_every_step_is_begun_once_and_only_when_all_before_it_are_over(
    plan: Plan, data: st.DataObject
) -> None:
    counts: dict[str, Counter[RunState]] = {}
    live: set[str] = set()
    while True:
        moves = next_moves(plan, counts)
        begun = [*moves.start, *(step for step, _ in moves.skip)]
        for step in begun:
            assert step.name not in counts, "it was begun twice"
            assert all(name in counts and name not in live for name in step.after)
        for step, reason in moves.skip:
            counts[step.name] = Counter({RunState.SKIPPED: 1})
            assert reason.startswith("skipped, because ")
        for step in moves.start:
            counts[step.name] = Counter({RunState.RUNNING: 1})
            live.add(step.name)
        if moves.ended is not None:
            break
        if not begun:
            assert live, "nothing is live, nothing is begun, and it is not over"
            over = data.draw(st.sampled_from(sorted(live)))
            counts[over] = Counter({data.draw(st.sampled_from(ENDS)): 1})
            live.remove(over)
    assert set(counts) == {step.name for step in plan.steps}
    ends = {state for states in counts.values() for state in states}
    if RunState.FAILED in ends:
        assert moves.ended is RunState.FAILED
    elif RunState.CANCELLED in ends:
        assert moves.ended is RunState.CANCELLED
    else:
        assert moves.ended is RunState.SUCCEEDED


def test_a_step_of_many_runs_is_over_when_all_of_them_are() -> None:
    plan = Plan((PlannedStep("many", "x", {}), PlannedStep("next", "x", {}, after=("many",))))
    some = {RunState.SUCCEEDED: 3, RunState.RUNNING: 1}
    assert next_moves(plan, {"many": some}).start == ()
    [step] = next_moves(plan, {"many": {RunState.SUCCEEDED: 4}}).start
    assert step.name == "next"
    [(skipped, why)] = next_moves(plan, {"many": {RunState.SUCCEEDED: 3, RunState.FAILED: 1}}).skip
    assert (skipped.name, why) == ("next", "skipped, because many did not succeed")


def test_a_plan_survives_the_store() -> None:
    inner = Plan((PlannedStep("deep", "y", {"a": [1, {"b": None}]}, timeout=1.5),), "run-1", -3)
    retry = Retry(3, 1, "fixed", 5, (Category.TIMEOUT,))
    outer = Plan(
        (
            PlannedStep("one", "x", {"n": "${n}"}, retry=retry, key="{n}", pool="loads"),
            PlannedStep("two", "z", {}, ("one",), "${steps.one} > 1", "${steps.one}", plan=inner),
        )
    )
    assert Plan.from_dict(outer.to_dict()) == outer


def test_a_plan_names_secrets_where_there_are_some_and_is_else_as_it_was() -> None:
    places = (("t", None), ("xs", ()), ("ys", ("a", "b")))
    step = PlannedStep("one", "x", {"t": "${t}"}, secrets=places)
    stored = json.loads(json.dumps(step.to_dict()))
    assert stored["secrets"] == [["t", None], ["xs", []], ["ys", ["a", "b"]]]
    assert PlannedStep.from_dict(stored) == step

    del stored["secrets"]  # as all plans were that are stored already
    plain = PlannedStep.from_dict(stored)
    assert plain == replace(step, secrets=())
    assert plain.to_dict() == stored


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((Step("a", "x"), Step("b", "x", after=("a",)), Step("c", "x", after=("b",))), False),
        ((Step("a", "x"), Step("b", "x")), True),
        ((Step("a", "x"), Step("b", "x", after=("a",)), Step("c", "x", after=("a",))), True),
        ((Step("a", "x", timeout=1),), True),
        ((Step("a", "x", {"n": "${item}"}, each="${list}"),), True),
    ],
)
def test_a_plan_knows_whether_steps_may_run_side_by_side(
    steps: tuple[Step, ...], expected: bool
) -> None:
    catalog = Catalog(Registry("pipeline"), Registry("workflow"))
    assert catalog.plan(workflow("demo.graph", *steps)).side_by_side is expected


def test_templates_say_nothing_where_a_parameter_is_missing() -> None:
    assert filled("{week}/{tier}", {"week": "2026-01-05", "tier": "T1"}) == "2026-01-05/T1"
    assert filled("{week}/{tier}", {"week": "2026-01-05"}) is None
    assert filled("{week}/{tier}", {"week": "2026-01-05", "tier": None}) is None
    assert filled(None, {}) is None
