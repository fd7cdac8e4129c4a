"""What was once wrong with durable runs, and must not be again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from durable_house import LEASE, DurableHouse, Slow
from test_durable_runs import claimed

from market_spine import Param, Result, RunContext, Step, pipeline, workflow
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application.retry_run import Extent
from market_spine.domain.errors import Category, SourceError, SpineError, ValidationError
from market_spine.domain.queueing import Capacity, QueueState
from market_spine.domain.retries import Retry
from market_spine.domain.runs import Run, RunState
from market_spine.ports.execution import Ended, Task


@pipeline("a.flaky", retry=Retry(attempts=3, delay=0))
def flaky(context: RunContext) -> None:
    context.log.info("attempt %s", context.run.attempt)
    if context.run.attempt < 3:
        raise SourceError("away", category=Category.TRANSIENT)


def test_every_attempt_may_log() -> None:
    house = DurableHouse(flaky)
    run_id = house.submit("a.flaky")

    house.work()

    assert house.run(run_id).state is RunState.SUCCEEDED, house.run(run_id).error
    texts = [line.text for line in house.read.lines(run_id) if line.text.startswith("attempt")]
    assert texts == ["attempt 1", "attempt 2", "attempt 3"]


@pipeline("a.part", key="part")
def part(context: RunContext) -> None: ...


@pipeline("a.outer")
def outer(context: RunContext) -> None:
    context.execute("a.part", {})


def part_of(house: DurableHouse, parent: str, owner: str) -> Run:
    """A part that ``context.execute`` has begun, as it is while it is executed."""
    with house.store.write() as unit:
        at = unit.queue.now()
        made = Run("part-1", "a.part", {}, RunState.RUNNING, at, parent=parent, owner=owner)
        unit.runs.add(made)
        job = replace(claimed_job(house, parent), run="part-1", pipeline="a.part", key="part")
        unit.queue.add(replace(job, attached=True, pool="@part-1"))
        unit.commit()
    return made


def claimed_job(house: DurableHouse, run_id: str) -> Any:
    job = house.read.job(run_id)
    assert job is not None
    return job


def test_a_part_without_a_step_is_cancelled_and_cleaned_up_with_its_run() -> None:
    house = DurableHouse(part, outer)
    parent = house.submit("a.outer")
    [job] = claimed(house)
    part_of(house, parent, "other#1")

    house.cancel(parent)
    assert claimed_job(house, "part-1").cancel_requested
    failed = replace(house.run(parent), state=RunState.FAILED, error=SpineError("it died"))
    with house.store.write() as unit:
        house.here.lifecycle.fail(unit, job.lease, failed)
        unit.commit()

    assert house.run("part-1").state.final
    assert house.read.job("part-1") is None, "its key and its slot are taken for ever"


def test_two_attempts_are_never_executed_at_once_by_one_worker() -> None:
    house, slow = DurableHouse(flaky), Slow()
    run_id = house.submit("a.flaky")
    worker = house.worker(execution=slow, jobs=2)
    turns = 0

    def turn() -> bool:
        """The process commits a retry without a pause; the worker claims before it hears of it."""
        nonlocal turns
        turns += 1
        return turns > 3

    def commit_a_retry(task: Task) -> None:
        slow.started.append(task)
        if len(slow.started) == 1:
            error = SourceError("away", category=Category.TRANSIENT)
            run = replace(house.run(run_id), state=RunState.FAILED, error=error)
            with house.store.write() as unit:
                house.here.lifecycle.fail(unit, task.lease, run)
                unit.commit()
        else:
            assert slow.ended or slow.answers == [], "both attempts are under way"
            slow.answers.append(Ended(task))
            worker.stop()

    slow.start = commit_a_retry  # type: ignore[method-assign]
    worker.run(until=turn)

    assert [task.lease.fence for task in slow.started] == [1, 2]
    assert [task.lease.fence for task in slow.ended] == [1], "the first was not ended"


@pipeline("a.secret")
def secret(
    context: RunContext,
    tokens: Annotated[list[str], Param(secret=True)],
    auth: Any = None,
) -> Result[Any]:
    context.log.info("using %s and %s", tokens[0], auth["password"])
    return Result.success({"used": tokens[0]})


def test_secrets_inside_lists_and_mappings_are_hidden() -> None:
    house = DurableHouse(secret)
    given = {"tokens": ["sesame-open-77"], "auth": {"password": "hunter22x"}}

    outcome = house.here("a.secret", given)

    assert outcome.result.ok, outcome.result.error
    [line] = house.read.lines(outcome.run.id)
    assert line.text == "using *** and ***"
    assert house.run(outcome.run.id).output == {"used": "***"}


@pipeline("a.url")
def url(context: RunContext, url: str) -> None:
    raise SourceError(f"{url} is away")


def test_a_run_is_not_retried_with_masks_for_values() -> None:
    house = DurableHouse(url)
    outcome = house.here("a.url", {"url": "postgresql://u:sesame@host/db"})
    assert outcome.run.parameters == {"url": "postgresql://u:***@host/db"}

    with pytest.raises(ValidationError, match="holds a secret"):
        house.retry(outcome.run.id, extent=Extent.ALL)


def test_who_asks_for_the_end_while_a_run_is_put_back_is_heard() -> None:
    house = DurableHouse(flaky)
    run_id = house.submit("a.flaky")
    [job] = claimed(house)
    error = SourceError("away", category=Category.TRANSIENT)
    failed = replace(house.run(run_id), state=RunState.FAILED, error=error)
    lifecycle = house.here.lifecycle
    with house.store.write() as unit:
        # As if it had been asked for after the failing process had looked.
        queue_get = unit.queue.get
        seen = iter([claimed_job(house, run_id)])
        unit.queue.get = lambda name: next(seen, None) or queue_get(name)  # type: ignore[method-assign]
        unit.queue.cancel(run_id)
        ended = lifecycle.fail(unit, job.lease, failed)
        unit.commit()

    assert ended.state is RunState.CANCELLED
    assert house.run(run_id).state is RunState.CANCELLED
    assert house.read.job(run_id) is None


@pipeline("a.named")
def named(context: RunContext, name: str) -> None:
    context.partition = name


@pytest.mark.parametrize("name", ["x" * 250, "nul\0"])
def test_what_a_run_says_that_cannot_be_stored_fails_that_run_alone(
    name: str, tmp_path: Path
) -> None:
    with closing(SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")) as store:
        store.ensure_ready()
        house = DurableHouse(named, store=store)
        refused = house.here("a.named", {"name": name})
        assert house.here("a.named", {"name": "fine"}).result.ok
        states = [run.state for run in house.runs()]

    assert states == [RunState.SUCCEEDED, RunState.FAILED]
    assert refused.result.error is not None
    assert refused.result.error.category is Category.VALIDATION


@pipeline("a.list")
def lister(context: RunContext) -> Result[Any]:
    return Result.success(["x" * 300])


@pipeline("a.keyed", key="{name:03d}")
def keyed(context: RunContext, name: str) -> None: ...


@pipeline("a.long", partition="{name}")
def long(context: RunContext, name: str) -> None: ...


@pytest.mark.parametrize("name", ["a.keyed", "a.long"])
def test_a_step_that_cannot_be_queued_fails_itself_and_not_the_one_before(name: str) -> None:
    graph = workflow(
        "a.graph",
        Step("list", "a.list"),
        Step("next", name, {"name": "${item}"}, after=("list",), each="${steps.list}"),
    )
    house = DurableHouse(lister, keyed, long, graph)
    run_id = house.submit("a.graph")

    house.work()

    assert house.states(run_id) == {"list": "SUCCEEDED", "next": "FAILED"}


def test_a_retry_is_ranked_by_the_time_of_the_store() -> None:
    house = DurableHouse(flaky)
    first = house.submit("a.flaky")
    house.cancel(first)
    now = house.clock.now()
    object.__setattr__(house.retry, "clock", _Wrong(house))

    again = house.retry(first).id

    assert house.run(again).created_at == now
    assert claimed_job(house, again).ranked_at == now


class _Wrong:
    def __init__(self, house: DurableHouse) -> None:
        self._house = house

    def now(self) -> Any:
        return self._house.clock.now() - timedelta(hours=1)

    def monotonic(self) -> float:
        return self._house.clock.monotonic()


def test_a_worker_takes_back_nothing_of_its_own() -> None:
    house = DurableHouse(flaky)
    house.submit("a.flaky")
    with house.store.write() as unit:
        capacity = Capacity("here#1", 1, LEASE, house.here.catalog.lanes)
        job = house.here.lifecycle.claim(unit, capacity)[0].job
        unit.commit()
    house.clock.pass_by(LEASE.total_seconds() + 1)

    house.work(owner="here#1")

    assert claimed_job(house, job.run).state is QueueState.CLAIMED
    assert "LEASE_LOST" not in house.kinds(job.run)
