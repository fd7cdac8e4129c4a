"""Workflows with many items and steps: cancelled as a whole, and moved on however far it goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from counted_statements import counted
from durable_house import LEASE, DurableHouse

from market_spine import Result, RunContext, Step, pipeline, workflow
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.queueing import DEFAULT_POOL, Capacity, Job
from market_spine.domain.runs import Run, RunState

FAR_MORE_THAN_A_STACK_TAKES = 400


@pipeline("c.one")
def one(context: RunContext, n: int) -> Result[int]:
    return Result.success(n)


@pipeline("c.keyed", key="the-{n}")
def keyed(context: RunContext, n: int) -> Result[int]:
    return Result.success(n)


INNER = workflow(
    "c.inner",
    Step("a", "c.one", {"n": "${n}"}),
    Step("b", "c.one", {"n": "${n}"}),
    Step("c", "c.one", {"n": "${n}"}, after=("a", "b")),
)
MIDDLE = workflow(
    "c.middle", Step("deep", "c.inner", {"n": "${n}"}), Step("own", "c.one", {"n": "${n}"})
)
OUTER = workflow(
    "c.outer",
    Step("many", "c.middle", {"n": "${item}"}, each="${list}"),
    Step("last", "c.one", {"n": 0}, after=("many",)),
)
PLAIN = workflow("c.plain", Step("many", "c.one", {"n": "${item}"}, each="${list}"))
KEYED = workflow("c.keys", Step("many", "c.keyed", {"n": "${item}"}, each="${list}"))
THINGS = (one, keyed, INNER, MIDDLE, OUTER, PLAIN, KEYED)


def claimed(house: DurableHouse, jobs: int) -> list[Job]:
    capacity = Capacity(
        "here#1", jobs, LEASE, {"c.one": None, "c.keyed": None}, {DEFAULT_POOL: None}
    )
    with house.store.write() as unit:
        claims = house.here.lifecycle.claim(unit, capacity)
        unit.commit()
    return [claim.job for claim in claims]


def finish(house: DurableHouse, job: Job) -> None:
    with house.store.write() as unit:
        run = replace(house.run(job.run), state=RunState.SUCCEEDED)
        house.here.lifecycle.finish(unit, job.lease, run)
        unit.commit()


def tree(house: DurableHouse, run_id: str) -> dict[str, Run]:
    """All runs inside a run by their way down to them."""
    found: dict[str, Run] = {}
    for name, part in house.parts(run_id).items():
        found[name] = part
        found |= {f"{name}/{below}": run for below, run in tree(house, part.id).items()}
    return found


@pytest.mark.parametrize(("name", "most"), [("c.plain", 40), ("c.outer", 80)])
def test_cancelling_costs_as_many_statements_for_many_items_as_for_a_few(
    name: str, most: int, tmp_path: Path
) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")
    store.ensure_ready()
    house = DurableHouse(*THINGS, store=store)
    costs: list[int] = []
    for items in (5, 50):
        run_id = house.submit(name, {"list": list(range(items))})
        with counted() as statements:
            assert house.cancel(run_id).state is RunState.CANCELLED
        costs.append(len(statements))
        assert {run.state for run in tree(house, run_id).values()} == {RunState.CANCELLED}
    store.close()

    assert costs[1] <= costs[0] <= most


def test_all_levels_are_cancelled_and_what_is_executed_ends_when_it_has_noticed() -> None:
    house = DurableHouse(*THINGS)
    run_id = house.submit("c.outer", {"list": [1, 2, 3]})
    jobs = claimed(house, 2)
    executed = {job.run for job in jobs}

    assert house.cancel(run_id).state is RunState.RUNNING

    below = tree(house, run_id)
    for name, run in below.items():
        if run.id in executed:
            assert run.state is RunState.RUNNING
            told = house.read.job(run.id)
            assert told is not None
            assert told.cancel_requested
            assert house.kinds(run.id) == ["SUBMITTED", "CLAIMED", "CANCEL_REQUESTED"]
        elif run.plan is None:
            assert run.state is RunState.CANCELLED, name
            assert run.error is not None
            assert house.read.job(run.id) is None
            assert house.kinds(run.id) == ["SUBMITTED", "CANCELLED"], "a step has only waited"
        else:
            inside = {part.id for way, part in below.items() if way.startswith(f"{name}/")}
            is_live = bool(inside & executed)
            assert run.state.final is not is_live, name
            kinds = ["SUBMITTED", "CANCEL_REQUESTED", *([] if is_live else ["CANCELLED"])]
            assert house.kinds(run.id) == kinds
    assert {run.step for run in below.values()} == {"many", "deep", "own", "a", "b"}
    before = len(house.runs())

    finish(house, jobs[0])
    assert house.run(run_id).state is RunState.RUNNING
    finish(house, jobs[1])

    assert house.run(run_id).state is RunState.CANCELLED
    assert all(run.state.final for run in house.runs())
    assert len(house.runs()) == before, "a step was begun after the end was asked for"
    kinds = [kind for kind in house.kinds(run_id) if kind != "CLAIMED"]
    assert kinds == ["SUBMITTED", "CANCEL_REQUESTED", "CANCELLED"]


def test_cancelling_again_tells_nothing_twice() -> None:
    house = DurableHouse(*THINGS)
    run_id = house.submit("c.outer", {"list": [1, 2]})
    [job] = claimed(house, 1)
    house.cancel(run_id)
    before = {run.id: house.kinds(run.id) for run in house.runs()}

    house.cancel(run_id)

    assert {run.id: house.kinds(run.id) for run in house.runs()} == before
    finish(house, job)
    assert house.run(run_id).state is RunState.CANCELLED


def test_a_part_that_is_cancelled_moves_on_what_is_around_it_and_no_more() -> None:
    house = DurableHouse(*THINGS)
    run_id = house.submit("c.outer", {"list": [1, 2]})
    first = house.parts(run_id)["many[0]"]

    assert house.cancel(first.id).state is RunState.CANCELLED

    assert house.states(run_id) == {"many[0]": "CANCELLED", "many[1]": "PENDING"}
    house.work()
    assert house.states(run_id) == {
        "many[0]": "CANCELLED",
        "many[1]": "SUCCEEDED",
        "last": "SKIPPED",
    }
    assert house.run(run_id).state is RunState.CANCELLED


def test_keys_of_what_is_cancelled_go_to_others_that_wait_for_them() -> None:
    house = DurableHouse(*THINGS)
    run_id = house.submit("c.keys", {"list": [1, 2, 1, 3]})
    other = house.submit("c.keyed", {"n": 1})

    house.cancel(run_id)
    house.work()

    assert house.run(run_id).state is RunState.CANCELLED
    assert house.run(other).state is RunState.SUCCEEDED


def test_any_number_of_workflows_may_end_at_once_one_after_the_other() -> None:
    inner = workflow("c.never", Step("x", "c.one", {"n": 1}, when="${go}"))
    steps = [Step("s0", "c.never", {"go": "${go}"})]
    steps += [
        Step(f"s{n}", "c.never", {"go": "${go}"}, after=(f"s{n - 1}",))
        for n in range(1, FAR_MORE_THAN_A_STACK_TAKES)
    ]
    house = DurableHouse(one, inner, workflow("c.chain", *steps))

    run_id = house.submit("c.chain", {"go": False})

    run = house.run(run_id)
    assert run.state is RunState.SUCCEEDED, run.error
    assert run.metrics["steps_succeeded"] == FAR_MORE_THAN_A_STACK_TAKES
