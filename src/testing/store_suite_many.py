"""What every Store has to keep where it takes many runs, jobs or leases at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ..domain.errors import LoadError, SpineError
from ..domain.queueing import Lease, QueueState
from ..domain.runs import EventKind, Place, RunEvent, RunState
from ..ports.storage import Store
from .store_suite_run_samples import (
    LONG,
    a_capacity,
    a_job,
    claim,
    job_of,
    remove,
    states_of,
    with_claimed,
    with_jobs,
    with_runs,
)
from .store_suite_samples import NOON, TEXTS, a_run

MANY = 1_100
"""More than any statement takes."""


class ManySuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_many_runs_are_written_found_and_held(self, store: Store) -> None:
        runs = [a_run(f"run-{n:04}", partition=TEXTS[n % len(TEXTS)] or None) for n in range(MANY)]
        ids = [run.id for run in runs]
        with store.write() as unit:
            unit.runs.add(*runs)
            assert list(unit.runs.hold(*reversed(ids), "unknown")) == runs
            unit.commit()
        with store.read() as unit:
            assert list(unit.runs.find([*reversed(ids), "unknown", ids[0]])) == runs
            assert list(unit.runs.find([])) == []
            assert {place.run for place in unit.runs.places(ids)} == set(ids)

    def test_of_many_runs_one_that_is_there_refuses_all(self, store: Store) -> None:
        with_runs(store, a_run("run-2"))
        with store.write() as unit, pytest.raises(LoadError):
            unit.runs.add(a_run("run-1"), a_run("run-2"), a_run("run-3"))
        with store.read() as unit:
            assert [run.id for run in unit.runs.find(["run-1", "run-2", "run-3"])] == ["run-2"]

    def test_a_parent_and_its_parts_are_written_at_once(self, store: Store) -> None:
        plan: dict[str, object] = {"steps": []}
        parent = a_run("a", plan=plan, backfill="b-1")
        with store.write() as unit:
            unit.runs.add(parent, a_run("a-1", parent="a", step="x"), a_run("a-2", parent="a"))
            unit.commit()
        with store.read() as unit:
            assert set(unit.runs.places(["a", "a-1", "unknown"])) == {
                Place("a", None, "b-1", is_workflow=True),
                Place("a-1", "a", None, is_workflow=False),
            }

    def test_many_outcomes_are_written_as_if_one_by_one(self, store: Store) -> None:
        runs = [a_run(f"run-{n}", partition="p") for n in range(4)]
        with_runs(store, *runs, a_run("over", state=RunState.FAILED))
        done = [
            replace(
                run,
                state=RunState.SUCCEEDED,
                finished_at=NOON,
                owner=f"owner-{n}",
                metrics={"n": n, "text": "é"},
                warnings=(f"warning {n}",) * n,
                output={"n": [n, None, 0.5]},
                error=LoadError("full") if n == 3 else None,
                partition=None if n == 2 else f"p-{n}",
            )
            for n, run in enumerate(runs)
        ]
        with store.write() as unit:
            late = a_run("over", state=RunState.SUCCEEDED)
            assert unit.runs.finish(*done, late, a_run("unknown", state=RunState.FAILED)) == 4
            unit.commit()
        with store.read() as unit:
            found = [unit.runs.get(run.id) for run in runs]
            over = unit.runs.get("over")
        assert [replace(run, error=None) for run in found if run] == [
            replace(run, error=None) for run in done
        ]
        assert [str(run.error) for run in found if run and run.error] == [str(done[3].error)]
        assert over is not None
        assert over.state is RunState.FAILED

    def test_events_keep_their_order(self, store: Store) -> None:
        with_runs(store, a_run("run-1"), a_run("run-2"))
        kinds = [EventKind.SUBMITTED, EventKind.CLAIMED, EventKind.RELEASED, EventKind.CLAIMED]
        events = [
            RunEvent(run, kind, NOON, attempt=number, detail={"n": number, "long": "x" * number})
            for number, kind in enumerate(kinds * 300)
            for run in ("run-1", "run-2")
        ]
        with store.write() as unit:
            unit.journal.record(events)
            unit.commit()
        with store.read() as unit:
            for run in ("run-1", "run-2"):
                kept = unit.journal.events(run, limit=2_000)
                assert [replace(event, key=0) for event in kept] == [
                    event for event in events if event.run == run
                ]
                assert [event.key for event in kept] == sorted({event.key for event in kept})

    def test_of_many_leases_the_present_ones_end_their_jobs(self, store: Store) -> None:
        with_jobs(store, *(a_job(f"run-{n}", ranked_at=NOON) for n in range(5)))
        jobs = claim(store, a_capacity(jobs=4))
        stale = replace(jobs[0].lease, fence=7)
        foreign = replace(jobs[1].lease, owner="there")
        with store.write() as unit:
            leases = (stale, foreign, jobs[2].lease, jobs[3].lease, Lease("unknown", "here", 1))
            assert unit.queue.remove(*leases) == 2
            unit.commit()
        left = [job_of(store, f"run-{n}") for n in range(5)]
        assert [job and job.state for job in left] == [
            QueueState.CLAIMED,
            QueueState.CLAIMED,
            None,
            None,
            QueueState.READY,
        ]

    def test_many_jobs_are_claimed_whatever_their_fences(self, store: Store) -> None:
        with_jobs(
            store,
            *(a_job(f"run-{n}", ranked_at=NOON, fence=n % 3, attempt=n % 2) for n in range(9)),
        )
        jobs = claim(store, a_capacity(jobs=8))
        assert [(job.run, job.fence, job.attempt) for job in jobs] == [
            (f"run-{n}", n % 3 + 1, n % 2 + 1) for n in range(8)
        ]
        assert [job_of(store, job.run) for job in jobs] == jobs
        assert states_of(store, "run-8") == [QueueState.READY]

    def test_jobs_of_one_key_that_are_queued_at_once_go_one_after_the_other(
        self, store: Store
    ) -> None:
        free = [a_job("free-1"), a_job("free-2")]
        keyed = [a_job(f"run-{n}", key="k", ranked_at=NOON) for n in range(3)]
        other = a_job("other", key="l")
        queued = with_jobs(store, *free, *keyed, other)
        states = {job.run: job.state for job in queued}
        held = [run for run, state in states.items() if state is QueueState.HELD]
        assert held == ["run-1", "run-2"]
        assert states_of(store, *held) == [QueueState.HELD] * 2

    def test_keys_are_passed_on_when_many_jobs_end_at_once(self, store: Store) -> None:
        first = with_claimed(store, "first", key="k")
        second = with_claimed(store, "second", key="l")
        free = with_claimed(store, "free")
        with_jobs(store, a_job("run-1", key="k"), a_job("run-2", key="k"), a_job("run-3", key="l"))
        assert states_of(store, "run-1", "run-2", "run-3") == [QueueState.HELD] * 3
        assert remove(store, first.lease, second.lease, free.lease)
        assert states_of(store, "run-1", "run-2", "run-3") == [
            QueueState.READY,
            QueueState.HELD,
            QueueState.READY,
        ]

    def test_many_jobs_are_cancelled_by_what_they_are(self, store: Store) -> None:
        claimed = with_claimed(store, "claimed")
        names = [f"run-{n:04}" for n in range(MANY)]
        with store.write() as unit:
            unit.runs.add(*(a_run(name) for name in names))
            unit.queue.add(*(a_job(name) for name in names))
            unit.commit()
        with store.write() as unit:
            states = unit.queue.cancel(*reversed(names), "claimed", "unknown", names[0])
            assert unit.queue.cancel() == {}
            unit.commit()
        assert states == {**dict.fromkeys(names, QueueState.READY), "claimed": QueueState.CLAIMED}
        assert states_of(store, names[0], names[-1]) == [None, None]
        assert job_of(store, "claimed") == replace(claimed, cancel_requested=True)

    def test_keys_are_passed_on_when_many_jobs_are_cancelled_at_once(self, store: Store) -> None:
        with_claimed(store, "claimed", key="m")
        with_jobs(
            store,
            *(a_job(f"k-{n}", key="k") for n in range(4)),
            a_job("l-0", key="l"),
            a_job("l-1", key="l", state=QueueState.WAITING, ready_at=NOON),
            a_job("m-1", key="m"),
            a_job("m-2", key="m"),
            a_job("other", key="n"),
        )
        with store.write() as unit:
            states = unit.queue.cancel("k-2", "k-0", "k-1", "l-0", "claimed", "m-1")
            unit.commit()
        assert states["k-0"] is QueueState.READY
        assert states["k-1"] is states["m-1"] is QueueState.HELD
        assert states_of(store, "k-3", "l-1") == [QueueState.READY, QueueState.READY]
        assert states_of(store, "claimed", "m-2", "other") == [
            QueueState.CLAIMED,
            QueueState.HELD,
            QueueState.READY,
        ]

    def test_many_runs_are_asked_to_stop_at_once(self, store: Store) -> None:
        runs = [a_run(f"run-{n:04}") for n in range(MANY)]
        asked = a_run("asked", cancel_requested_at=NOON - LONG)
        over = a_run("over", state=RunState.FAILED)
        with_runs(store, asked, over)
        ids = [run.id for run in runs]
        with store.write() as unit:
            unit.runs.add(*runs)
            assert unit.runs.request_cancel([*ids, "asked", "over", "unknown"], NOON) == MANY
            assert unit.runs.request_cancel([], NOON) == 0
            unit.commit()
        with store.read() as unit:
            found = unit.runs.find([*ids, "asked", "over"])
        assert list(found) == [
            asked,
            over,
            *(replace(run, cancel_requested_at=NOON) for run in runs),
        ]

    def test_parts_of_many_runs_are_told(self, store: Store) -> None:
        parents = [a_run(f"p-{n:04}", plan={"steps": []}) for n in range(MANY)]
        # Their order is that of the runs, whatever that of their parents.
        parts = [a_run(f"q-{MANY - n:04}", parent=parents[n].id, step="s") for n in range(MANY)]
        parts.sort(key=lambda run: run.id)
        deep = a_run("r", parent=parts[0].id, state=RunState.PENDING)
        waits = a_run("s", parent=parents[0].id, state=RunState.PENDING)
        with store.write() as unit:
            unit.runs.add(*parents, *parts, deep, waits)
            unit.commit()
        ids = [run.id for run in parents]
        with store.read() as unit:
            assert list(unit.runs.parts([*ids, "unknown", ids[0]])) == [*parts, waits]
            assert list(unit.runs.parts(ids, RunState.PENDING)) == [waits]
            assert list(unit.runs.parts(ids, RunState.RUNNING)) == parts
            assert list(unit.runs.parts(ids, RunState.FAILED)) == []
            assert list(unit.runs.parts([])) == []

    def test_it_tells_whose_parts_are_live(self, store: Store) -> None:
        with_runs(
            store,
            a_run("a"),
            a_run("b"),
            a_run("c"),
            a_run("a-1", parent="a", state=RunState.PENDING),
            a_run("a-2", parent="a"),
            a_run("b-1", parent="b", state=RunState.SUCCEEDED),
        )
        with store.read() as unit:
            assert list(unit.runs.having_live_parts(["c", "b", "a", "unknown"])) == ["a"]
            assert not unit.runs.having_live_parts([])

    def test_what_only_reads_holds_nothing(self, store: Store) -> None:
        with_runs(store, a_run())
        with store.read() as unit, pytest.raises(SpineError, match="only reads"):
            unit.runs.hold("run-1")
