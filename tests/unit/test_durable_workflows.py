"""Workflows that workers execute: outputs, conditions, lists, retries, and going on with them."""

from __future__ import annotations

from typing import Any

import pytest
from durable_house import DurableHouse

from market_spine import Result, RunContext, Step, pipeline, workflow
from market_spine.application.retry_run import Extent
from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    SourceError,
    SpineError,
    ValidationError,
)
from market_spine.domain.retries import Retry
from market_spine.domain.runs import RunState, Trigger

ran: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pipeline("t.list")
def lister(context: RunContext, n: int) -> Result[Any]:
    ran.append(("list", n))
    return Result.success({"items": list(range(n)), "count": n})


@pipeline("t.item")
def item(context: RunContext, i: int, fail_at: int = -1) -> Result[Any]:
    ran.append(("item", i))
    if i == fail_at:
        return Result.failure(ValidationError(f"item {i} is bad"))
    return Result.success(i * 10)


def total(context: RunContext, values: list[int]) -> Result[int]:
    ran.append(("sum", values))
    return Result.success(sum(values))


GRAPH = workflow(
    "t.graph",
    Step("list", "t.list", {"n": "${n}"}),
    Step(
        "items",
        "t.item",
        {"i": "${item}", "fail_at": "${fail_at}"},
        after=("list",),
        each="${steps.list.items}",
    ),
    Step("sum", total, {"values": "${steps.items}"}, after=("items",)),
    Step("big", "t.list", {"n": 1}, after=("sum",), when="${steps.sum} > 25"),
    Step("after_big", "t.list", {"n": 2}, after=("big",)),
    Step("anyway", "t.list", {"n": 3}, after=("big",), even_if_skipped=True),
)


def graph_house() -> DurableHouse:
    return DurableHouse(lister, item, GRAPH)


def test_outputs_go_on_to_later_steps_and_lists_fan_out() -> None:
    house = graph_house()
    run_id = house.submit("t.graph", {"n": 4, "fail_at": -1})

    house.work()

    run = house.run(run_id)
    assert run.state is RunState.SUCCEEDED, run.error
    assert ("sum", [0, 10, 20, 30]) in ran
    assert house.states(run_id) == dict.fromkeys(
        ["list", *(f"items[{n}]" for n in range(4)), "sum", "big", "after_big", "anyway"],
        "SUCCEEDED",
    )
    assert run.output == {
        "after_big": {"items": [0, 1], "count": 2},
        "anyway": {"items": [0, 1, 2], "count": 3},
    }
    assert run.metrics == {"steps": 6, "steps_succeeded": 6}
    assert house.kinds(run_id) == ["SUBMITTED", "SUCCEEDED"]


def test_a_step_whose_condition_does_not_hold_is_skipped_and_so_is_what_needs_it() -> None:
    house = graph_house()
    run_id = house.submit("t.graph", {"n": 2, "fail_at": -1})

    house.work()

    assert house.run(run_id).state is RunState.SUCCEEDED
    parts = house.parts(run_id)
    assert parts["big"].warnings == ("skipped, because ${steps.sum} > 25 does not hold",)
    assert parts["after_big"].warnings == ("skipped, because big was skipped",)
    assert parts["anyway"].state is RunState.SUCCEEDED


def test_an_empty_list_is_done_at_once() -> None:
    house = graph_house()
    run_id = house.submit("t.graph", {"n": 0, "fail_at": -1})

    house.work()

    assert house.run(run_id).state is RunState.SUCCEEDED
    assert house.parts(run_id)["items"].metrics == {"items": 0}
    assert ("sum", []) in ran


def test_a_retry_goes_on_from_the_failed_step_and_repeats_nothing_that_was_done() -> None:
    house = graph_house()
    first = house.submit("t.graph", {"n": 3, "fail_at": 1})
    house.work()
    old = house.run(first)
    assert old.state is RunState.FAILED
    assert old.error is not None
    assert "item 1 is bad" in old.error.message
    assert house.states(first)["sum"] == "SKIPPED"
    before = house.runs()
    ran.clear()

    again = house.retry(first).id
    house.work()

    assert [what for what in ran if what[0] == "list"] == []
    assert [what for what in ran if what[0] == "item"] == [("item", 1)]
    assert house.run(again).retry_of == first
    assert house.run(again).trigger is Trigger.RETRY
    assert house.parts(again)["list"].retry_of == house.parts(first)["list"].id
    assert house.kinds(house.parts(again)["list"].id) == ["REUSED"]
    assert [run for run in house.runs() if run in before] == before, "an ended run has changed"


