"""What every RunHistory has to keep of deleting: what is old goes, what is referred to stays."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ..domain.backfills import PartState
from ..domain.captures import Capture, LineageEdge, Stage
from ..domain.run_statistics import Purged
from ..domain.runs import EventKind, LogLine, Run, RunEvent, RunFilter, RunState
from ..ports.storage import Store, UnitOfWork
from .store_suite_backfills import a_backfill, a_part
from .store_suite_history import an_ended
from .store_suite_run_samples import a_job, with_runs
from .store_suite_samples import NOON, a_capture, a_check, a_run, an_entry

DAY = timedelta(days=1)
OLD = NOON + DAY
"""All that :func:`an_ended` makes was finished before."""


class PurgeSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_old_runs_go_with_all_that_belongs_to_them(self, store: Store) -> None:
        with_runs(store, an_ended("a", 1), an_ended("b", 1, RunState.FAILED))
        self._talk(store, "a", events=2, lines=3)
        self._talk(store, "b", events=1, lines=0)
        assert self._purge(store) == Purged(runs=2, kept=0, events=3, lines=3)
        with store.read() as unit:
            assert list(unit.runs.list(RunFilter())) == []
            assert not unit.journal.events("a")
            assert not unit.journal.lines("a")
        assert self._purge(store) == Purged()

    @pytest.mark.parametrize("state", list(RunState))
    def test_only_what_is_final_goes(self, store: Store, state: RunState) -> None:
        with_runs(store, an_ended("a", 1, state))
        self._talk(store, "a", events=1, lines=1)
        expected = Purged(runs=1, events=1, lines=1) if state.final else Purged()
        assert self._purge(store) == expected
        assert self._left(store) == ([] if state.final else ["a"])

    def test_only_what_was_finished_before_goes(self, store: Store) -> None:
        tick = timedelta(microseconds=1)
        with_runs(
            store,
            an_ended("a", 1, finished_at=OLD - tick),
            an_ended("b", 1, finished_at=OLD),
        )
        self._talk(store, "b", events=1, lines=1)
        assert self._purge(store).runs == 1
        assert self._left(store) == ["b"]
        with store.read() as unit:
            assert len(unit.journal.events("b")) == len(unit.journal.lines("b")) == 1

    def test_a_run_goes_after_its_parts(self, store: Store) -> None:
        with_runs(
            store,
            an_ended("a", 1),
            an_ended("b", 1, parent="a"),
            an_ended("c", 1, parent="b"),
            an_ended("d", 1, parent="a"),
            an_ended("z", 1),
        )
        rest = {"a", "b", "c", "d", "z"}
        parents = {"b": "a", "c": "b", "d": "a"}
        while rest:
            assert self._purge(store, limit=1).runs == 1
            left = set(self._left(store))
            assert left < rest
            assert all(parents[run] in left for run in left & set(parents))
            rest = left
        assert self._purge(store, limit=1) == Purged()

    def test_purging_again_and_again_ends_with_nothing_left(self, store: Store) -> None:
        with_runs(
            store,
            *(
                an_ended(f"run-{n:02}", 1, parent=f"run-{n // 3:02}" if n else None)
                for n in range(40)
            ),
        )
        for n in range(40):
            self._talk(store, f"run-{n:02}", events=1, lines=2)
        total, rounds = Purged(), 0
        while (purged := self._purge(store, limit=7)).runs:
            assert purged.runs <= 7
            total, rounds = total + purged, rounds + 1
            assert rounds <= 40
        assert total == Purged(runs=40, events=40, lines=80)
        assert self._left(store) == []

    def test_a_run_with_parts_that_are_left_stays_as_it_is(self, store: Store) -> None:
        with_runs(
            store,
            an_ended("a", 1),
            an_ended("b", 1, parent="a", finished_at=OLD),
            an_ended("c", 1),
            an_ended("d", 1, RunState.RUNNING, parent="c"),
        )
        for run in "abcd":
            self._talk(store, run, events=1, lines=1)
        assert self._purge(store) == Purged()
        assert self._left(store) == ["a", "b", "c", "d"]

    def test_what_is_a_part_of_something_live_stays(self, store: Store) -> None:
        with_runs(
            store,
            an_ended("a", 1, RunState.RUNNING),
            an_ended("b", 1, parent="a"),
            an_ended("c", 1, RunState.FAILED, parent="a"),
            an_ended("d", 1, RunState.PENDING),
            an_ended("e", 1, parent="d"),
        )
        for run in "bce":
            self._talk(store, run, events=1, lines=1)
        assert self._purge(store) == Purged()
        with store.write() as unit:
            for run in "ad":
                assert unit.runs.finish(an_ended(run, 1)) == 1
            unit.commit()
        assert self._purge(store).runs == 5

    def test_a_step_that_was_taken_over_is_as_old_as_the_run_that_has_it(
        self, store: Store
    ) -> None:
        tick = timedelta(microseconds=1)
        with_runs(
            store,
            an_ended("a", 1, created_at=OLD, finished_at=OLD + DAY),
            an_ended("b", 1, parent="a", created_at=OLD),
            an_ended("c", 1, created_at=OLD - tick),
        )
        assert self._purge(store).runs == 1
        assert self._left(store) == ["a", "b"]

    @pytest.mark.parametrize("reference", ["capture", "manifest", "lineage", "quality"])
    def test_a_run_that_data_refers_to_stays_without_its_words(
        self, store: Store, reference: str
    ) -> None:
        with_runs(store, a_run(), an_ended("a", 1), an_ended("b", 1))
        with store.write() as unit:
            capture = unit.captures.add(a_capture("one"))
            _refer(unit, reference, capture, "a")
            unit.commit()
        for run in ("a", "b"):
            self._talk(store, run, events=2, lines=3)
        assert self._purge(store) == Purged(runs=1, kept=1, events=4, lines=6)
        again = self._purge(store)
        assert (again.runs, again.events, again.lines) == (0, 0, 0)
        with store.read() as unit:
            assert unit.runs.get("a") == an_ended("a", 1)
            assert not unit.journal.events("a")
            assert not unit.journal.lines("a")

    def test_kept_runs_do_not_keep_others(self, store: Store) -> None:
        kept = [f"kept-{n}" for n in range(5)]
        with_runs(store, *(an_ended(run, 1) for run in kept))
        with_runs(store, *(an_ended(f"old-{n}", 1) for n in range(5)))
        with store.write() as unit:
            for run in kept:
                unit.captures.add(a_capture(f"of {run}", run=run))
            unit.commit()
        for run in kept:
            self._talk(store, run, events=1, lines=1)
        total = Purged()
        for _ in range(20):
            purged = self._purge(store, limit=2)
            assert purged.runs + purged.kept <= 2
            assert purged.events <= 2
            total += purged
            if (purged.runs, purged.events, purged.lines) == (0, 0, 0):
                break
        assert (total.runs, total.events, total.lines) == (5, 5, 5)
        assert self._left(store) == kept

    def test_a_run_with_a_part_that_is_kept_is_kept_as_well(self, store: Store) -> None:
        with_runs(
            store, an_ended("a", 1), an_ended("b", 1, parent="a"), an_ended("c", 1, parent="a")
        )
        with store.write() as unit:
            unit.captures.add(a_capture("one", run="b"))
            unit.commit()
        for run in "abc":
            self._talk(store, run, events=1, lines=2)
        total = Purged()
        for _ in range(3):
            total += self._purge(store)
        assert total == Purged(runs=1, kept=2, events=3, lines=6)
        assert self._left(store) == ["a", "b"]

    def test_the_id_of_a_request_is_free_afterwards(self, store: Store) -> None:
        with store.write() as unit:
            unit.runs.add(an_ended("a", 1), request="request-1")
            unit.commit()
        assert self._purge(store).runs == 1
        with store.write() as unit:
            assert list(unit.runs.list(RunFilter(request="request-1"))) == []
            unit.runs.add(an_ended("b", 1), request="request-1")
            unit.commit()
        with store.read() as unit:
            assert [run.id for run in unit.runs.list(RunFilter(request="request-1"))] == ["b"]

    def test_a_retry_and_a_backfill_may_outlive_the_run_they_name(self, store: Store) -> None:
        retry = a_run("b", retry_of="a")
        with_runs(store, an_ended("a", 1), retry)
        part = a_part(1, state=PartState.SUCCEEDED, run="a")
        with store.write() as unit:
            unit.backfills.add(a_backfill(first=date(2025, 11, 10)), [part])
            unit.commit()
        assert self._purge(store).runs == 1
        with store.read() as unit:
            assert unit.runs.get("b") == retry
            assert list(unit.backfills.parts("fill-1")) == [part]

    def test_a_live_run_keeps_its_job_and_its_words(self, store: Store) -> None:
        with_runs(store, an_ended("a", 1, RunState.RUNNING))
        with store.write() as unit:
            unit.queue.add(a_job("a"))
            unit.commit()
        self._talk(store, "a", events=1, lines=1)
        assert self._purge(store, limit=100) == Purged()
        with store.read() as unit:
            assert unit.queue.get("a") == a_job("a")
            assert len(unit.journal.events("a")) == len(unit.journal.lines("a")) == 1

    def test_what_is_not_committed_is_not_deleted(self, store: Store) -> None:
        with_runs(store, an_ended("a", 1))
        with store.write() as unit:
            assert unit.history.purge(OLD, 10).runs == 1
            assert unit.history.purge(OLD, 0) == Purged()
        assert self._left(store) == ["a"]

    def test_keys_of_events_are_not_given_again(self, store: Store) -> None:
        with_runs(store, an_ended("a", 1), an_ended("b", 1, RunState.RUNNING))
        self._talk(store, "b", events=1, lines=0)
        self._talk(store, "a", events=3, lines=0)
        assert self._purge(store).events == 3
        self._talk(store, "b", events=1, lines=0)
        with store.read() as unit:
            keys = [event.key for event in unit.journal.events("b")]
        assert len(keys) == 2
        assert keys[0] < keys[1]

    def _talk(self, store: Store, run: str, *, events: int, lines: int) -> None:
        with store.write() as unit:
            unit.journal.record(RunEvent(run, EventKind.CLAIMED, NOON) for _ in range(events))
            unit.journal.log(LogLine(run, n, NOON, "INFO", "x") for n in range(1, lines + 1))
            unit.commit()

    def _purge(self, store: Store, limit: int = 100) -> Purged:
        with store.write() as unit:
            purged = unit.history.purge(OLD, limit)
            unit.commit()
        return purged

    def _left(self, store: Store) -> list[str]:
        with store.read() as unit:
            runs: list[Run] = list(unit.runs.list(RunFilter(limit=1000)))
        return sorted(run.id for run in runs)


def _refer(unit: UnitOfWork, reference: str, capture: Capture, run: str) -> None:
    """Let data refer to the run, in the one way that is named."""
    match reference:
        case "capture":
            unit.captures.add(a_capture("two", run=run))
        case "manifest":
            unit.manifest.record(an_entry(capture, Stage.MEASURED, run=run))
        case "lineage":
            unit.manifest.link([LineageEdge(run, capture.id, "INPUT")])
        case _:
            unit.quality.add([a_check(capture, "check", run)])
