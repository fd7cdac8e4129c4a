"""What every RunStore has to keep of runs that begin, go back and are to be cancelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

from ..domain.runs import Run, RunState, StepCount
from ..ports.storage import Store
from .store_suite_run_samples import in_threads, with_runs
from .store_suite_samples import NOON, a_run

HOUR = timedelta(hours=1)
PENDING, RUNNING = RunState.PENDING, RunState.RUNNING


class RunStateSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_runs_begin_where_they_are_pending(self, store: Store) -> None:
        pending = [a_run(name, state=PENDING) for name in ("a", "b", "c")]
        running = a_run("d", owner="there", started_at=NOON, attempt=1)
        with_runs(store, *pending, running)
        with store.write() as unit:
            begun = unit.runs.begin(["a", "c", "d", "unknown"], owner="here", at=NOON + HOUR)
            unit.commit()
        assert begun == 2
        started = {"owner": "here", "started_at": NOON + HOUR, "attempt": 1}
        assert self._get(store, *"abcd") == [
            a_run("a", **started),
            pending[1],
            a_run("c", **started),
            running,
        ]

    def test_a_run_has_begun_when_it_began_first(self, store: Store) -> None:
        with_runs(store, a_run(state=PENDING))
        for attempt in (1, 2, 3):
            with store.write() as unit:
                at = NOON + attempt * HOUR
                assert unit.runs.begin({"run-1"}, owner=f"owner-{attempt}", at=at) == 1
                assert unit.runs.begin({"run-1"}, owner="late", at=at) == 0
                unit.commit()
            (begun,) = self._get(store, "run-1")
            expected = a_run(started_at=NOON + HOUR, owner=f"owner-{attempt}", attempt=attempt)
            assert begun == expected
            with store.write() as unit:
                assert unit.runs.put_back("run-1") is True
                assert unit.runs.put_back("run-1") is False
                unit.commit()
            assert self._get(store, "run-1") == [replace(expected, state=PENDING, owner=None)]

    def test_nothing_begins_where_nothing_is_named(self, store: Store) -> None:
        with_runs(store, a_run(state=PENDING))
        with store.write() as unit:
            assert unit.runs.begin([], owner="here", at=NOON) == 0
            assert unit.runs.begin(["run-1", "run-1"], owner="here", at=NOON) == 1
            assert unit.runs.put_back("unknown") is False

    def test_what_was_begun_and_rolled_back_is_pending(self, store: Store) -> None:
        with_runs(store, a_run(state=PENDING))
        with store.write() as unit:
            assert unit.runs.begin(["run-1"], owner="here", at=NOON) == 1
        assert self._get(store, "run-1") == [a_run(state=PENDING)]

    def test_a_run_is_asked_to_stop_once(self, store: Store) -> None:
        runs = [a_run("a", state=PENDING), a_run("b")]
        with_runs(store, *runs)
        for run in runs:
            with store.write() as unit:
                assert unit.runs.request_cancel([run.id], NOON) == 1
                assert unit.runs.request_cancel([run.id], NOON + HOUR) == 0
                unit.commit()
        assert self._get(store, *"ab") == [replace(run, cancel_requested_at=NOON) for run in runs]
        with store.write() as unit:
            assert unit.runs.request_cancel(["unknown"], NOON) == 0

    def test_a_run_that_is_to_stop_may_still_end_in_any_way(self, store: Store) -> None:
        with_runs(store, a_run())
        with store.write() as unit:
            unit.runs.request_cancel(["run-1"], NOON)
            assert unit.runs.finish(a_run(state=RunState.SUCCEEDED, finished_at=NOON)) == 1
            unit.commit()
        assert self._get(store, "run-1") == [
            a_run(state=RunState.SUCCEEDED, finished_at=NOON, cancel_requested_at=NOON)
        ]

    def test_a_run_is_held_as_it_is(self, store: Store) -> None:
        with_runs(store, a_run(state=PENDING, plan={"a": 1}), a_run("run-2"))
        with store.write() as unit:
            assert list(unit.runs.hold("run-1")) == [a_run(state=PENDING, plan={"a": 1})]
            assert not unit.runs.hold("unknown")
            unit.runs.begin(["run-1"], owner="here", at=NOON)
            [held] = unit.runs.hold("run-1")
            assert (held.state, held.owner) == (RUNNING, "here")

    def test_who_holds_a_run_decides_alone(self, store: Store) -> None:
        with_runs(store, a_run())

        def add_the_next_step() -> None:
            with store.write() as unit:
                assert len(unit.runs.hold("run-1")) == 1
                there = sum(count.runs for count in unit.runs.steps("run-1"))
                unit.runs.add(a_run(f"step-{there}", parent="run-1", step=f"step-{there}"))
                unit.commit()

        in_threads(*[add_the_next_step] * 6)
        with store.read() as unit:
            steps = sorted(count.step for count in unit.runs.steps("run-1"))
        assert steps == [f"step-{number}" for number in range(6)]

    def test_of_many_who_begin_or_end_a_run_at_once_one_does(self, store: Store) -> None:
        with_runs(store, a_run(state=PENDING))
        begun: list[int] = []
        ended: list[int] = []

        def begin(owner: str) -> None:
            with store.write() as unit:
                begun.append(unit.runs.begin(["run-1"], owner=owner, at=NOON))
                unit.commit()

        def end(owner: str) -> None:
            done = a_run(state=RunState.SUCCEEDED, owner=owner, finished_at=NOON)
            with store.write() as unit:
                ended.append(unit.runs.finish(done))
                unit.commit()

        for work in (begin, end):
            in_threads(*(partial(work, f"owner-{number}") for number in range(6)))
        assert sorted(begun) == [0, 0, 0, 0, 0, 1]
        assert sorted(ended) == [0] * 5 + [1]

    def test_steps_are_counted_by_state(self, store: Store) -> None:
        with_runs(
            store,
            a_run("a"),
            a_run("b"),
            a_run("c", parent="a", step="load", item=0),
            a_run("d", parent="a", step="load", item=1),
            a_run("e", parent="a", step="load", item=2, state=RunState.FAILED),
            a_run("f", parent="a", step="fetch", state=RunState.SUCCEEDED),
            a_run("g", parent="b", step="load", state=RunState.SKIPPED),
            a_run("h", parent="a"),
            a_run("i", parent="d", step="load"),
            a_run("j", step="load"),
        )
        with store.read() as unit:
            assert set(unit.runs.steps("a")) == {
                StepCount("a", "load", RUNNING, 2),
                StepCount("a", "load", RunState.FAILED, 1),
                StepCount("a", "fetch", RunState.SUCCEEDED, 1),
            }
            assert len(unit.runs.steps("a")) == 3
            assert list(unit.runs.steps("b")) == [StepCount("b", "load", RunState.SKIPPED, 1)]
            assert not unit.runs.steps("c", "unknown")
            assert not unit.runs.steps()
            several = unit.runs.steps("b", "unknown", "a", "b")
            assert {*several} == {*unit.runs.steps("a"), *unit.runs.steps("b")}
            assert len(several) == 4

    def _get(self, store: Store, *runs: str) -> list[Run | None]:
        with store.read() as unit:
            return [unit.runs.get(run) for run in runs]
