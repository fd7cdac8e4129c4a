"""What every Store has to keep where runs and backfills are listed in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Any

from ..domain.backfills import Backfill, BackfillState
from ..domain.errors import Category, SourceError
from ..domain.runs import Run, RunFilter, RunState, Trigger
from ..ports.storage import Store, UnitOfWork
from .store_suite_backfills import a_backfill
from .store_suite_pages import check_pages
from .store_suite_run_samples import with_runs
from .store_suite_samples import NOON, a_run

MANY = 10_000
HOUR = timedelta(hours=1)


class RunPageSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_runs_in_pages(self, store: Store) -> None:
        # Ids are made by clocks that disagree: new ones stand anywhere.
        numbers = iter(number * 383 % 1000 for number in range(1000))

        def add(unit: UnitOfWork) -> None:
            for number in (next(numbers), next(numbers)):
                parent = "run-000" if number % 2 else None
                moment = NOON + timedelta(minutes=number % 90)
                pipeline = "ab"[number % 3 == 0]
                run = a_run(f"run-{number:03}", parent=parent, created_at=moment, pipeline=pipeline)
                unit.runs.add(run)

        with store.write() as unit:
            for _ in range(8):
                add(unit)
            unit.commit()
        filters = [
            replace(wanted, oldest_first=oldest_first)
            for oldest_first in (False, True)
            for wanted in (
                RunFilter(),
                RunFilter(top_level_only=True, pipeline="a"),
                RunFilter(parent="run-000", state=RunState.RUNNING),
                RunFilter(since=NOON, until=NOON + HOUR),
            )
        ]
        check_pages(store, _runs, filters, add, name=lambda run: run.id, go_on=_go_on, largest=MANY)

    def test_runs_that_are_filtered_go_on_in_both_directions(self, store: Store) -> None:
        late = SourceError("late", category=Category.TIMEOUT)
        parts: dict[str, Any] = {"parent": "b", "step": "load", "trigger": Trigger.WORKFLOW}
        runs = [
            a_run("b", pipeline="p", partition="x", backfill="fill-1"),
            a_run("d", pipeline="p", created_at=NOON + HOUR, state=RunState.FAILED, error=late),
            a_run("f", **parts, created_at=NOON + HOUR),
            a_run("h", **parts, state=RunState.FAILED, error=late, partition="x"),
            a_run("j", pipeline="p", retry_of="d", trigger=Trigger.RETRY, backfill="fill-1"),
            a_run("l", created_at=NOON - HOUR, retry_of="d"),
        ]
        with_runs(store, *runs[:-1])
        with store.write() as unit:
            unit.runs.add(runs[-1], request="request")
            unit.commit()
        filters = [
            RunFilter(),
            RunFilter(pipeline="p"),
            RunFilter(state=RunState.FAILED),
            RunFilter(parent="b"),
            RunFilter(top_level_only=True),
            RunFilter(since=NOON),
            RunFilter(until=NOON + HOUR),
            RunFilter(since=NOON, until=NOON + HOUR, top_level_only=True),
            RunFilter(partition="x"),
            RunFilter(trigger=Trigger.WORKFLOW),
            RunFilter(category=Category.TIMEOUT),
            RunFilter(retry_of="d"),
            RunFilter(backfill="fill-1"),
            RunFilter(step="load"),
            RunFilter(request="request"),
        ]
        bounds = [None, *"abcdgjlm"]
        with store.read() as unit:
            for wanted in filters:
                kept = [run.id for run in unit.runs.list(wanted)]
                assert kept, wanted
                for after, before in product(bounds[::2], bounds):
                    bounded = replace(wanted, after=after, before=before)
                    expected = [run for run in kept if (after or "") < run < (before or "z")]
                    assert [run.id for run in unit.runs.list(bounded)] == expected, bounded
                    upwards = replace(bounded, oldest_first=True, limit=2)
                    assert [run.id for run in unit.runs.list(upwards)] == expected[::-1][:2]

    def test_backfills_in_pages(self, store: Store) -> None:
        numbers = iter(number * 383 % 1000 for number in range(1000))

        def add(unit: UnitOfWork) -> None:
            for _ in range(3):
                number = next(numbers)
                states = [BackfillState.RUNNING, BackfillState.PAUSED, BackfillState.FAILED]
                backfill = a_backfill(
                    f"fill-{number:03}", pipeline="ab"[number % 5 < 2], state=states[number % 3]
                )
                unit.backfills.add(backfill, [])

        filters = [
            _BackfillFilter(),
            _BackfillFilter(pipeline="a"),
            _BackfillFilter(state=BackfillState.RUNNING),
            _BackfillFilter(pipeline="a", state=BackfillState.PAUSED),
        ]
        with store.write() as unit:
            for _ in range(8):
                add(unit)
            every = unit.backfills.list(limit=MANY)
            for wanted in filters:
                assert list(_backfills(unit, wanted)) == [
                    item
                    for item in every
                    if wanted.pipeline in (None, item.pipeline)
                    and wanted.state in (None, item.state)
                ]
            unit.commit()
        check_pages(
            store,
            _backfills,
            filters,
            add,
            name=lambda item: item.id,
            go_on=lambda wanted, last: replace(wanted, before=last.id),
            largest=MANY,
        )


@dataclass(frozen=True, slots=True)
class _BackfillFilter:
    """What BackfillStore.list is given."""

    pipeline: str | None = None
    state: BackfillState | None = None
    before: str | None = None
    limit: int = MANY


def _go_on(wanted: RunFilter, last: Run) -> RunFilter:
    if wanted.oldest_first:
        return replace(wanted, after=last.id)
    return replace(wanted, before=last.id)


def _runs(unit: UnitOfWork, wanted: RunFilter) -> Sequence[Run]:
    return unit.runs.list(wanted)


def _backfills(unit: UnitOfWork, wanted: _BackfillFilter) -> Sequence[Backfill]:
    return unit.backfills.list(
        pipeline=wanted.pipeline, state=wanted.state, before=wanted.before, limit=wanted.limit
    )
