"""Runs that are submitted: taken by workers, cancelled, given back, taken over, purged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import pytest
from durable_house import LEASE, DurableHouse

from market_spine import Param, Result, RunContext, Step, pipeline, workflow
from market_spine.application.lifecycle import MOST_LOSSES
from market_spine.application.reaping import reap
from market_spine.application.retry_run import Extent
from market_spine.application.submissions import Submission
from market_spine.domain.errors import Category, LeaseLostError, ValidationError
from market_spine.domain.queueing import Capacity, Job, Lease
from market_spine.domain.runs import Run, RunState, Trigger

ran: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pipeline("t.note", partition="{name}", key="note/{name}")
def note(context: RunContext, name: str = "x") -> None:
    context.log.info("noted %s", name)
    ran.append(name)


@pipeline("t.free")
def free(context: RunContext, value: Any = None) -> None:
    ran.append(value)


@pipeline("t.secret")
def secret(context: RunContext, token: Annotated[str, Param(secret=True)]) -> Result[Any]:
    ran.append(token)
    context.log.info("token %s", token)
    return Result.success({"said": token})


def claimed(house: DurableHouse, owner: str = "other#1", jobs: int = 1) -> list[Job]:
    """Jobs that a worker has taken, and does not execute."""
    capacity = Capacity(owner, jobs, LEASE, house.here.catalog.lanes)
    with house.store.write() as unit:
        found = [claim.job for claim in house.here.lifecycle.claim(unit, capacity)]
        unit.commit()
    return found


def finish(house: DurableHouse, lease: Lease, state: RunState = RunState.SUCCEEDED) -> Run:
    run = replace(house.run(lease.run), state=state)
    with house.store.write() as unit:
        ended = house.here.lifecycle.finish(unit, lease, run)
        unit.commit()
    return ended


def test_a_submitted_run_waits_and_is_executed_by_a_worker() -> None:
    house = DurableHouse(note)
    run_id = house.submit("t.note", {"name": "a"})
    waiting = house.run(run_id)
    assert (waiting.state, waiting.partition, waiting.trigger) == (
        RunState.PENDING,
        "a",
        Trigger.REQUEST,
    )
    assert ran == []

    house.work()

    done = house.run(run_id)
    assert (done.state, done.attempt, done.owner) == (RunState.SUCCEEDED, 1, "here#1")
    assert ran == ["a"]
    assert house.kinds(run_id) == ["SUBMITTED", "CLAIMED", "SUCCEEDED"]
    assert [line.text for line in house.read.lines(run_id)] == ["noted a"]
    assert house.read.job(run_id) is None


def test_the_same_request_gives_the_same_run_and_another_one_under_its_id_is_refused() -> None:
    house = DurableHouse(note)
    first = house.submit("t.note", {"name": "a"}, request="monday")

    assert house.submit("t.note", {"name": "a"}, request="monday") == first
    house.work()
    assert house.submit("t.note", {"name": "a"}, request="monday") == first
    with pytest.raises(ValidationError, match="'monday' was made before") as refused:
        house.submit("t.note", {"name": "b"}, request="monday")
    assert refused.value.context.metadata == {"already_exists": f"runs/{first}"}

    assert len(house.runs()) == 1


@pytest.mark.parametrize("others", [(1, True), (1.0, 1), (False, 0)])
def test_what_only_python_takes_for_the_same_is_another_request(others: tuple[Any, Any]) -> None:
    house = DurableHouse(free)
    house.submit("t.free", {"value": others[0]}, request="monday")
    with pytest.raises(ValidationError, match="'monday' was made before"):
        house.submit("t.free", {"value": others[1]}, request="monday")


def test_the_urgent_goes_first_and_nothing_waits_for_ever() -> None:
    house = DurableHouse(note)
    for name in ("a", "b"):
        house.submit("t.note", {"name": name})
    house.submit("t.note", {"name": "urgent"}, priority=10)
    house.submit("t.note", {"name": "later"}, priority=-10)
    house.work()
    assert ran == ["urgent", "a", "b", "later"]

    ran.clear()
    house.submit("t.note", {"name": "old"})
    house.clock.pass_by(11 * 60)
    house.submit("t.note", {"name": "new"}, priority=10)
    house.work()
    assert ran == ["old", "new"]


@pytest.mark.parametrize("priority", [1001, -1001])
def test_a_priority_out_of_range_is_refused(priority: int) -> None:
    with pytest.raises(ValidationError, match="out of range"):
        DurableHouse(note).submit("t.note", priority=priority)


def test_runs_of_one_key_are_executed_one_after_the_other() -> None:
    house = DurableHouse(note)
    first, second = (house.submit("t.note", {"name": "same"}) for _ in range(2))
    [job] = claimed(house, jobs=5)
    assert job.run == first
    assert claimed(house, "here#2", jobs=5) == []

    finish(house, job.lease)

    assert [job.run for job in claimed(house, "here#2", jobs=5)] == [second]


@pytest.mark.parametrize("value", ["nan", "inf", float("-inf")])
def test_what_is_no_finite_number_is_refused_as_such(value: Any) -> None:
    @pipeline("t.number")
    def number(context: RunContext, factor: float) -> None:
        """Takes a number."""

    @pipeline("t.anything")
    def anything(context: RunContext, given: Any) -> None:
        """Takes what it gets."""

    graph = workflow("t.graph", Step("one", "t.anything", {"given": "${given}"}))
    house = DurableHouse(number, anything, graph)
    with pytest.raises(ValidationError, match=r"factor of t\.number is or holds NaN or an infin"):
        house.submit("t.number", {"factor": value})
    with pytest.raises(ValidationError, match=r"given of t\.graph is or holds NaN or an infinite"):
        house.submit("t.graph", {"given": [{"deep": float(value)}]})


def test_a_request_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValidationError, match="request id is no text in UTF-8"):
        DurableHouse(secret).submit("t.secret", request="a\udcff")


def test_a_secret_is_submitted_by_its_place_and_read_by_the_worker() -> None:
    house = DurableHouse(secret)
    with pytest.raises(ValidationError, match="is a secret") as caught:
        house.submit("t.secret", {"token": "sesame-open-77"})
    assert "sesame" not in str(caught.value.to_dict())

    run_id = house.submit("t.secret", {"token": "env:TOKEN"})
    house.work()

    assert ran == ["sesame-open-77"]
    run = house.run(run_id)
    assert run.parameters == {"token": "env:TOKEN"}
    assert run.output == {"said": "***"}
    assert [line.text for line in house.read.lines(run_id)] == ["token ***"]


def test_a_secret_that_is_not_there_fails_the_run_and_names_its_place() -> None:
    house = DurableHouse(secret)
    run_id = house.submit("t.secret", {"token": "env:NOWHERE"})

    house.work()

    error = house.run(run_id).error
    assert error is not None
    assert error.category is Category.CONFIGURATION
    assert "NOWHERE" in str(error)


def test_a_run_with_a_secret_that_was_not_stored_is_not_retried() -> None:
    house = DurableHouse(secret)
    outcome = house.here("t.secret", {"token": "sesame-open-77"})
    with house.store.read() as unit:
        assert unit.runs.get(outcome.run.id) is not None

    with pytest.raises(ValidationError, match=r"token of run .* is or holds a secret"):
        house.retry(outcome.run.id, extent=Extent.ALL)


# Leases


def test_who_lost_the_lease_commits_nothing() -> None:
    house = DurableHouse(note)
    run_id = house.submit("t.note")
    [old] = claimed(house)
    house.clock.pass_by(LEASE.total_seconds() + 1)

    house.work(owner="here#2")

    assert house.run(run_id).state is RunState.SUCCEEDED
    with pytest.raises(LeaseLostError, match="taken over"):
        finish(house, old.lease)
    assert house.kinds(run_id) == [
        "SUBMITTED",
        "CLAIMED",
        "LEASE_LOST",
        "CLAIMED",
        "SUCCEEDED",
    ]


def test_a_process_of_this_machine_that_is_gone_is_not_waited_for() -> None:
    house = DurableHouse(note)
    run_id = house.submit("t.note")
    claimed(house, "gone#1")
    house.processes.gone.add("gone#1")

    house.work()

    assert house.run(run_id).state is RunState.SUCCEEDED


def test_a_run_that_ends_its_processes_again_and_again_is_given_up() -> None:
    house = DurableHouse(note)
    run_id = house.submit("t.note")
    for _ in range(MOST_LOSSES + 1):
        assert house.run(run_id).state is RunState.PENDING
        assert len(claimed(house)) == 1
        house.clock.pass_by(LEASE.total_seconds() + 1)
        assert reap(house.store, house.clock, house.here.lifecycle) == 1

    run = house.run(run_id)
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert run.error.category is Category.RESOURCE
    assert "11 processes" in run.error.message


def test_a_run_that_is_given_back_is_taken_at_once_and_counts_as_no_loss() -> None:
    house = DurableHouse(note)
    run_id = house.submit("t.note")
    [job] = claimed(house)
    with house.store.write() as unit:
        assert house.here.lifecycle.release(unit, job.lease)
        assert not house.here.lifecycle.release(unit, job.lease), "it was given back already"
        unit.commit()
    waiting = house.read.job(run_id)
    assert waiting is not None
    assert waiting.losses == 0

    house.work()

    assert house.kinds(run_id)[:4] == ["SUBMITTED", "CLAIMED", "RELEASED", "CLAIMED"]


def test_a_job_that_outlived_its_run_keeps_no_other_from_being_taken() -> None:
    house = DurableHouse(note)
    broken, sound = (house.submit("t.note", {"name": name}) for name in "ab")
    with house.store.write() as unit:
        unit.runs.finish(replace(house.run(broken), state=RunState.CANCELLED))
        unit.commit()

    assert [job.run for job in claimed(house, jobs=2)] == [sound]
    assert house.read.job(broken) is None


# Cancelling


def test_what_waits_is_cancelled_at_once() -> None:
    house = DurableHouse(note)
    first, second = (house.submit("t.note", {"name": "same"}) for _ in range(2))

    assert house.cancel(first).state is RunState.CANCELLED
    assert house.cancel(first).state is RunState.CANCELLED, "again"
    house.work()

    assert ran == ["same"]
    assert house.run(second).state is RunState.SUCCEEDED, "the key was not given on"
    assert house.kinds(first) == ["SUBMITTED", "CANCEL_REQUESTED", "CANCELLED"]
    with pytest.raises(ValidationError, match="no run nowhere"):
        house.cancel("nowhere")


def test_what_is_executed_is_told_and_ends_as_cancelled() -> None:
    house = DurableHouse(note)
    run_id = house.submit("t.note")
    [job] = claimed(house)

    assert house.cancel(run_id).state is RunState.RUNNING
    error = ValidationError("whatever it said when it ended")
    with house.store.write() as unit:
        house.here.lifecycle.fail(unit, job.lease, replace(house.run(run_id), error=error))
        unit.commit()

    assert house.run(run_id).state is RunState.CANCELLED


def test_a_cancelled_run_whose_process_vanished_is_not_done_again() -> None:
    house = DurableHouse(note)
    run_id = house.submit("t.note")
    claimed(house)
    house.cancel(run_id)
    house.clock.pass_by(LEASE.total_seconds() + 1)

    house.work()

    assert (house.run(run_id).state, ran) == (RunState.CANCELLED, [])


def test_a_workflow_is_cancelled_with_all_its_steps() -> None:
    graph = workflow(
        "t.graph",
        Step("a", "t.note", {"name": "a"}),
        Step("b", "t.note", {"name": "b"}),
        Step("c", "t.note", {"name": "c"}, after=("a", "b")),
    )
    house = DurableHouse(note, graph)
    run_id = house.submit("t.graph")
    [job] = claimed(house)

    assert house.cancel(run_id).state is RunState.RUNNING
    assert sorted(house.states(run_id).values()) == ["CANCELLED", "RUNNING"]
    finish(house, job.lease)

    assert house.run(run_id).state is RunState.CANCELLED
    assert sorted(house.states(run_id).values()) == ["CANCELLED", "SUCCEEDED"]
    again = house.retry(run_id).id
    house.work()
    assert house.run(again).state is RunState.SUCCEEDED
    assert sorted(ran) == ["b", "c"], "what was done is not done again"


# Retention


def test_old_runs_are_purged_and_live_ones_never() -> None:
    house = DurableHouse(note)
    for number in range(3):
        house.submit("t.note", {"name": str(number)}, request=str(number))
    house.work()
    live = house.submit("t.note", {"name": "live"})
    house.clock.pass_by(timedelta(days=91).total_seconds())
    young = house.submit("t.note", {"name": "young"})
    claimed(house)

    purged = house.purge(timedelta(days=90))

    assert purged.runs == 3
    assert sorted(run.id for run in house.runs()) == sorted([live, young])
    assert house.purge(timedelta(days=90)).runs == 0
    with pytest.raises(ValidationError, match="is no age"):
        house.purge(timedelta(0))
    assert house.submit("t.note", {"name": "0"}, request="0")


def test_a_submission_names_what_is_wrong_with_it() -> None:
    with pytest.raises(ValidationError, match="201 bytes"):
        Submission("t.note", request="x" * 201)
    with pytest.raises(ValidationError, match="no pipeline or workflow named"):
        DurableHouse(note).submit("t.nothing")
