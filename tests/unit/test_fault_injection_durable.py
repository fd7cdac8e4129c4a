"""Every call of every port fails once, in every use case of durable runs: nothing lost or doubled.

After the fault the client asks again and another worker goes on, as they would; what is there in
the end has to be what an undisturbed use leaves.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from dispatch_house import add_capture
from durable_house import LEASE, DurableHouse

from market_spine import Result, RunContext, Step, pipeline, workflow
from market_spine.application.backfills import BackfillRequest
from market_spine.application.unit_attempts import typed_errors
from market_spine.domain.captures import CaptureFilter
from market_spine.domain.errors import Category, LoadError, SourceError, SpineError
from market_spine.domain.partitions import PartitionState, days
from market_spine.domain.retries import Retry
from market_spine.domain.runs import RunFilter, RunState
from market_spine.testing.faults import Faults, Moment, raising

DAY = date(2026, 1, 5)


@pipeline("f.list")
def lister(context: RunContext) -> Result[Any]:
    add_capture(context, context.run_id)
    return Result.success([1, 2])


@pipeline("f.item", retry=Retry(attempts=2, delay=0))
def item(context: RunContext, i: int) -> None:
    add_capture(context, context.run_id)
    failures = context.run.attempt
    if i == 1 and failures == 1:
        raise SourceError("not yet", category=Category.TRANSIENT)


@pipeline("f.day", partition="{day}", partitions=days("day"), key="{day}")
def one_day(context: RunContext, day: date) -> None:
    add_capture(context, context.run_id)


GRAPH = workflow(
    "f.graph",
    Step("list", "f.list"),
    Step("items", "f.item", {"i": "${item}"}, after=("list",), each="${steps.list}"),
    Step("never", "f.list", after=("list",), when="${steps.list} == []"),
)
BACKFILL = BackfillRequest(
    "f.day", DAY, DAY + timedelta(days=2), only=(PartitionState.MISSING,), max_active=2
)


@dataclass(frozen=True, slots=True)
class UseCase:
    """What comes before, and what is done under faults; ``use`` can be asked for again."""

    name: str
    use: Callable[[DurableHouse], Any]
    before: Callable[[DurableHouse], Any] = lambda house: None


def submit(house: DurableHouse) -> str:
    return house.submit("f.graph", request="one")


def backfill(house: DurableHouse) -> str:
    """A client that does not know whether it was made looks before it makes it."""
    with typed_errors("looking for the backfill"):
        made = house.backfills.list()
    return made[0].id if made else house.create_backfill(BACKFILL)[0].id


def newest(house: DurableHouse) -> str:
    with typed_errors("looking for the backfill"):
        return house.backfills.list()[0].id


def failed(house: DurableHouse) -> None:
    """A workflow's run that was cancelled before its first step was done."""
    house.cancel(submit(house))


def retry(house: DurableHouse) -> str:
    first = submit(house)
    with typed_errors("looking for the retry"), house.store.read() as unit:
        again = unit.runs.list(RunFilter(retry_of=first, top_level_only=True))
    return again[0].id if again else house.retry(first).id


USE_CASES = (
    UseCase("submit", submit),
    UseCase("work", lambda house: house.work(owner="faulty"), submit),
    UseCase("cancel", lambda house: house.cancel(submit(house)), submit),
    UseCase("retry", retry, failed),
    UseCase("backfill", backfill),
    UseCase("work a backfill", lambda house: house.work(owner="faulty", jobs=2), backfill),
    UseCase("pause", lambda house: house.control_backfill.pause(newest(house)), backfill),
    UseCase("cancel a backfill", lambda h: h.control_backfill.cancel(newest(h)), backfill),
    UseCase(
        "purge",
        lambda house: house.purge(timedelta(days=1)),
        lambda house: (submit(house), house.work(), house.clock.pass_by(2 * 86_400)),
    ),
)


def busy() -> LoadError:
    return LoadError("the store is busy", category=Category.TRANSIENT)


def under(faults: Faults, house: DurableHouse) -> DurableHouse:
    """The same store and time, every port behind ``faults``."""
    return DurableHouse(lister, item, one_day, GRAPH, beside=house, faults=faults)


def prepared(case: UseCase) -> DurableHouse:
    house = DurableHouse(lister, item, one_day, GRAPH)
    case.before(house)
    return house


def put_right(case: UseCase, house: DurableHouse) -> None:
    """What clients and workers do afterwards."""
    house.clock.pass_by(LEASE.total_seconds() + 1)
    case.use(house)
    for made in house.backfills.list():
        if made.state.value == "PAUSED":
            house.control_backfill.resume(made.id)
    for _ in range(3):
        house.work(owner="rescuer", jobs=2)
        house.clock.pass_by(LEASE.total_seconds() + 1)


def outcome(house: DurableHouse, case: UseCase) -> Any:
    """What counts in the end, without ids and times."""
    purged = case.name == "purge"  # runs that data refers to are kept, without their events
    runs = {run.id: run for run in house.runs()}
    assert all(run.state.final for run in runs.values()), list(runs.values())
    for run in runs.values():
        assert house.read.job(run.id) is None, "a job outlives its run"
        kinds = house.kinds(run.id)
        if run.state is not RunState.SKIPPED and not (purged and not kinds):
            ends = [kind for kind in kinds if kind in ("SUCCEEDED", "FAILED", "CANCELLED")]
            assert ends == ([] if "REUSED" in kinds else [run.state.value]), kinds
    with house.store.read() as unit:
        captures = {capture.run for capture in unit.captures.list(CaptureFilter())}
    done = {r.id for r in runs.values() if r.state is RunState.SUCCEEDED and r.plan is None}
    assert captures <= runs.keys()
    assert captures == done, "what a run wrote is there exactly when it has succeeded"
    parts = Counter(
        (made.state.value, part.partition, part.state.value)
        for made in house.backfills.list()
        for part in house.backfills.parts(made.id)
    )
    return Counter((r.pipeline, r.step, r.item, r.state.value) for r in runs.values()), parts


@pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.name)
def test_any_failure_of_any_port_loses_and_doubles_nothing(
    case: UseCase, subtests: pytest.Subtests
) -> None:
    undisturbed, counting = prepared(case), Faults()
    case.use(under(counting, undisturbed))
    put_right(case, undisturbed)
    expected = outcome(undisturbed, case)
    assert len(counting.calls) > 3

    for number, call in enumerate(counting.calls, 1):
        for moment in Moment:
            if moment is Moment.AFTER and not call.endswith("commit"):
                continue  # after any other call is before the next one
            bare = number % 2 == 0
            failure = OSError(errno.EIO, "the disk failed") if bare else busy()
            with subtests.test(f"{type(failure).__name__} {moment.lower()} {number}: {call}"):
                house = prepared(case)
                faults = Faults(number, raising(failure), moment=moment)
                try:
                    case.use(under(faults, house))
                except SpineError:
                    assert not case.name.startswith("work"), "a worker ends by no error"
                assert faults.struck, "the call was never made"
                put_right(case, house)
                found = outcome(house, case)
                # A worker may meet the bare error inside of a run: that run has failed.
                assert found == expected or (bare and case.name.startswith("work"))
