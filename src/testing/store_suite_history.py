"""What every RunHistory has to keep of statistics."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from ..domain.run_statistics import RunStatistics, StatisticsFilter
from ..domain.runs import Run, RunState
from ..ports.storage import Store
from .store_suite_run_samples import with_runs
from .store_suite_samples import NOON, a_run

DAY = timedelta(days=1)
GOOD, BAD, LIVE = RunState.SUCCEEDED, RunState.FAILED, RunState.RUNNING


def an_ended(run_id: str, seconds: float, state: RunState = GOOD, **changes: Any) -> Run:
    """A run that was created at noon, began a second later, and took so many seconds."""
    started = NOON + timedelta(seconds=1)
    times = {"started_at": started, "finished_at": started + timedelta(seconds=seconds)}
    return a_run(run_id, **{"pipeline": "p", "state": state, **times, **changes})


class StatisticsSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use.

    Quantiles are interpolated linearly between the two durations next to them, as polars does by
    ``quantile(q, "linear")``.
    """

    def test_without_runs_there_is_nothing_to_tell(self, store: Store) -> None:
        with store.read() as unit:
            report = unit.history.statistics(StatisticsFilter())
        assert list(report.by_pipeline) == list(report.by_day) == []
        assert report.total == RunStatistics(None, None, {}, None, None)

    def test_runs_are_counted_by_pipeline_by_day_and_in_all(self, store: Store) -> None:
        with_runs(
            store,
            an_ended("a", 10),
            an_ended("b", 20, BAD, created_at=NOON + DAY),
            an_ended("c", 1, pipeline="a", created_at=NOON - DAY),
            a_run("d", pipeline="p"),
            a_run("e", pipeline="p", state=RunState.PENDING),
            an_ended("f", 40, RunState.CANCELLED, pipeline="a"),
            a_run("g", pipeline="p", state=RunState.SKIPPED),
        )
        with store.read() as unit:
            report = unit.history.statistics(StatisticsFilter())
        day = NOON.date()
        assert [_plain(item) for item in report.by_pipeline] == [
            ("a", None, {GOOD: 1, RunState.CANCELLED: 1}, 1.0, 1.0),
            (
                "p",
                None,
                {GOOD: 1, BAD: 1, LIVE: 1, RunState.PENDING: 1, RunState.SKIPPED: 1},
                15.0,
                19.5,
            ),
        ]
        assert [_plain(item) for item in report.by_day] == [
            (None, day - DAY, {GOOD: 1}, 1.0, 1.0),
            (
                None,
                day,
                {
                    GOOD: 1,
                    LIVE: 1,
                    RunState.PENDING: 1,
                    RunState.CANCELLED: 1,
                    RunState.SKIPPED: 1,
                },
                10.0,
                10.0,
            ),
            (None, day + DAY, {BAD: 1}, 20.0, 20.0),
        ]
        assert report.total.runs == 7
        assert report.total.counts[GOOD] == 2
        assert report.total.success_rate == pytest.approx(2 / 3)
        assert report.total.p50 == pytest.approx(10.0)
        assert report.total.p95 == pytest.approx(19.0)

    @pytest.mark.parametrize(
        ("seconds", "p50", "p95"),
        [
            ([7.25], 7.25, 7.25),
            ([1, 2], 1.5, 1.95),
            ([3, 1, 2], 2.0, 2.9),
            ([0, 0, 0, 1000], 0.0, 850.0),
            ([0.001, 0.003], 0.002, 0.0029),
            (list(range(101)), 50.0, 95.0),
            ([86_400 * 3 + 0.5], 259_200.5, 259_200.5),
        ],
        ids=str,
    )
    def test_quantiles_are_interpolated(
        self, store: Store, seconds: list[float], p50: float, p95: float
    ) -> None:
        with_runs(store, *(an_ended(f"run-{n:03}", each) for n, each in enumerate(seconds)))
        with store.read() as unit:
            report = unit.history.statistics(StatisticsFilter())
        for found in (*report.by_pipeline, *report.by_day, report.total):
            assert found.p50 == pytest.approx(p50, abs=1e-4)
            assert found.p95 == pytest.approx(p95, abs=1e-4)

    def test_only_what_ran_and_succeeded_or_failed_has_a_duration(self, store: Store) -> None:
        with_runs(
            store,
            an_ended("a", 5, RunState.CANCELLED),
            an_ended("b", 7, RunState.SKIPPED),
            an_ended("c", 9, BAD, started_at=None),
            a_run("d", pipeline="p", started_at=NOON),
        )
        with store.read() as unit:
            total = unit.history.statistics(StatisticsFilter()).total
        assert (total.runs, total.p50, total.p95) == (4, None, None)

    def test_parts_are_counted_where_they_are_wanted(self, store: Store) -> None:
        with_runs(
            store,
            an_ended("a", 1),
            an_ended("b", 2, parent="a", step="one"),
            an_ended("c", 3, parent="b"),
        )
        with store.read() as unit:
            assert unit.history.statistics(StatisticsFilter()).total.runs == 1
            assert unit.history.statistics(StatisticsFilter(parts=True)).total.runs == 3

    def test_statistics_are_filtered(self, store: Store) -> None:
        tick = timedelta(microseconds=1)
        with_runs(
            store,
            an_ended("a", 1, created_at=NOON - tick),
            an_ended("b", 1, pipeline="q"),
            an_ended("c", 1, created_at=NOON + DAY - tick),
            an_ended("d", 1, created_at=NOON + DAY),
        )
        tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
        expected = {
            StatisticsFilter(since=NOON): 3,
            StatisticsFilter(since=tokyo): 3,
            StatisticsFilter(until=NOON): 1,
            StatisticsFilter(since=NOON, until=NOON + DAY): 2,
            StatisticsFilter(since=NOON, until=NOON): 0,
            StatisticsFilter(pipeline="q"): 1,
            StatisticsFilter(pipeline="q", since=NOON + tick): 0,
            StatisticsFilter(pipeline="unknown"): 0,
        }
        with store.read() as unit:
            found = {wanted: unit.history.statistics(wanted).total.runs for wanted in expected}
        assert found == expected

    def test_days_are_those_of_utc(self, store: Store) -> None:
        with_runs(
            store,
            an_ended("a", 1, created_at=datetime(2025, 12, 15, 0, 0, tzinfo=UTC)),
            an_ended("b", 1, created_at=datetime(2025, 12, 15, 23, 59, 59, 999999, tzinfo=UTC)),
            an_ended(
                "c",
                1,
                created_at=datetime(2025, 12, 15, 23, tzinfo=timezone(timedelta(hours=-8))),
            ),
        )
        with store.read() as unit:
            report = unit.history.statistics(StatisticsFilter())
        assert [(item.day, item.runs) for item in report.by_day] == [
            (date(2025, 12, 15), 2),
            (date(2025, 12, 16), 1),
        ]


def _plain(item: RunStatistics) -> tuple[object, ...]:
    """All of it, its quantiles to be compared approximately."""
    return (
        item.pipeline,
        item.day,
        dict(item.counts),
        item.p50 and pytest.approx(item.p50),
        item.p95 and pytest.approx(item.p95),
    )
