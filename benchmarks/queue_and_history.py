"""Measure what a long queue and a long history cost: claims, lists, statistics and a purge.

    python benchmarks/queue_and_history.py                  # 1,000,000 runs, 100,000 jobs
    python benchmarks/queue_and_history.py --quick          # a tenth, to see that it works
    python benchmarks/queue_and_history.py --only sqlite

A claim with many jobs behind it is compared with one of the same kind with next to none; a page of
a filtered list with the first page of all runs, and its 99th percentile with 20 ms. Other times are
medians in ms, on a store that is warm. A missed goal is a result, not a failure.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import polars as pl
from postgres_place import connect, fresh_schema, postgres
from refresh_week import Goal, say

from market_spine.adapters.outbound.sql.database import Database
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.metadata import METADATA
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category
from market_spine.domain.queueing import Capacity
from market_spine.domain.run_statistics import StatisticsFilter
from market_spine.domain.runs import RunFilter, RunState, Trigger

START = datetime(2025, 1, 1, tzinfo=UTC)
FIRST = START.replace(tzinfo=None)  # as a store keeps it
LATER = FIRST.replace(year=2100)
APART = timedelta(seconds=30)
CHUNK = 100_000
CLAIMS = 30
ENOUGH = CLAIMS + 2
CLAIM_GOAL, PAGE_GOAL = 2.0, 10.0
PAGES = 100
LATE_PAGE_GOAL = 20.0
LEASE = timedelta(minutes=10)
LONG_ERROR = '{"type":"SourceError","category":"SOURCE","message":"' + "x" * 400 + '"}'


def run_id(number: int) -> str:
    return f"0199{number:08d}-0000-7000-8000-00000000"


def ids(number: pl.Expr) -> pl.Expr:
    digits = number.cast(pl.String).str.zfill(8)
    return pl.format("0199{}-0000-7000-8000-00000000", digits)


def some(number: pl.Expr, every: int, value: pl.Expr) -> pl.Expr:
    """``value`` in one of so many rows, null in the others."""
    return pl.when(number % every == 0).then(value)


def runs(first: int, count: int) -> pl.DataFrame:
    """Runs as the store keeps them: every tenth is a workflow with nine steps, in 40 pipelines.

    One in 20 has failed, one in 20,000 for want of room; the newest 100 are live.
    """
    n = pl.int_range(first, first + count, dtype=pl.Int64)
    failed = n % 20 == 7
    created = pl.lit(FIRST) + n * pl.lit(APART)
    part = n % 10 != 0
    texts = {"parameters_json": '{"week":"2025-11-10","tier":"T1"}', "warnings_json": "[]"}
    rare = n % 20_000 == 7
    category = pl.when(rare).then(pl.lit("RESOURCE")).otherwise(pl.lit("SOURCE"))
    return pl.select(
        run_id=ids(n),
        pipeline=pl.when(failed).then(pl.format("p{}", n % 38)).otherwise(pl.format("p{}", n % 40)),
        **{name: pl.lit(text) for name, text in texts.items()},
        metrics_json=pl.lit('{"rows_read":') + n.cast(pl.String) + pl.lit(',"rows_accepted":7}'),
        run_state=pl.when(failed).then(pl.lit("FAILED")).otherwise(pl.lit("SUCCEEDED")),
        created_at=created,
        started_at=created + pl.lit(timedelta(seconds=1)),
        finished_at=created + (n * 7919 % 100_000 + 1_000) * pl.lit(timedelta(milliseconds=1)),
        purgeable_at=created + pl.lit(timedelta(seconds=120)),
        parent_id=pl.when(part).then(ids(n - n % 10)),
        step_name=pl.when(part).then(pl.format("step-{}", n % 10)),
        trigger_kind=pl.when(part).then(pl.lit("WORKFLOW")).otherwise(pl.lit("REQUEST")),
        partition_name=some(n, 3, pl.format("2025-{}/T1", n % 5_000)),
        attempt_no=pl.lit(1),
        forced=pl.lit(0),
        error_json=pl.when(failed).then(pl.lit(LONG_ERROR)),
        error_category=pl.when(failed).then(category),
        retry_of_id=some(n, 100, ids(n - 100)),
        backfill_id=some(n, 30, pl.format("fill-{}", n // 10_000)),
    )


def jobs(count: int, *, state: str, pipeline: str, key: str | None = None) -> pl.DataFrame:
    """Jobs for the first runs, in their order."""
    n = pl.int_range(count, dtype=pl.Int64)
    ranked = pl.lit(FIRST) + n * pl.lit(timedelta(milliseconds=1))
    zeros = ("priority", "attached", "failures", "losses", "attempt_no", "fence_no")
    return pl.select(
        run_id=ids(n),
        queue_state=pl.lit(state),
        pool=pl.lit("default"),
        pipeline=pl.lit(pipeline),
        ranked_at=ranked,
        ready_at=pl.lit(LATER if state == "WAITING" else None, pl.Datetime("us")),
        job_key=pl.lit(key, pl.String),
        job_key_digest=pl.lit(key, pl.String),
        cancel_requested=pl.lit(0),
        **dict.fromkeys(zeros, pl.lit(0)),
    )


class Place:
    """One database under measurement."""

    def __init__(self, url: str, analyze: Callable[[], None]) -> None:
        self.url = url
        self.backend = url.partition(":")[0].partition("+")[0]
        self.analyze = analyze

    def load(self, table: str, *frames: Callable[[], pl.DataFrame]) -> None:
        database = Database(self.url)
        for frame in frames:
            with database.engine(Access.WRITE).begin() as connection:
                database.dialect.insert_frame(connection, METADATA.tables[table], {}, frame())
        database.close()
        self.analyze()

    def empty_queue(self) -> None:
        database = Database(self.url)
        with database.engine(Access.WRITE).begin() as connection:
            connection.execute(METADATA.tables["run_queue"].delete())
        database.close()


def measured(work: Callable[[], object], repeats: int = 7) -> float:
    """Milliseconds, the median of some, after one that does not count."""
    return median(timed(work, repeats))


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Milliseconds of each, in rising order, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)


def claim_and_remove(store: SqlStore, capacity: Capacity) -> float:
    """Milliseconds of one claim of one job and of its end, each committed."""

    def once() -> None:
        with store.write() as unit:
            (job,) = unit.queue.claim(capacity)
            unit.commit()
        with store.write() as unit:
            assert unit.queue.remove(job.lease)
            unit.commit()

    return measured(once, CLAIMS)


@dataclass(frozen=True)
class Scene:
    """A queue of some kind, with as many jobs as are asked for."""

    name: str
    capacity: Capacity
    jobs: Callable[[int], list[pl.DataFrame]]


def ready(count: int, pipeline: str = "p") -> pl.DataFrame:
    return jobs(count, state="READY", pipeline=pipeline)


def waiting(count: int) -> list[pl.DataFrame]:
    """Jobs that are not due, and enough that are READY."""
    return [jobs(count, state="WAITING", pipeline="p").slice(ENOUGH), ready(ENOUGH)]


def held(count: int) -> list[pl.DataFrame]:
    """Jobs of one key: each that ends lets the next one go."""
    every = jobs(count, state="HELD", pipeline="p", key="k")
    return [every.slice(1), jobs(1, state="READY", pipeline="p", key="k")]


def passed_over(count: int) -> list[pl.DataFrame]:
    """Jobs of a pipeline of which one runs, which is all that may; those of another come last."""
    running = ready(1).with_columns(
        queue_state=pl.lit("CLAIMED"), lease_until=pl.lit(LATER), owner_id=pl.lit("there")
    )
    return [running, ready(count).slice(1), ready(count + ENOUGH, "q").slice(count)]


PLAIN = Capacity("here", 1, LEASE, {"p": None, "q": None})
SCENES = (
    Scene("READY", PLAIN, lambda count: [ready(count)]),
    Scene("WAITING until later", PLAIN, waiting),
    Scene("HELD by one key", PLAIN, held),
    Scene("of a pipeline at its limit", replace(PLAIN, pipelines={"p": 1, "q": None}), passed_over),
)


def queue(place: Place, store: SqlStore, many: int) -> Iterator[Goal]:
    """Claims on queues of several kinds, each with few jobs, some, and many."""
    for scene in SCENES:
        alone = 0.0
        for count in (ENOUGH, 1_000, many):
            place.empty_queue()
            place.load("run_queue", *((lambda frame=frame: frame) for frame in scene.jobs(count)))
            took = claim_and_remove(store, scene.capacity)
            alone = alone or took
            name = f"{count:,} {scene.name}"
            print(f"  {name:<40} {took:8.2f} ms {took / alone:7.2f}")
            yield Goal(f"{place.backend}, claim, {name}", CLAIM_GOAL, took / alone)


def filters(count: int) -> dict[str, RunFilter]:
    newest = START + count * APART
    day = timedelta(days=1)
    return {
        "all runs": RunFilter(),
        "top level only": RunFilter(top_level_only=True),
        "pipeline": RunFilter(pipeline="p5"),
        "pipeline that is unknown": RunFilter(pipeline="unknown"),
        "state FAILED": RunFilter(state=RunState.FAILED),
        "state PENDING (none)": RunFilter(state=RunState.PENDING),
        "pipeline and state": RunFilter(pipeline="p5", state=RunState.FAILED),
        "pipeline and state (none)": RunFilter(pipeline="p39", state=RunState.FAILED),
        "parent": RunFilter(parent=run_id(count // 2 // 10 * 10)),
        "parent and step": RunFilter(parent=run_id(count // 2 // 10 * 10), step="step-3"),
        "step": RunFilter(step="step-3"),
        "trigger": RunFilter(trigger=Trigger.REQUEST),
        "trigger (none)": RunFilter(trigger=Trigger.PART),
        "partition": RunFilter(partition="2025-33/T1"),
        "category": RunFilter(category=Category.SOURCE),
        "category that is rare": RunFilter(category=Category.RESOURCE),
        "retry of": RunFilter(retry_of=run_id(count // 200 * 100)),
        "backfill": RunFilter(backfill="fill-7"),
        "request (none)": RunFilter(request="unknown"),
        "since a day": RunFilter(since=newest - day),
        "until the first week": RunFilter(until=START + 7 * day),
        "one day in the middle": RunFilter(since=START + 100 * day, until=START + 101 * day),
        "all, by time": RunFilter(since=START, until=newest),
        "pipeline since a day": RunFilter(pipeline="p5", since=newest - day),
        "pipeline and state (none) since a day": RunFilter(
            pipeline="p39", state=RunState.FAILED, since=newest - day
        ),
        "failed, top level, since a day": RunFilter(
            state=RunState.FAILED, top_level_only=True, since=newest - day
        ),
        "oldest first": RunFilter(oldest_first=True),
        "top level only, oldest first": RunFilter(top_level_only=True, oldest_first=True),
        "one day in the middle, oldest first": RunFilter(
            since=START + 100 * day, until=START + 101 * day, oldest_first=True
        ),
        "pipeline and state, oldest first": RunFilter(
            pipeline="p5", state=RunState.FAILED, oldest_first=True
        ),
    }


def history(place: Place, store: SqlStore, count: int) -> Iterator[Goal]:
    """Pages of lists, statistics and a purge."""
    ends = run_id(count // 50), run_id(count - count // 50)
    base: float | None = None
    for name, wanted in filters(count).items():
        pages: list[list[float]] = []
        upwards = wanted.oldest_first
        deep = replace(wanted, after=ends[1]) if upwards else replace(wanted, before=ends[0])
        for page in (wanted, deep):
            with store.read() as unit:
                pages.append(timed(lambda unit=unit, page=page: unit.runs.list(page), PAGES))
                found = len(unit.runs.list(page))
        first, second = map(median, pages)
        late = max(times[PAGES * 99 // 100 - 1] for times in pages)
        base = base or first
        print(
            f"  {name:<40} {first:8.2f} ms, {second:8.2f} ms deep ({found}) {first / base:7.2f}, "
            f"p99 {late:.2f} ms"
        )
        yield Goal(f"{place.backend}, list, {name}", PAGE_GOAL, max(first, second) / base)
        yield Goal(f"{place.backend}, list, {name}, p99 in ms", LATE_PAGE_GOAL, late)
    for name, wanted in (
        ("of those on their own", StatisticsFilter()),
        ("with parts", StatisticsFilter(parts=True)),
        ("of a week", StatisticsFilter(since=START, until=START + timedelta(days=7))),
    ):
        with store.read() as unit:
            took = measured(lambda unit=unit, wanted=wanted: unit.history.statistics(wanted), 1)
            total = unit.history.statistics(wanted).total.runs
        print(f"  statistics {name}: {took:,.0f} ms for {total:,} runs")
    for _ in range(2):
        start = time.perf_counter()
        with store.write() as unit:
            purged = unit.history.purge(START + count * APART / 2, 1_000)
            unit.commit()
        print(f"  purge: {(time.perf_counter() - start) * 1000:,.0f} ms for {purged.runs:,} runs")


def measure(place: Place, count: int, many: int) -> list[Goal]:
    with closing(SqlStore(place.url)) as store:
        store.ensure_ready()
        start = time.perf_counter()
        place.load(
            "runs",
            *(
                (lambda first=first: runs(first, min(CHUNK, count - first)))
                for first in range(0, count, CHUNK)
            ),
        )
        print(f"  {count:,} runs loaded in {time.perf_counter() - start:.0f} s")
        # The purge comes last: jobs need the runs that it deletes.
        return [*queue(place, store, many), *history(place, store, count)]


def on_sqlite(folder: Path, count: int, many: int) -> list[Goal]:
    return measure(Place(f"sqlite:///{folder / 'spine.db'}", lambda: None), count, many)


def on_postgres(folder: Path, count: int, many: int) -> list[Goal]:
    with postgres(folder) as server:

        def analyze() -> None:
            # What the server does by itself within a minute or so.
            with connect(server) as connection:
                connection.execute("VACUUM (ANALYZE) runs")
                connection.execute("VACUUM (ANALYZE) run_queue")

        return measure(Place(fresh_schema(server), analyze), count, many)


def main() -> int:
    made = argparse.ArgumentParser(description="What a long queue and a long history cost.")
    made.add_argument("--quick", action="store_true", help="a tenth of the runs and jobs")
    made.add_argument("--only", choices=["sqlite", "postgresql"])
    made.add_argument("--work", type=Path, metavar="FOLDER")
    given = made.parse_args()
    count, many = (100_000, 10_000) if given.quick else (1_000_000, 100_000)
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory(prefix="spine-bench-", dir=given.work) as folder:
        for name, on in (("sqlite", on_sqlite), ("postgresql", on_postgres)):
            if given.only in (None, name):
                say(f"{name}: {count:,} runs, {many:,} jobs")
                goals += on(Path(folder), count, many)
    missed = [goal for goal in goals if not goal.met]
    print("\n".join(map(str, missed)) or "all ratios are within their goals")
    return 0


if __name__ == "__main__":
    sys.exit(main())
