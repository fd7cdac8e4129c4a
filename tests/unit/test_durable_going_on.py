"""Going on with ended workflows in which others did not succeed: what is done is not done again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counted_statements import counted
from durable_house import LEASE, DurableHouse

from market_spine import Result, RunContext, Step, pipeline, workflow
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application.retry_run import Extent
from market_spine.domain.errors import ValidationError
from market_spine.domain.queueing import DEFAULT_POOL, Capacity, Job
from market_spine.domain.runs import Run, RunState
from market_spine.domain.workflows import Workflow

ran: list[str] = []
bad: set[str] = set()


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()
    bad.clear()


@pipeline("g.do")
def do(context: RunContext, what: str, n: int = 0) -> Result[str]:
    name = f"{what}{n or ''}"
    ran.append(name)
    if name in bad:
        return Result.failure(ValidationError(f"{name} is bad"))
    return Result.success(name)


def chain(name: str, *whats: str) -> Workflow:
    """A workflow whose steps come one after the other."""
    steps = [
        Step(what, "g.do", {"what": what, "n": "${n}"}, after=whats[max(place - 1, 0) : place])
        for place, what in enumerate(whats)
    ]
    return workflow(name, *steps)


INNER = chain("g.inner", "a", "b", "c")
ONE = workflow(
    "g.one",
    Step("before", "g.do", {"what": "before"}),
    Step("in", "g.inner", {"n": 1}, after=("before",)),
    Step("after", "g.do", {"what": "after"}, after=("in",)),
)
DEEP = workflow(
    "g.deep",
    Step("in", "g.inner", {"n": "${n}"}),
    Step("items", "g.do", {"what": "i", "n": "${item}"}, each="${list}", after=("in",)),
    Step("nested", "g.inner", {"n": "${item}"}, each="${list}", after=("items",)),
)
MANY = workflow(
    "g.many",
    Step("each", "g.deep", {"n": "${item}", "list": "${list}"}, each="${list}"),
    Step("last", "g.do", {"what": "last"}, after=("each",)),
)
WIDE = workflow("g.wide", Step("each", "g.inner", {"n": "${item}"}, each="${list}"))
THINGS = (do, INNER, ONE, DEEP, MANY, WIDE)


def failed(house: DurableHouse, name: str, parameters: dict[str, object], *which: str) -> str:
    """The id of a run in which those did not succeed; mended after that."""
    bad.update(which)
    run_id = house.submit(name, parameters)
    house.work(jobs=50)
    assert house.run(run_id).state is RunState.FAILED
    bad.clear()
    ran.clear()
    return run_id


def gone_on(house: DurableHouse, run_id: str, **how: Any) -> str:
    """The id of the new run, which has succeeded."""
    again = house.retry(run_id, **how).id
    house.work()
    run = house.run(again)
    assert run.state is RunState.SUCCEEDED, run.error
    return again


def claimed(house: DurableHouse) -> Job:
    capacity = Capacity("here#1", 1, LEASE, {"g.do": None}, {DEFAULT_POOL: None})
    with house.store.write() as unit:
        [claim] = house.here.lifecycle.claim(unit, capacity)
        unit.commit()
    return claim.job


def finish(house: DurableHouse, job: Job) -> None:
    with house.store.write() as unit:
        run = replace(house.run(job.run), state=RunState.SUCCEEDED)
        house.here.lifecycle.finish(unit, job.lease, run)
        unit.commit()


def below(house: DurableHouse, run_id: str) -> list[Run]:
    parts = list(house.parts(run_id).values())
    return parts + [run for part in parts for run in below(house, part.id)]


def test_what_a_workflow_inside_has_done_is_not_done_again() -> None:
    house = DurableHouse(*THINGS)
    first = failed(house, "g.one", {}, "b1")
    before = house.runs()

    again = gone_on(house, first)

    assert ran == ["b1", "c1", "after"]
    old, new = house.parts(first)["in"], house.parts(again)["in"]
    assert new.id != old.id
    assert house.kinds(new.id)[0] == "SUBMITTED"
    done, reused = house.parts(old.id)["a"], house.parts(new.id)["a"]
    assert (reused.retry_of, reused.output) == (done.id, "a1")
    assert house.kinds(reused.id) == ["REUSED"]
    assert [run for run in house.runs() if run in before] == before, "an ended run has changed"


def test_items_that_are_workflows_go_on_at_any_depth() -> None:
    house = DurableHouse(*THINGS)
    numbers = [1, 2, 3]
    # Each does a, b, c of its own, then i and a, b, c of all the numbers.
    first = failed(house, "g.many", {"list": numbers}, "b2", "i3")

    gone_on(house, first)

    did = Counter(ran)
    # 1 and 3 came to their items, of which the third was bad; 2 came to its own b.
    assert did["a1"] + did["a2"] + did["a3"] == 9, "nested items of all three, and no more"
    assert did["b1"] == did["b3"] == 3, "1 and 3 have done their own"
    assert did["b2"] == 4
    assert did["i1"] == did["i2"] == 1, "of 2 alone"
    assert did["i3"] == 3
    assert did["last"] == 1


def test_it_goes_on_with_what_went_on_already() -> None:
    house = DurableHouse(*THINGS)
    second = house.retry(failed(house, "g.one", {}, "b1")).id
    bad.add("c1")
    house.work()
    assert house.run(second).state is RunState.FAILED
    bad.clear()
    ran.clear()

    gone_on(house, second)

    assert ran == ["c1", "after"]


@pytest.mark.parametrize(("before_that", "left"), [(1, ["b1", "c1", "after"]), (3, ["after"])])
def test_a_workflow_inside_that_was_cancelled_goes_on_where_it_was(
    before_that: int, left: list[str]
) -> None:
    house = DurableHouse(*THINGS)
    run_id = house.submit("g.one")
    for _ in range(before_that):
        finish(house, claimed(house))
    last = claimed(house)
    house.cancel(run_id)
    finish(house, last)
    assert house.run(run_id).state is RunState.CANCELLED
    assert house.parts(run_id)["in"].state is RunState.CANCELLED

    gone_on(house, run_id)

    assert ran == left


def test_from_a_step_on_all_is_done_again_inside_as_well() -> None:
    house = DurableHouse(*THINGS)
    first = failed(house, "g.one", {}, "b1")
    gone_on(house, first, from_step="in")
    assert ran == ["a1", "b1", "c1", "after"]
    ran.clear()

    gone_on(house, first, from_step="before")
    assert ran == ["before", "a1", "b1", "c1", "after"]
    ran.clear()

    gone_on(house, first, extent=Extent.ALL)
    assert ran == ["before", "a1", "b1", "c1", "after"]
    ran.clear()

    gone_on(house, first, from_step="after")
    assert ran == ["b1", "c1", "after"]


def test_items_of_which_nothing_was_done_are_found_anew() -> None:
    house = DurableHouse(*THINGS)
    numbers = [1, 2]
    first = failed(house, "g.many", {"list": numbers}, "a1", "a2")

    again = gone_on(house, first)

    assert Counter(ran)["a1"] == 3
    assert {run.retry_of for run in below(house, again)} == {None}


def test_another_workflow_of_the_same_step_takes_nothing_over() -> None:
    house = DurableHouse(*THINGS)
    first = failed(house, "g.one", {}, "b1")
    other = chain("g.other", "a", "b")
    steps = (replace(step, run="g.other") if step.name == "in" else step for step in ONE.steps)
    changed = workflow("g.one", *steps)
    now = DurableHouse(do, other, changed, beside=house)

    gone_on(now, first)

    assert ran == ["a1", "b1", "after"]


def test_going_on_costs_as_many_statements_for_many_items_as_for_a_few(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")
    store.ensure_ready()
    house = DurableHouse(*THINGS, store=store)
    costs: list[int] = []
    for items in (3, 30):
        numbers = range(1, items + 1)
        run_id = failed(house, "g.wide", {"list": list(numbers)}, *(f"b{n}" for n in numbers))
        with counted() as statements:
            again = house.retry(run_id).id
        costs.append(len(statements))
        parts = below(house, again)
        assert Counter(run.step for run in parts) == {"each": items, "a": items, "b": items}
        house.cancel(again)
    store.close()

    assert costs[1] <= costs[0] <= 60