def test_a_retry_from_a_step_does_it_and_all_that_comes_after_it_again() -> None:
    house = graph_house()
    first = house.submit("t.graph", {"n": 3, "fail_at": -1})
    house.work()
    ran.clear()

    with pytest.raises(ValidationError, match="nothing of it is left"):
        house.retry(first)
    with pytest.raises(ValidationError, match="no step 'nothing'"):
        house.retry(first, from_step="nothing")
    again = house.retry(first, from_step="sum").id
    with pytest.raises(ValidationError, match=r"goes on with run .* already"):
        house.retry(first, from_step="sum")
    house.work()

    assert [what[0] for what in ran] == ["sum", "list", "list", "list"]
    assert house.run(again).state is RunState.SUCCEEDED
    ran.clear()
    house.retry(again, extent=Extent.ALL)
    house.work()
    assert [what[0] for what in ran].count("item") == 3


def test_parts_and_live_runs_are_not_retried() -> None:
    house = graph_house()
    run_id = house.submit("t.graph", {"n": 3, "fail_at": 1})
    with pytest.raises(ValidationError, match="is PENDING"):
        house.retry(run_id)
    house.work()
    part = house.parts(run_id)["items[1]"].id

    with pytest.raises(ValidationError, match=f"part of run {run_id}"):
        house.retry(part)
    with pytest.raises(ValidationError, match="no run nowhere"):
        house.retry("nowhere")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"i": "${steps.list.nothing}"}, "asks for 'nothing', which list does not have"),
        ({"i": "${steps.list.items}"}, "is not a whole number"),
    ],
)
def test_an_output_that_is_not_there_or_of_the_wrong_type_fails_its_step(
    parameters: dict[str, Any], said: str
) -> None:
    graph = workflow(
        "t.wrong",
        Step("list", "t.list", {"n": 2}),
        Step("use", "t.item", parameters, after=("list",)),
        Step("apart", "t.list", {"n": 1}),
    )
    house = DurableHouse(lister, item, graph)
    run_id = house.submit("t.wrong")

    house.work()

    assert house.run(run_id).state is RunState.FAILED
    error = house.parts(run_id)["use"].error
    assert error is not None
    assert error.category is Category.VALIDATION
    assert said in error.message
    assert house.states(run_id)["apart"] == "SUCCEEDED"


def test_a_list_that_is_none_fails_its_step() -> None:
    graph = workflow(
        "t.wrong",
        Step("list", "t.list", {"n": 2}),
        Step("use", "t.item", {"i": "${item}"}, after=("list",), each="${steps.list.count}"),
    )
    house = DurableHouse(lister, item, graph)
    run_id = house.submit("t.wrong")

    house.work()

    error = house.parts(run_id)["use"].error
    assert error is not None
    assert "is int, not a list" in error.message


def test_failed_attempts_are_repeated_as_the_step_says_and_the_pause_is_persisted() -> None:
    @pipeline("t.flaky", retry=Retry(attempts=9, delay=1))
    def flaky(context: RunContext) -> None:
        ran.append(context.run.attempt)
        raise SourceError("away", category=Category.TRANSIENT)

    graph = workflow(
        "t.retrying", Step("one", "t.flaky", retry=Retry(attempts=3, delay=60, backoff="fixed"))
    )
    house = DurableHouse(flaky, graph)
    run_id = house.submit("t.retrying")

    house.work()
    part = house.parts(run_id)["one"]
    job = house.read.job(part.id)
    assert job is not None
    assert (part.state, job.state.value) == (RunState.PENDING, "WAITING")
    assert job.ready_at is not None
    assert (job.ready_at - house.clock.now()).total_seconds() == 60
    house.clock.pass_by(59)
    house.work()
    assert ran == [1]
    for _ in range(2):
        house.clock.pass_by(61)
        house.work()

    assert ran == [1, 2, 3]
    assert house.run(run_id).state is RunState.FAILED
    assert house.kinds(part.id) == [
        "SUBMITTED",
        "CLAIMED",
        "RETRY_SCHEDULED",
        "CLAIMED",
        "RETRY_SCHEDULED",
        "CLAIMED",
        "FAILED",
    ]


def test_an_errors_own_retry_after_is_waited_for() -> None:
    @pipeline("t.limited", retry=Retry(attempts=2, delay=0))
    def limited(context: RunContext) -> None:
        raise SourceError("slow down", category=Category.RATE_LIMIT, retry_after=90)

    house = DurableHouse(limited)
    run_id = house.submit("t.limited")

    house.work()

    job = house.read.job(run_id)
    assert job is not None
    assert job.ready_at is not None
    assert (job.ready_at - house.clock.now()).total_seconds() == 90


