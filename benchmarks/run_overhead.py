"""Measure what it costs that a run is durable: five-step runs of steps that do nothing.

    python benchmarks/run_overhead.py                    # SQLite and PostgreSQL
    python benchmarks/run_overhead.py --only postgres --runs 500
    python benchmarks/run_overhead.py --profile          # where the time of the worker goes

One worker in one process executes runs that were submitted before. Each step is claimed, executed
and committed before the next one is queued. Side by side stand the commits of one row that the
same database makes one after the other, and DBOS where it is installed (``pip install dbos``).
Prints runs/s; a missed goal is a result, not a failure.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from postgres_place import connect, fresh_schema, postgres
from refresh_week import say

from market_spine.application.backfills import BackfillRequest
from market_spine.application.submissions import Submission
from market_spine.bootstrap.application import Application
from market_spine.bootstrap.execution import Silent
from market_spine.bootstrap.settings import load_settings
from market_spine.domain.backfills import PartState
from market_spine.domain.runs import RunFilter, RunState

HERE = Path(__file__).parent
GRAPH = "noop.graph"
COMMITS = 2000


@dataclass(frozen=True, slots=True)
class Case:
    """One way to execute, and how many runs/s it is to reach at least; None for no goal."""

    backend: str
    execution: str
    jobs: int
    goal: float | None


CASES = (
    Case("sqlite", "inline", 250, 300),
    Case("sqlite", "processes", 8, None),
    Case("postgres", "inline", 250, 150),
    Case("postgres", "processes", 8, None),
)


@contextmanager
def application(home: Path, url: str | None, execution: str) -> Iterator[Application]:
    os.environ["PYTHONPATH"] = str(HERE)
    given: dict[str, Any] = {"home": home, "modules": ("noop_flow",), "execution": execution}
    if url is not None:
        given["database_url"] = url
    built = Application(load_settings(**given), Silent())
    try:
        yield built
    finally:
        built.container.store().close()


def submitted(app: Application, runs: int) -> float:
    """Seconds for submitting so many, one after the other, each committed."""
    submit = app.submit_run()
    started = time.perf_counter()
    for number in range(runs):
        submit(Submission(GRAPH, {"number": number}))
    return time.perf_counter() - started


def drained(app: Application, jobs: int, profile: bool) -> float:
    """Seconds until one worker has executed all that was submitted."""
    worker, execution = app.worker(jobs, ())
    store = app.container.store()

    def over() -> bool:
        with store.read() as unit:
            live = (RunState.PENDING, RunState.RUNNING)
            return not any(unit.runs.list(RunFilter(state=state, limit=1)) for state in live)

    watch = cProfile.Profile()
    started = time.time()
    with closing(execution):
        if profile:
            watch.runcall(worker.run, until=over)
        else:
            worker.run(until=over)
    if profile:
        pstats.Stats(watch).sort_stats("tottime").print_stats(60)
    # By the time of the store, which is here: the worker has waited for more since then.
    with store.read() as unit:
        done = unit.runs.list(RunFilter(state=RunState.SUCCEEDED, limit=sys.maxsize))
    return max(run.finished_at for run in done if run.finished_at).timestamp() - started


def check(app: Application, runs: int) -> None:
    """Raise unless each run and each step has succeeded, once."""
    with app.container.store().read() as unit:
        done = unit.runs.list(RunFilter(state=RunState.SUCCEEDED, limit=runs * 6 + 1))
    tops = sum(run.parent is None for run in done)
    if (tops, len(done)) != (runs, runs * 6):
        raise SystemExit(f"{tops} runs and {len(done)} in all succeeded, of {runs} with 5 steps")


def measure(case: Case, url: str | None, runs: int, profile: bool) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        application(Path(folder), url, case.execution) as app,
    ):
        queued = submitted(app, runs)
        took = drained(app, case.jobs, profile)
        check(app, runs)
        rate = runs / took
        verdict = ""
        if case.goal is not None:
            verdict = f", goal {case.goal:g}: " + ("met" if rate >= case.goal else "MISSED")
        say(
            f"{case.backend}, {case.execution}, {case.jobs} at once: {rate:.0f} runs/s, "
            f"{took / runs / 5 * 1000:.2f} ms a step{verdict}; "
            f"submitting {runs / queued:.0f} runs/s"
        )


def commits_sqlite(folder: Path) -> float:
    with closing(sqlite3.connect(folder / "commits.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (n INTEGER)")
        return commits(lambda n: connection.execute("INSERT INTO t VALUES (?)", (n,)))


def commits(commit: Callable[[int], object]) -> float:
    started = time.perf_counter()
    for number in range(COMMITS):
        commit(number)
    return COMMITS / (time.perf_counter() - started)


def dbos(url: str, runs: int) -> None:
    """The same five steps on DBOS, in a process of its own."""
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    command = [sys.executable, str(HERE / "dbos_flow.py"), plain, str(runs)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    last = (told.stdout.strip() or told.stderr.strip() or "nothing").splitlines()[-1]
    missing = "ModuleNotFoundError" in last
    say("postgres, DBOS: " + ("not installed: pip install dbos" if missing else last))


def latency(backend: str, url: str | None, runs: int) -> None:
    """From asking for a run until its code begins, with an idle worker in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with application(home, url, "processes") as app, worker_process(home, url):
            submit, store = app.submit_run(), app.container.store()
            took: list[float] = []
            for number in range(runs + 10):
                asked = time.time()
                run = submit(Submission("noop.begun"))
                while not run.state.final:
                    time.sleep(0.05)
                    with store.read() as unit:
                        run = unit.runs.get(run.id) or run
                if number >= 10:  # the first ones wait for processes that are not warm yet
                    took.append((float(run.output) - asked) * 1000)
    took.sort()
    middle, late = took[len(took) // 2], took[int(len(took) * 0.99)]
    met = "met" if middle < 50 and late < 250 else "MISSED"
    say(
        f"{backend}, asked to begun on an idle worker: p50 {middle:.0f} ms, p99 {late:.0f} ms, "
        f"goals 50 and 250: {met}"
    )


@contextmanager
def worker_process(home: Path, url: str | None) -> Iterator[None]:
    """``spine worker``, until the end of the context."""
    settings = {"SPINE_HOME": str(home), "SPINE_MODULES": "noop_flow", "PYTHONPATH": str(HERE)}
    if url is not None:
        settings["SPINE_DATABASE_URL"] = url
    spine = Path(sys.executable).with_name("spine")
    command = [str(spine), "worker", "--concurrency", "1"]
    worker = subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait()


def dask(url: str, partitions: int) -> None:
    """A backfill whose partitions do nothing, on a cluster of this machine."""
    # Its workers have only their environment to know the store from.
    os.environ |= {"SPINE_DATABASE_URL": url, "SPINE_MODULES": "noop_flow"}
    with tempfile.TemporaryDirectory() as folder, application(Path(folder), url, "dask") as app:
        first = date(1900, 1, 1)
        last = first + timedelta(days=partitions - 1)
        made, _ = app.create_backfill()(BackfillRequest("noop.day", first, last, max_active=32))
        took = drained(app, 8, profile=False)
        counts = app.read_backfills().counts(made.id)
        if counts != {PartState.SUCCEEDED: partitions}:
            raise SystemExit(f"not all partitions succeeded: {counts}")
    each = took / partitions * 1000
    met = "met" if each < 20 else "MISSED"
    say(
        f"postgres, backfill of {partitions} partitions on Dask: {each:.1f} ms each, goal 20: {met}"
    )


def on_sqlite(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        say(f"sqlite, commits of one row: {commits_sqlite(Path(folder)):.0f}/s")
    for case in chosen("sqlite", options):
        measure(case, None, options.runs, options.profile)
    if options.execution is None:
        latency("sqlite", None, options.asked)


def on_postgres(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as server:
        fresh_schema(server)
        with connect(server) as connection:
            connection.execute("CREATE TABLE t (n integer)")
            rate = commits(lambda n: connection.execute("INSERT INTO t VALUES (%s)", (n,)))
        say(f"postgres, commits of one row: {rate:.0f}/s")
        for case in chosen("postgres", options):
            measure(case, fresh_schema(server), options.runs, options.profile)
        if options.execution is None:
            latency("postgres", fresh_schema(server), options.asked)
            dask(fresh_schema(server), options.partitions)
            dbos(server.render_as_string(hide_password=False), min(options.runs, 200))


def chosen(backend: str, options: argparse.Namespace) -> list[Case]:
    return [
        case
        for case in CASES
        if case.backend == backend and options.execution in (None, case.execution)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000, help="five-step runs for each case")
    parser.add_argument("--asked", type=int, default=200, help="runs for the time until they begin")
    parser.add_argument("--partitions", type=int, default=10_000, help="of the backfill on Dask")
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    parser.add_argument("--execution", choices=("inline", "processes"))
    parser.add_argument("--profile", action="store_true", help="show where the worker's time goes")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    if options.only != "postgres":
        on_sqlite(options)
    if options.only != "sqlite":
        on_postgres(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
