"""What a worker says of what waits, and when it has nothing left to wait for."""

from __future__ import annotations

from typing import Any

import pytest
from durable_house import SetClock

from market_spine.application.idleness import Idleness
from market_spine.domain.queueing import QueueState, private_pool
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.store_suite_run_samples import PIPELINE, a_job, claim, with_jobs
from market_spine.testing.store_suite_samples import NOON


class Told(list[str]):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.clock = SetClock()
        self.idleness = Idleness(
            self.store, self.clock, ["default", "loads"], {PIPELINE: None}, self.append
        )

    def wait(self, run: str, **job: Any) -> None:
        with_jobs(self.store, a_job(run, **job))


@pytest.fixture
def told() -> Told:
    return Told()


def test_it_is_over_when_nothing_waits(told: Told) -> None:
    assert told.idleness.over()
    told.wait("run-1")
    assert not told.idleness.over()
    claim(told.store)
    assert told.idleness.over()
    assert told == []


def test_what_waits_for_its_time_or_for_another_run_is_waited_for(told: Told) -> None:
    told.wait("mine", state=QueueState.CLAIMED, key="k", owner="x", fence=1, lease_until=NOON)
    assert told.idleness.over()
    told.wait("held", key="k")
    assert not told.idleness.over(), "its holder will end"
    told.wait("later", state=QueueState.WAITING, ready_at=NOON, pool="loads")
    assert not told.idleness.over()


def test_what_it_never_takes_is_left_and_told(told: Told) -> None:
    told.wait("big", pool="big")
    told.wait("strange", pipeline="not.known")

    assert told.idleness.over()

    pools, pipelines = told
    assert "does not serve: big; spine worker --pools big,default,loads takes" in pools
    assert "does not know: not.known; SPINE_MODULES names" in pipelines


def test_nothing_is_told_while_something_is_left_to_do(told: Told) -> None:
    told.wait("big", pool="big")
    told.wait("run-1")

    assert not told.idleness.over()
    assert told == []


def test_a_worker_that_goes_on_tells_of_each_thing_once_and_looks_now_and_then(told: Told) -> None:
    told.wait("big", pool="big")
    assert not told.idleness.never_over()
    assert len(told) == 1

    told.wait("huge", pool="huge")
    assert not told.idleness.never_over()
    assert len(told) == 1, "looked again at once"

    told.clock.pass_by(61)
    assert not told.idleness.never_over()
    assert "does not serve: huge; spine worker --pools big,default,huge,loads" in told[1]
    told.clock.pass_by(61)
    told.idleness.never_over()
    assert len(told) == 2


def test_what_is_held_by_a_run_that_waits_for_others_is_left_to_them(told: Told) -> None:
    told.wait("holder", pool="io", key="k")
    told.wait("held", key="k")

    assert told.idleness.over()

    assert "does not serve: io;" in told[0]


def test_while_something_is_executed_elsewhere_what_is_held_is_waited_for(told: Told) -> None:
    told.wait("holder", pool="io", key="k")
    told.wait("held", key="k")
    told.wait("other", state=QueueState.CLAIMED, owner="x", fence=1, lease_until=NOON)

    assert not told.idleness.over()
    assert "does not serve: io;" in told[0], "nobody is told what it may be waiting for"


def test_what_a_process_keeps_for_itself_is_not_told(told: Told) -> None:
    told.wait("part", pool=private_pool("run-1"), pipeline="not.known")

    assert told.idleness.over()
    assert told == []