def test_a_workflow_in_a_workflow_moves_the_outer_one_on() -> None:
    inner = workflow("t.inner", Step("a", "t.list", {"n": "${n}"}), Step("b", "t.list", {"n": 1}))
    outer = workflow(
        "t.outer",
        Step("deep", "t.inner", {"n": "${n}"}),
        Step("last", "t.item", {"i": "${steps.deep.a.count}"}, after=("deep",)),
    )
    house = DurableHouse(lister, item, inner, outer)
    run_id = house.submit("t.outer", {"n": 7})

    house.work()

    assert house.run(run_id).state is RunState.SUCCEEDED, house.run(run_id).error
    assert ("item", 7) in ran
    deep = house.parts(run_id)["deep"]
    assert house.states(deep.id) == {"a": "SUCCEEDED", "b": "SUCCEEDED"}
    assert deep.started_at is not None


def test_a_run_keeps_its_plan_when_the_workflow_is_changed_meanwhile() -> None:
    house = graph_house()
    run_id = house.submit("t.graph", {"n": 1, "fail_at": -1})
    changed = DurableHouse(
        lister, item, workflow("t.graph", Step("sum", total, {"values": [1]})), beside=house
    )

    changed.work()

    assert house.run(run_id).state is RunState.SUCCEEDED
    assert len(house.parts(run_id)) == 6


def test_runs_of_code_that_a_worker_does_not_know_are_left_to_others() -> None:
    house = graph_house()
    run_id = house.submit("t.graph", {"n": 1, "fail_at": -1})

    DurableHouse(item, beside=house).work()
    assert house.states(run_id) == {"list": "PENDING"}
    house.work()

    assert house.run(run_id).state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step("b", "t.item", {"i": "${steps.a}"}), "does not come before it"),
        (Step("b", "t.item", {"i": "${item}"}, after=("a",)), "where there is none"),
        (Step("b", "t.item", after=("a",), when="steps.a > 1"), "is no condition"),
        (Step("b", "t.item", after=("a",), when="${steps.a} > x"), "is no condition"),
        (Step("b", "t.item", after=("a",), each="abc"), "refers to no list"),
        (Step("b", "t.item", timeout=0), "timeout of 0"),
    ],
)
def test_what_is_wrong_with_a_step_shows_when_it_is_declared(step: Step, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        workflow("t.graph", Step("a", "t.list", {"n": 1}), step)


def test_a_wrong_value_of_a_late_step_is_refused_when_it_is_submitted() -> None:
    house = graph_house()
    with pytest.raises(SpineError, match="'many' is not a whole number"):
        house.submit("t.graph", {"n": "many", "fail_at": 1})
    assert house.runs() == []


def test_a_workflow_in_a_workflow_may_take_items_and_what_steps_return() -> None:
    inner = workflow("t.inner", Step("list", "t.list", {"n": "${m}"}))
    outer = workflow(
        "t.outer",
        Step("each", "t.inner", {"m": "${item}"}, each="${ns}"),
        Step("one", "t.list", {"n": 4}),
        Step("more", "t.inner", {"m": "${steps.one.count}"}, after=("one",)),
    )
    house = DurableHouse(lister, inner, outer)

    run_id = house.submit("t.outer", {"ns": [2, 3]})
    house.work()

    assert house.run(run_id).state is RunState.SUCCEEDED, house.run(run_id).error
    assert sorted(ran) == [("list", 2), ("list", 3), ("list", 4), ("list", 4)]
    with pytest.raises(ValidationError, match=r"t\.outer: missing ns"):
        house.submit("t.outer", {})


def test_a_value_that_a_workflow_passes_on_is_judged_when_it_is_submitted() -> None:
    inner = workflow("t.inner", Step("list", "t.list", {"n": "${m}"}))
    house = DurableHouse(lister, inner, workflow("t.outer", Step("in", "t.inner", {"m": "${m}"})))

    with pytest.raises(ValidationError, match="whole number"):
        house.submit("t.outer", {"m": "many"})


@pytest.mark.parametrize("items", ["1,2", {"a": 1}, 3, None])
def test_what_is_no_list_is_refused_before_anything_is_done(items: Any) -> None:
    flow = workflow("t.flow", Step("one", "t.item", {"i": "${item}"}, each="${items}"))
    summed = workflow("t.sums", Step("sum", total, {"values": "${item}"}, each="${items}"))
    outer = workflow("t.outer", Step("in", "t.flow", {"items": "${given}"}))
    house = DurableHouse(item, lister, flow, summed, outer)

    for name, key in (("t.flow", "items"), ("t.sums", "items"), ("t.outer", "given")):
        with pytest.raises(ValidationError, match="is no list, and step") as raised:
            house.submit(name, {key: items})
        assert "items:=[...]" in str(raised.value)
    assert house.runs() == []
