"""What every RunStore has to keep."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest

from ..domain.errors import (
    Category,
    ErrorContext,
    ForeignCause,
    LoadError,
    SourceError,
    SpineError,
    ValidationError,
)
from ..domain.runs import RunFilter, RunState, Trigger
from ..ports.storage import Store
from .store_suite_run_samples import in_threads, with_runs
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
            trigger=Trigger.RETRY,
            step="load",
            partition="2025-11-10/é",
            item=0,
            attempt=3,
            force=True,
            output={"rows": [1, 2.5, None, True], "é": TEXTS[3]},
            plan={"steps": {"load": {"after": ["fetch"]}}},
            retry_of="run-0",
            backfill="fill-1",
            cancel_requested_at=NOON + timedelta(microseconds=2),
        )
        with_runs(store, run, a_run("run-2"))
        with store.read() as unit:
            assert unit.runs.get(run.id) == run
            assert unit.runs.get("run-2") == a_run("run-2")

    def test_nothing_is_found_under_an_unknown_id(self, store: Store) -> None:
        with store.read() as unit:
            assert unit.runs.get("unknown") is None

    def test_times_of_any_zone_come_back_in_utc(self, store: Store) -> None:
        tokyo = datetime(2025, 12, 16, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=9)))
        with_runs(store, a_run(created_at=tokyo))
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
        with_runs(store, a_run())
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
        with_runs(store, a_run())
        done = replace(
            a_run(), state=RunState.SUCCEEDED, finished_at=NOON, metrics={"rows_read": 5}
        )
        with store.write() as unit:
            assert unit.runs.finish(done) == 1
            unit.commit()
        with store.write() as unit:
            late = replace(done, state=RunState.FAILED, metrics={"rows_read": 0})
            assert unit.runs.finish(late) == 0
            unit.commit()
        with store.read() as unit:
            assert unit.runs.get("run-1") == done

    def test_a_run_that_is_not_there_cannot_be_finished(self, store: Store) -> None:
        with store.write() as unit:
            assert unit.runs.finish(a_run("unknown", state=RunState.FAILED)) == 0

    def test_finishing_leaves_what_a_run_was_asked_for(self, store: Store) -> None:
        with_runs(store, a_run(parameters={"week": "2025-11-10"}))
        with store.write() as unit:
            unit.runs.finish(a_run(state=RunState.CANCELLED, parameters={}, pipeline="other"))
            unit.commit()
        with store.read() as unit:
            found = unit.runs.get("run-1")
        assert found == a_run(state=RunState.CANCELLED, parameters={"week": "2025-11-10"})

    @pytest.mark.parametrize(
        "output", [None, 0, False, "", "text \0 é", [], {}, 2**53 + 1, 0.1, {"a": [None, {"b": 1}]}]
    )
    def test_an_outcome_is_written_whole(self, store: Store, output: Any) -> None:
        asked = a_run(partition="asked", attempt=2, started_at=NOON, plan={"a": 1}, force=True)
        with_runs(store, asked)
        changes: dict[str, Any] = {
            "state": RunState.SUCCEEDED,
            "owner": "there",
            "started_at": NOON + timedelta(seconds=1),
            "finished_at": NOON + timedelta(seconds=2),
            "metrics": {"rows": 1},
            "warnings": ("a", "b"),
            "output": output,
            "partition": "2025-11-10/OTC",
        }
        with store.write() as unit:
            assert unit.runs.finish(
                replace(asked, **changes, attempt=9, plan=None, force=False, step="x", retry_of="y")
            )
            unit.commit()
        with store.read() as unit:
            assert unit.runs.get("run-1") == replace(asked, **changes)

    def test_an_output_that_is_no_json_is_refused(self, store: Store) -> None:
        with_runs(store, a_run())
        with store.write() as unit, pytest.raises(LoadError, match="run-1"):
            unit.runs.finish(a_run(state=RunState.SUCCEEDED, output={1, 2}))

    def test_a_final_run_is_never_changed(self, store: Store) -> None:
        final = [state for state in RunState if state.final]
        runs = [a_run(state.value, state=state, finished_at=NOON) for state in final]
        with_runs(store, *runs)
        with store.write() as unit:
            names = [run.id for run in runs]
            assert unit.runs.begin(names, owner="there", at=NOON) == 0
            assert unit.runs.request_cancel(names, NOON) == 0
            for name in names:
                assert unit.runs.put_back(name) is False
                assert unit.runs.finish(a_run(name, state=RunState.FAILED)) == 0
            unit.commit()
        with store.read() as unit:
            assert [unit.runs.get(name) for name in names] == runs

    def test_two_runs_cannot_share_an_id(self, store: Store) -> None:
        with_runs(store, a_run())
        with store.write() as unit, pytest.raises(LoadError) as caught:
            unit.runs.add(a_run())
        assert caught.value.category is Category.LOAD
        assert not caught.value.retryable

    def test_a_part_needs_its_parent(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError):
            unit.runs.add(a_run(parent="unknown"))

    def test_runs_are_listed_newest_first_and_filtered(self, store: Store) -> None:
        with_runs(
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

    def test_runs_are_filtered_by_all_that_is_known_of_them(self, store: Store) -> None:
        tick = timedelta(microseconds=1)
        timeout = SourceError("late", category=Category.TIMEOUT)
        runs = {
            "a": a_run("a", created_at=NOON - tick, partition="x", trigger=Trigger.SCHEDULE),
            "b": a_run("b", partition="x", backfill="fill-1", trigger=Trigger.BACKFILL),
            "c": a_run("c", parent="a", step="load", item=1, trigger=Trigger.WORKFLOW),
            "d": a_run("d", parent="b", step="load", partition="y", retry_of="a"),
            "e": a_run("e", created_at=NOON + tick, state=RunState.FAILED, error=timeout),
            "f": a_run("f", created_at=NOON + tick, retry_of="a", backfill="fill-1"),
        }
        with store.write() as unit:
            for run in runs.values():
                unit.runs.add(run, request=f"request {run.id}" if run.id in "ae" else None)
            unit.runs.finish(replace(runs["b"], state=RunState.FAILED, error=LoadError("full")))
            unit.runs.finish(replace(runs["f"], state=RunState.FAILED, error=timeout))
            unit.commit()
        expected = {
            RunFilter(since=NOON): "fedcb",
            RunFilter(since=NOON + tick): "fe",
            RunFilter(until=NOON): "a",
            RunFilter(since=NOON, until=NOON + tick): "dcb",
            RunFilter(since=NOON, until=NOON): "",
            RunFilter(since=NOON.astimezone(timezone(timedelta(hours=-5)))): "fedcb",
            RunFilter(partition="x"): "ba",
            RunFilter(trigger=Trigger.SCHEDULE): "a",
            RunFilter(trigger=Trigger.COMMAND): "fed",
            RunFilter(category=Category.TIMEOUT): "fe",
            RunFilter(category=Category.LOAD): "b",
            RunFilter(category=Category.INTERNAL): "",
            RunFilter(retry_of="a"): "fd",
            RunFilter(backfill="fill-1"): "fb",
            RunFilter(step="load"): "dc",
            RunFilter(step="load", parent="a"): "c",
            RunFilter(request="request a"): "a",
            RunFilter(request="request e", state=RunState.FAILED): "e",
            RunFilter(request="request e", state=RunState.RUNNING): "",
            RunFilter(request="request"): "",
            RunFilter(partition=""): "",
            RunFilter(retry_of="a", backfill="fill-1", category=Category.TIMEOUT): "f",
            RunFilter(since=NOON, before="f", limit=2): "ed",
            RunFilter(since=NOON, before="d", limit=2): "cb",
            RunFilter(retry_of="a", top_level_only=True): "f",
            RunFilter(category=Category.TIMEOUT, before="f"): "e",
        }
        with store.read() as unit:
            found = {
                wanted: "".join(run.id for run in unit.runs.list(wanted)) for wanted in expected
            }
        assert found == expected

    def test_a_request_makes_one_run(self, store: Store) -> None:
        with store.write() as unit:
            unit.runs.add(a_run("a"), request="É 1")
            unit.runs.add(a_run("b"))
            unit.runs.add(a_run("c"))
            unit.commit()
        with store.write() as unit, pytest.raises(LoadError):
            unit.runs.add(a_run("d"), request="É 1")
        with store.read() as unit:
            assert [run.id for run in unit.runs.list(RunFilter(request="É 1"))] == ["a"]
            assert unit.runs.get("d") is None

    def test_a_request_that_was_rolled_back_is_free(self, store: Store) -> None:
        with store.write() as unit:
            unit.runs.add(a_run("a"), request="request")
        with store.write() as unit:
            unit.runs.add(a_run("b"), request="request")
            unit.commit()

    def test_of_one_request_sent_many_times_at_once_one_makes_a_run(self, store: Store) -> None:
        refused: list[SpineError] = []

        def submit(name: str) -> None:
            try:
                with store.write() as unit:
                    unit.runs.add(a_run(name), request="request")
                    unit.commit()
            except LoadError as error:
                refused.append(error)

        in_threads(*(partial(submit, f"run-{number}") for number in range(6)))
        assert len(refused) == 5
        with store.read() as unit:
            assert len(unit.runs.list(RunFilter())) == 1

    def test_pages_miss_and_repeat_nothing_while_runs_are_added(self, store: Store) -> None:
        with_runs(store, *(a_run(f"run-{number:03}") for number in range(10)))
        seen: list[str] = []
        before: str | None = None
        for newer in range(100, 110):
            with store.read() as unit:
                page = [run.id for run in unit.runs.list(RunFilter(before=before, limit=3))]
            if not page:
                break
            seen += page
            before = page[-1]
            with_runs(store, a_run(f"run-{newer}"))
        assert seen == [f"run-{number:03}" for number in reversed(range(10))]

    def test_pages_of_what_is_filtered_are_whole(self, store: Store) -> None:
        with_runs(
            store,
            *(a_run(f"run-{n:03}", partition="x" if n % 3 else "y", step="s") for n in range(30)),
        )
        wanted = RunFilter(partition="y", step="s", limit=4)
        pages = []
        with store.read() as unit:
            while page := unit.runs.list(wanted):
                pages.append([run.id for run in page])
                wanted = replace(wanted, before=page[-1].id)
        assert [len(page) for page in pages] == [4, 4, 2]
        assert [run for page in pages for run in page] == [f"run-{n:03}" for n in range(27, -1, -3)]
