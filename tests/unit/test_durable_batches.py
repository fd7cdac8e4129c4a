"""Outcomes that are recorded together, and what becomes of them when one cannot be."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from durable_house import LEASE, DurableHouse, Slow

from market_spine import Result, RunContext, Step, pipeline, workflow
from market_spine.adapters.outbound.execution.messages import read_task, task_line
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.captures import Capture, Partition
from market_spine.domain.errors import SpineError, ValidationError
from market_spine.domain.plans import Plan
from market_spine.domain.queueing import Capacity, QueueState
from market_spine.domain.runs import LogLine, RunState
from market_spine.ports.execution import Ended, Finished, Task
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.store_suite_samples import NOON


class CountingStore(MemoryStore):
    """Counts its commits."""

    commits = 0

    def publish(self, state: Any) -> None:
        self.commits += 1
        super().publish(state)


@pipeline("b.nothing")
def nothing(context: RunContext, n: int) -> Result[int]:
    context.log.info("did nothing, %s times", n)
    context.partition = f"part-{n}"
    return Result.success(n, metrics={"n": n})


@pipeline("b.bad")
def bad(context: RunContext) -> Result[Any]:
    return Result.failure(ValidationError("it is bad"))


@pipeline("b.write")
def write(context: RunContext) -> None:
    partition = Partition("b", NOON.date(), context.run_id)
    context.unit_of_work().captures.add(
        Capture(context.run_id, partition, "d", NOON, None, "s", "t", {}, context.run_id, 1)
    )


@pipeline("b.talk")
def talk(context: RunContext) -> Result[str]:
    for n in range(60):
        context.log.info("line %s", n)
    return Result.success("x" * 30_000)


def test_outcomes_that_come_together_take_one_commit() -> None:
    store = CountingStore()
    house = DurableHouse(nothing, store=store)
    runs = [house.submit("b.nothing", {"n": n}) for n in range(20)]
    before = store.commits

    house.work(jobs=20)

    assert store.commits - before == 2, "one to claim, one to record"
    for n, run_id in enumerate(runs):
        run = house.run(run_id)
        assert (run.state, run.output, run.metrics) == (RunState.SUCCEEDED, n, {"n": n})
        assert run.partition == f"part-{n}"
        assert run.finished_at is not None
        assert house.kinds(run_id) == ["SUBMITTED", "CLAIMED", "SUCCEEDED"]
        with house.store.read() as unit:
            assert [line.text for line in unit.journal.lines(run_id)] == [f"did nothing, {n} times"]
            assert unit.queue.get(run_id) is None


class SlowStore(CountingStore):
    """Each commit takes a second of the clock of its house, once it has one."""

    house: DurableHouse | None = None

    def publish(self, state: Any) -> None:
        super().publish(state)
        if self.house is not None:
            self.house.clock.pass_by(1)


class Trickling(Slow):
    """So many ``at_first`` end together, the others one by one, 8 ms apart."""

    def __init__(self, house: DurableHouse, at_first: int) -> None:
        super().__init__()
        self._clock = house.clock
        self._next = at_first

    def wait(self, seconds: float) -> list[Ended]:
        if seconds < 0.008:
            self._clock.pass_by(seconds)
            return []
        self._clock.pass_by(0.008)
        found, self.started = self.started[: self._next], self.started[self._next :]
        self._next = 1
        return [Ended(task, finished=Finished()) for task in found]


@pytest.mark.parametrize(("at_first", "records"), [(1, 9), (2, 2)])
def test_outcomes_are_gathered_once_several_have_come_together(at_first: int, records: int) -> None:
    store = SlowStore()
    house = DurableHouse(nothing, store=store)
    for n in range(9):
        house.submit("b.nothing", {"n": n})
    store.house = house
    before = store.commits

    house.work(jobs=9, execution=Trickling(house, at_first))

    assert store.commits - before == 1 + records


class Forgetful(Slow):
    """The outcome of the first task gets lost on its way: it is taken to be recorded."""

    def __init__(self, house: DurableHouse) -> None:
        super().__init__()
        self._clock = house.clock
        self._told = 0

    def wait(self, seconds: float) -> list[Ended]:
        time.sleep(0.001)
        self._clock.pass_by(0.001)
        new, self._told = self.started[self._told :], len(self.started)
        return [Ended(task, finished=self._outcome(task)) for task in new]

    def _outcome(self, task: Task) -> Finished | None:
        return None if task is self.started[0] else Finished(output=7)


def test_a_run_whose_outcome_is_never_heard_of_is_executed_again() -> None:
    house = DurableHouse(nothing)
    run_id = house.submit("b.nothing", {"n": 1})
    deadline = time.monotonic() + 30

    execution = Forgetful(house)
    worker = house.worker(execution=execution, lease=timedelta(seconds=0.3))

    def over() -> bool:
        house.clock.pass_by(0.001)
        return house.run(run_id).state.final or time.monotonic() > deadline

    worker.run(until=over)

    run = house.run(run_id)
    assert (run.state, run.output) == (RunState.SUCCEEDED, 7)
    assert len(execution.started) == 2


def test_what_has_written_or_has_much_to_say_commits_by_itself() -> None:
    store = CountingStore()
    house = DurableHouse(write, talk, store=store)
    writer, talker = house.submit("b.write"), house.submit("b.talk")
    before = store.commits

    house.work(jobs=2)

    assert store.commits - before == 3
    assert house.run(writer).state is RunState.SUCCEEDED
    assert len(house.run(talker).output) == 30_000
    with house.store.read() as unit:
        assert len(unit.journal.lines(talker)) == 60


def test_one_lost_lease_takes_no_other_outcome_along() -> None:
    house, execution = DurableHouse(nothing), Slow()
    runs = [house.submit("b.nothing", {"n": n}) for n in range(3)]
    worker = house.worker(execution=execution, jobs=3)
    taken_over: list[str] = []

    def answer_all() -> list[Ended]:
        if taken_over:
            return []
        lost = execution.started[1]
        with house.store.write() as unit:
            house.here.lifecycle.release(unit, lost.lease)
            capacity = Capacity("there#1", 1, LEASE, house.here.catalog.lanes)
            [claim] = house.here.lifecycle.claim(unit, capacity)
            unit.commit()
        taken_over.append(claim.run.id)
        return [Ended(task, finished=Finished(output=7)) for task in execution.started]

    execution.wait = lambda seconds: answer_all()  # type: ignore[method-assign]
    worker.run(until=lambda: True)

    assert taken_over == [runs[1]]
    states = [house.run(run_id).state for run_id in runs]
    assert states == [RunState.SUCCEEDED, RunState.RUNNING, RunState.SUCCEEDED]
    job = house.read.job(runs[1])
    assert job is not None
    assert (job.state, job.owner) == (QueueState.CLAIMED, "there#1")
    assert house.kinds(runs[0])[-1] == "SUCCEEDED"


@pytest.mark.parametrize("wrong", [Finished(partition="a\0b"), Finished(output=float)])
def test_what_the_store_refuses_fails_its_run_alone(tmp_path: Path, wrong: Finished) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")
    store.ensure_ready()
    house, execution = DurableHouse(nothing, store=store), Slow()
    runs = [house.submit("b.nothing", {"n": n}) for n in range(3)]
    worker = house.worker(execution=execution, jobs=3)

    def answer_all() -> list[Ended]:
        if not execution.started:
            return []
        tasks, execution.started = execution.started, []
        good = Finished(output=7, lines=(LogLine(tasks[0].run, 1, NOON, "INFO", "good"),))
        found = [good, wrong, Finished()]
        return [Ended(task, finished=each) for task, each in zip(tasks, found, strict=True)]

    execution.wait = lambda seconds: answer_all()  # type: ignore[method-assign]
    worker.run(until=lambda: True)

    states = [house.run(run_id).state for run_id in runs]
    assert states == [RunState.SUCCEEDED, RunState.FAILED, RunState.SUCCEEDED]
    error = house.run(runs[1]).error
    assert error is not None
    assert "NUL" in str(error) or "cannot be stored" in str(error)
    with store.read() as unit:
        assert [line.text for line in unit.journal.lines(runs[0])] == ["good"]
        assert [unit.queue.get(run_id) for run_id in runs] == [None] * 3
    store.close()


def test_an_outcome_waits_for_a_store_that_is_away() -> None:
    house = DurableHouse(nothing)
    run_id = house.submit("b.nothing", {"n": 1})
    execution = Slow()
    worker = house.worker(execution=execution)
    away = SpineError("the server is away", retryable=True)
    refused: list[int] = []

    def answer() -> list[Ended]:
        tasks, execution.started = execution.started, []
        house.clock.pass_by(1)
        return [Ended(task, finished=Finished(output=3)) for task in tasks]

    finish_all = type(house.here.lifecycle).finish_all

    def refuse_twice(self: Any, *arguments: Any) -> Any:
        if len(refused) < 2:
            refused.append(1)
            raise away
        return finish_all(self, *arguments)

    execution.wait = lambda seconds: answer()  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(house.here.lifecycle), "finish_all", refuse_twice)
        worker.run(until=lambda: True)

    assert len(refused) == 2
    run = house.run(run_id)
    assert (run.state, run.output, run.attempt) == (RunState.SUCCEEDED, 3, 1)


def test_a_workflow_that_ends_by_what_begins_in_it_ends_once() -> None:
    inner = workflow("b.inner", Step("never", "b.nothing", {"n": 1}, when="${n} > 5"))
    outer = workflow(
        "b.outer",
        Step("skipped", "b.nothing", {"n": 1}, when="${n} > 5"),
        Step("deep", "b.inner", {"n": "${n}"}),
    )
    house = DurableHouse(nothing, inner, outer)

    run_id = house.submit("b.outer", {"n": 1})

    assert house.run(run_id).state is RunState.SUCCEEDED
    assert house.kinds(run_id) == ["SUBMITTED", "SUCCEEDED"]
    assert house.states(run_id) == {"skipped": "SKIPPED", "deep": "SUCCEEDED"}


def test_finished_comes_back_from_json_as_it_was() -> None:
    line = LogLine("run-1", 3, NOON, "INFO", "é")
    finished = Finished({"n": 1, "x": None}, ("careful",), {"a": [1, 2]}, "p", (line,))
    assert Finished.from_dict(finished.to_dict()) == finished
    assert Finished.from_dict(replace(finished, lines=()).to_dict()).lines == ()


def test_a_claimed_run_comes_to_another_process_as_it_is() -> None:
    house = DurableHouse(nothing)
    house.submit("b.nothing", {"n": 3})
    capacity = Capacity("here#1", 1, LEASE, house.here.catalog.lanes)
    with house.store.write() as unit:
        [claim] = house.here.lifecycle.claim(unit, capacity)
    run = replace(claim.run, partition="é", item=2, cancel_requested_at=NOON, warnings=("w",))

    arrived = read_task(task_line(Task(claim.job.lease, {"token": "x"}, run)))

    assert arrived.known == run
    assert (arrived.lease, arrived.secrets) == (claim.job.lease, {"token": "x"})
    planned = replace(run, plan={"steps": []})
    assert read_task(task_line(Task(claim.job.lease, {}, planned))).known is None
    assert read_task(task_line(Task(claim.job.lease))).known is None


def test_plans_are_written_out_as_often_for_many_items_as_for_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = workflow("b.inner", Step("a", "b.nothing", {"n": 1}), Step("b", "b.bad", after=("a",)))
    outer = workflow("b.outer", Step("in", "b.inner", each="${ns}"))
    to_dict, written = Plan.to_dict, list[Plan]()

    def counted(plan: Plan) -> dict[str, Any]:
        written.append(plan)
        return to_dict(plan)

    monkeypatch.setattr(Plan, "to_dict", counted)

    def often(items: int) -> list[int]:
        house, counts = DurableHouse(nothing, bad, inner, outer), []
        written.clear()
        first = house.submit("b.outer", {"ns": list(range(items))})
        house.work()
        counts.append(len(written))
        house.retry(first)
        return [*counts, len(written)]

    assert often(2) == often(20)
