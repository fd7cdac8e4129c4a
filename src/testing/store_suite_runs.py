"""What every RunStore has to keep."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from ..domain.errors import (
    Category,
    ErrorContext,
    ForeignCause,
    LoadError,
    SourceError,
    ValidationError,
)
from ..domain.runs import Run, RunFilter, RunState
from ..ports.storage import Store
from .store_suite_samples import NOON, TEXTS, a_run


class RunStoreSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_a_run_comes_back_as_it_was_written(self, store: Store) -> None:
        run = a_run(
            parameters={"file": "ü.csv", "n": 3, "deep": {"list": [1, 2.5, None, True]}},
            started_at=NOON + timedelta(microseconds=1),
            owner="host/1/abc",
            metrics={"rows": 2**40, "share": 0.1 + 0.2, "name": "x", "none": None, "ok": True},
            warnings=TEXTS,
        )
        with store.write() as unit:
            unit.runs.add(run)
            unit.commit()
        with store.read() as unit:
            assert unit.runs.get(run.id) == run

    def test_nothing_is_found_under_an_unknown_id(self, store: Store) -> None:
        with store.read() as unit:
            assert unit.runs.get("unknown") is None

    def test_times_of_any_zone_come_back_in_utc(self, store: Store) -> None:
        tokyo = datetime(2025, 12, 16, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=9)))
        self._add(store, a_run(created_at=tokyo))
        with store.read() as unit:
            found = unit.runs.get("run-1")
        assert found is not None
        assert found.created_at == tokyo
        assert found.created_at.utcoffset() == timedelta(0)

    def test_a_time_without_zone_is_refused(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError, match="time zone"):
            unit.runs.add(a_run(created_at=NOON.replace(tzinfo=None)))

    def test_a_parameter_that_is_no_json_is_refused(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError, match="run-1"):
            unit.runs.add(a_run(parameters={"when": NOON}))

    def test_an_error_survives_with_its_causes(self, store: Store) -> None:
        cause = SourceError("gone", cause=ForeignCause("builtins.OSError", "no route"))
        error = ValidationError(
            "bad row",
            hint="fix it",
            retry_after=2.5,
            context=ErrorContext(run="run-1", partition="2025-11-10/OTC", metadata={"line": 7}),
            cause=cause,
        )
        self._add(store, a_run())
        with store.write() as unit:
            finished = replace(a_run(), state=RunState.FAILED, finished_at=NOON, error=error)
            assert unit.runs.finish(finished)
            unit.commit()
        with store.read() as unit:
            found = unit.runs.get("run-1")
        assert found is not None
        assert found.error is not None
        assert type(found.error) is ValidationError
        assert found.error.to_dict() == error.to_dict()

    def test_a_run_is_finished_once(self, store: Store) -> None:
        self._add(store, a_run())
        done = replace(
            a_run(), state=RunState.SUCCEEDED, finished_at=NOON, metrics={"rows_read": 5}
        )
        with store.write() as unit:
            assert unit.runs.finish(done) is True
            unit.commit()
        with store.write() as unit:
            late = replace(done, state=RunState.FAILED, metrics={"rows_read": 0})
            assert unit.runs.finish(late) is False
            unit.commit()
        with store.read() as unit:
            assert unit.runs.get("run-1") == done

    def test_a_run_that_is_not_there_cannot_be_finished(self, store: Store) -> None:
        with store.write() as unit:
            assert unit.runs.finish(a_run("unknown", state=RunState.FAILED)) is False

    def test_finishing_leaves_what_a_run_was_asked_for(self, store: Store) -> None:
        self._add(store, a_run(parameters={"week": "2025-11-10"}))
        with store.write() as unit:
            unit.runs.finish(a_run(state=RunState.CANCELLED, parameters={}, pipeline="other"))
            unit.commit()
        with store.read() as unit:
            found = unit.runs.get("run-1")
        assert found == a_run(state=RunState.CANCELLED, parameters={"week": "2025-11-10"})

    def test_two_runs_cannot_share_an_id(self, store: Store) -> None:
        self._add(store, a_run())
        with store.write() as unit, pytest.raises(LoadError) as caught:
            unit.runs.add(a_run())
        assert caught.value.category is Category.LOAD
        assert not caught.value.retryable

    def test_a_part_needs_its_parent(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError):
            unit.runs.add(a_run(parent="unknown"))

    def test_live_runs_are_those_that_are_not_final(self, store: Store) -> None:
        self._add(store, *(a_run(f"run-{state.value}", state=state) for state in RunState))
        with store.read() as unit:
            assert {run.state for run in unit.runs.live()} == {RunState.PENDING, RunState.RUNNING}

    def test_runs_are_listed_newest_first_and_filtered(self, store: Store) -> None:
        self._add(
            store,
            a_run("a", pipeline="p"),
            a_run("b", pipeline="q", state=RunState.FAILED),
            a_run("c", pipeline="p", parent="b", step="one", state=RunState.FAILED),
            a_run("d", pipeline="p", parent="b", step="two"),
        )
        expected = {
            RunFilter(): "dcba",
            RunFilter(pipeline="p"): "dca",
            RunFilter(state=RunState.FAILED): "cb",
            RunFilter(pipeline="p", state=RunState.FAILED): "c",
            RunFilter(parent="b"): "dc",
            RunFilter(top_level_only=True): "ba",
            RunFilter(before="c"): "ba",
            RunFilter(limit=2): "dc",
            RunFilter(limit=0): "",
            RunFilter(pipeline="unknown"): "",
        }
        with store.read() as unit:
            found = {
                wanted: "".join(run.id for run in unit.runs.list(wanted)) for wanted in expected
            }
        assert found == expected

    def test_pages_miss_and_repeat_nothing_while_runs_are_added(self, store: Store) -> None:
        self._add(store, *(a_run(f"run-{number:03}") for number in range(10)))
        seen: list[str] = []
        before: str | None = None
        for newer in range(100, 110):
            with store.read() as unit:
                page = [run.id for run in unit.runs.list(RunFilter(before=before, limit=3))]
            if not page:
                break
            seen += page
            before = page[-1]
            self._add(store, a_run(f"run-{newer}"))
        assert seen == [f"run-{number:03}" for number in reversed(range(10))]

    def _add(self, store: Store, *runs: Run) -> None:
        with store.write() as unit:
            for run in runs:
                unit.runs.add(run)
            unit.commit()
