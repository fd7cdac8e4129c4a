"""Whatever is done to runs, in whatever order, by whomever: they go where a small model says.

The model knows nothing of tables and transactions. The same machine drives the fake and SQLite.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from durable_house import DurableHouse
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from market_spine import RunContext, pipeline
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application.reaping import reap
from market_spine.domain.errors import Category, LeaseLostError, SpineError, ValidationError
from market_spine.domain.queueing import Capacity, Lease, QueueState
from market_spine.domain.retries import Retry
from market_spine.domain.runs import RunState

LEASE = timedelta(hours=1)
OWNERS = ("a", "b")


@pipeline("m.free", retry=Retry(attempts=3, delay=0))
def free(context: RunContext, key: str = "") -> None: ...


@pipeline("m.keyed", key="{key}", max_active=2)
def keyed(context: RunContext, key: str) -> None: ...


@dataclass
class Known:
    """What the model knows of a run."""

    state: RunState
    key: str | None
    tries: int
    order: int
    owner: str = ""
    fence: int = 0
    failures: int = 0
    cancel: bool = False
    lost: bool = False


class RunMachine(RuleBasedStateMachine):
    runs = Bundle("runs")
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.house = self.built()
        self.known: dict[str, Known] = {}
        self.requests: dict[str, str] = {}
        self.retried: dict[str, str] = {}
        self.count = 0

    def built(self) -> DurableHouse:
        return DurableHouse(free, keyed)

    def _add(self, run_id: str, name: str, key: str) -> str:
        self.count += 1
        own = key if name == "m.keyed" else None
        self.known[run_id] = Known(RunState.PENDING, own, 3 if own is None else 1, self.count)
        return run_id

    def _held(self, run_id: str) -> bool:
        """Whether an earlier run of the same key is in the way."""
        me = self.known[run_id]
        return me.key is not None and any(
            other.key == me.key and not other.state.final and other.order < me.order
            for other in self.known.values()
        )

    @initialize(target=runs, keys=st.lists(st.sampled_from(["", "x", "y"]), min_size=2, max_size=5))
    def begin_with_some(self, keys: list[str]) -> Any:
        names = [("m.keyed" if key else "m.free", key) for key in keys]
        return multiple(*(self.submit_one(name, key) for name, key in names))

    @initialize(target=leases, owner=st.sampled_from(OWNERS))
    def begin_with_a_claim(self, owner: str) -> Any:
        return self.take(owner, 2)

    @rule(target=runs, name=st.sampled_from(["m.free", "m.keyed"]), key=st.sampled_from("xy"))
    def submit(self, name: str, key: str) -> str:
        return self.submit_one(name, key)

    def submit_one(self, name: str, key: str) -> str:
        return self._add(self.house.submit(name, {"key": key}), name, key)

    @rule(target=runs, request=st.sampled_from("12"))
    def submit_with_request(self, request: str) -> Any:
        run_id = self.house.submit("m.free", {"key": request}, request=request)
        if request in self.requests:
            assert run_id == self.requests[request]
            return multiple()
        self.requests[request] = run_id
        return self._add(run_id, "m.free", request)

    @rule(target=leases, owner=st.sampled_from(OWNERS), jobs=st.integers(1, 3))
    def claim(self, owner: str, jobs: int) -> Any:
        return self.take(owner, jobs)

    def take(self, owner: str, jobs: int) -> Any:
        with self.house.store.write() as unit:
            capacity = Capacity(owner, jobs, LEASE, self.house.here.catalog.lanes)
            taken = [claim.job for claim in self.house.here.lifecycle.claim(unit, capacity)]
            unit.commit()
        active = [k for k in self.known.values() if k.state is RunState.RUNNING and not k.lost]
        room = 2 - sum(k.key is not None for k in active)
        waiting = sorted(
            (k.order, run_id)
            for run_id, k in self.known.items()
            if k.state is RunState.PENDING and not self._held(run_id)
        )
        expected: list[str] = []
        for _, run_id in waiting:
            if self.known[run_id].key is not None:
                room -= 1
                if room < 0:
                    continue
            if len(expected) < jobs:
                expected.append(run_id)
        assert {job.run for job in taken} == set(expected)
        for job in taken:
            me = self.known[job.run]
            assert job.fence > me.fence
            me.state, me.owner, me.fence = RunState.RUNNING, owner, job.fence
            me.lost = False
        return multiple(*(job.lease for job in taken))

    def _mine(self, lease: Lease) -> bool:
        me = self.known[lease.run]
        return me.state is RunState.RUNNING and (me.owner, me.fence) == (lease.owner, lease.fence)

    @rule(lease=leases)
    def finish(self, lease: Lease) -> None:
        run = self._run(lease.run)
        if run is None:
            return  # it was purged
        done = replace(run, state=RunState.SUCCEEDED, error=None)
        with self.house.store.write() as unit:
            if not self._mine(lease):
                with pytest.raises(LeaseLostError):
                    self.house.here.lifecycle.finish(unit, lease, done)
                return
            self.house.here.lifecycle.finish(unit, lease, done)
            unit.commit()
        self.known[lease.run].state = RunState.SUCCEEDED

    @rule(lease=leases, passing=st.booleans())
    def fail(self, lease: Lease, passing: bool) -> None:
        run = self._run(lease.run)
        if run is None:
            return  # it was purged
        category = Category.TRANSIENT if passing else Category.VALIDATION
        failed = replace(run, state=RunState.FAILED, error=SpineError("no", category=category))
        with self.house.store.write() as unit:
            if not self._mine(lease):
                with pytest.raises(LeaseLostError):
                    self.house.here.lifecycle.fail(unit, lease, failed)
                return
            self.house.here.lifecycle.fail(unit, lease, failed)
            unit.commit()
        me = self.known[lease.run]
        me.failures += 1
        if me.cancel:
            me.state = RunState.CANCELLED
        elif passing and me.failures < me.tries:
            me.state = RunState.PENDING
        else:
            me.state = RunState.FAILED

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        mine = lease.run in self.known and self._mine(lease)
        with self.house.store.write() as unit:
            assert self.house.here.lifecycle.release(unit, lease) is mine
            unit.commit()
        if mine:
            me = self.known[lease.run]
            me.state = RunState.CANCELLED if me.cancel else RunState.PENDING

    @rule(owner=st.sampled_from(OWNERS))
    def beat(self, owner: str) -> None:
        with self.house.store.write() as unit:
            renewed = {job.run: job.cancel_requested for job in unit.queue.renew(owner, LEASE)}
            unit.commit()
        mine = {
            run_id: k
            for run_id, k in self.known.items()
            if k.state is RunState.RUNNING and k.owner == owner
        }
        assert renewed == {run_id: k.cancel for run_id, k in mine.items()}
        for k in mine.values():
            k.lost = False

    @precondition(lambda self: any(k.state is RunState.RUNNING for k in self.known.values()))
    @rule(owner=st.sampled_from(OWNERS))
    def expire(self, owner: str) -> None:
        with self.house.store.write() as unit:
            unit.queue.renew(owner, timedelta(seconds=-1))
            unit.commit()
        for k in self.known.values():
            if k.state is RunState.RUNNING and k.owner == owner:
                k.lost = True

    @precondition(lambda self: any(k.lost for k in self.known.values()))
    @rule()
    def reap(self) -> None:
        reaped = reap(self.house.store, self.house.clock, self.house.here.lifecycle)
        lost = [k for k in self.known.values() if k.state is RunState.RUNNING and k.lost]
        assert reaped == len(lost)
        for k in lost:
            k.state = RunState.CANCELLED if k.cancel else RunState.PENDING
            k.lost = False

    @rule(run_id=runs)
    def cancel(self, run_id: str) -> None:
        if run_id not in self.known:
            with pytest.raises(ValidationError, match="there is no run"):
                self.house.cancel(run_id)
            return
        me = self.known[run_id]
        if me.state is RunState.PENDING:
            me.state = RunState.CANCELLED
        elif me.state is RunState.RUNNING:
            me.cancel = True
        assert self.house.cancel(run_id).state is me.state

    @rule(target=runs, run_id=runs)
    def retry(self, run_id: str) -> Any:
        me = self.known.get(run_id)
        if me is None or me.state not in (RunState.FAILED, RunState.CANCELLED):
            with pytest.raises(ValidationError):
                self.house.retry(run_id)
            return multiple()
        live = [k for other, k in self.known.items() if self.retried.get(other) == run_id]
        if any(not k.state.final for k in live):
            with pytest.raises(ValidationError, match="already"):
                self.house.retry(run_id)
            return multiple()
        again = self.house.retry(run_id).id
        self.retried[again] = run_id
        name = "m.free" if me.key is None else "m.keyed"
        return self._add(again, name, me.key or "")

    @precondition(lambda self: any(k.state.final for k in self.known.values()))
    @rule()
    def purge(self) -> None:
        with self.house.store.write() as unit:
            before = unit.queue.now() + timedelta(hours=1)
            while unit.history.purge(before, 2).runs:
                pass
            unit.commit()
        for run_id in [run_id for run_id, k in self.known.items() if k.state.final]:
            del self.known[run_id]
            self.requests = {r: run for r, run in self.requests.items() if run != run_id}

    def _run(self, run_id: str) -> Any:
        with self.house.store.read() as unit:
            return unit.runs.get(run_id)

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        stored = {run.id: run for run in self.house.runs()}
        assert {run_id: run.state for run_id, run in stored.items()} == {
            run_id: k.state for run_id, k in self.known.items()
        }
        with self.house.store.read() as unit:
            for run_id, k in self.known.items():
                job = unit.queue.get(run_id)
                assert (job is None) is k.state.final
                if job is not None and k.state is RunState.RUNNING:
                    assert (job.state, job.owner, job.fence) == (
                        QueueState.CLAIMED,
                        k.owner,
                        k.fence,
                    )
                elif job is not None:
                    held = self._held(run_id)
                    assert job.state is (QueueState.HELD if held else QueueState.READY)


class SqliteRunMachine(RunMachine):
    def built(self) -> DurableHouse:
        self.folder = tempfile.TemporaryDirectory()
        self.sql = SqlStore(f"sqlite:///{Path(self.folder.name) / 'spine.db'}")
        self.sql.ensure_ready()
        return DurableHouse(free, keyed, store=self.sql)

    def teardown(self) -> None:
        self.sql.close()
        self.folder.cleanup()


_OPTIONS = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


def test_runs_go_where_the_model_says_on_the_fake() -> None:
    run_state_machine_as_test(
        RunMachine, settings=settings(max_examples=150, stateful_step_count=50, **_OPTIONS)
    )


def test_runs_go_where_the_model_says_on_sqlite() -> None:
    run_state_machine_as_test(
        SqliteRunMachine, settings=settings(max_examples=25, stateful_step_count=30, **_OPTIONS)
    )
