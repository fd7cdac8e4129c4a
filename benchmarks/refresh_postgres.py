"""Measure the weekly refresh on PostgreSQL against a raw COPY of the same file.

    python benchmarks/refresh_postgres.py

Interleaves, for each size: a raw COPY of the file into a bare table, one into a table with the
key of the published rows, and the whole ``spine run finra.otc_transparency.refresh_week`` process
on a store whose schema is there and empty. Prints medians as ratios and says which goals are met.
Fails when a run goes wrong or loses a row; a missed goal is a result, not a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

from postgres_place import connect, fresh_schema, postgres
from refresh_week import (
    PIPELINE,
    WEEK_FILE,
    BenchmarkError,
    Goal,
    Outcome,
    check_reply,
    find_spine,
    run,
    say,
    spread,
)
from sqlalchemy import URL

GOAL_ROWS = 1_000_000
GOAL_RATIO = 1.6
GOAL_GROWTH = 1.3
COLUMNS = (
    'tier text COLLATE "C", symbol text COLLATE "C", issue_name text, venue_name text, '
    'mpid text COLLATE "C", shares numeric, trades bigint, last_update_date date'
)
KEY = ", PRIMARY KEY (tier, symbol, mpid)"
BLOCK = 1 << 20


@dataclass
class Figures:
    """What was measured at one size; seconds, one for each repeat, in order."""

    rows: int
    bare: list[float] = field(default_factory=list)
    indexed: list[float] = field(default_factory=list)
    refresh: list[Outcome] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        return [outcome.seconds for outcome in self.refresh]

    @property
    def ratio(self) -> float:
        return median(self.seconds) / median(self.indexed)

    @property
    def seconds_per_million(self) -> float:
        return median(self.seconds) / self.rows * 1e6

    @property
    def rss_mb(self) -> float:
        return max(outcome.rss_mb for outcome in self.refresh)


def raw_copy(server: URL, file: Path, rows: int, *, key: bool) -> float:
    """Seconds that PostgreSQL takes to copy the file into one new table, until it is committed."""
    fresh_schema(server)
    with connect(server) as connection:
        connection.execute(f"CREATE TABLE venue_volume ({COLUMNS}{KEY * key})")
        start = time.perf_counter()
        # A quote that no text has: FINRA means quotes literally.
        copying = "COPY venue_volume FROM STDIN (FORMAT csv, DELIMITER '|', HEADER, QUOTE E'\\b')"
        with connection.cursor().copy(copying) as copy, file.open("rb") as source:
            while block := source.read(BLOCK):
                copy.write(block)
        seconds = time.perf_counter() - start
        ((copied,),) = connection.execute("SELECT count(*) FROM venue_volume").fetchall()
    if copied != rows:
        raise BenchmarkError(f"PostgreSQL copied {copied} of {rows} rows")
    return seconds


def refresh(spine: str, server: URL, file: Path, home: Path, rows: int) -> Outcome:
    """The whole refresh as one process on a store that is there and empty."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SPINE_")
    }
    environment |= {"SPINE_HOME": str(home), "SPINE_DATABASE_URL": fresh_schema(server)}
    run([spine, "db", "upgrade"], environment)
    outcome = run([spine, "run", PIPELINE, "-p", f"file={file}", "--json"], environment)
    check_reply(outcome.output, rows)
    shutil.rmtree(home)
    return outcome


def measure(rows: int, repeats: int, spine: str, server: URL, folder: Path) -> Figures:
    """Measure one size: bare, indexed, refresh, and again, so that drift meets all alike."""
    file = folder / WEEK_FILE
    # In a process of its own: a child's peak memory counts from that of the parent at its start.
    writer = Path(__file__).with_name("week_file.py")
    run([sys.executable, str(writer), str(file), "--rows", str(rows)], os.environ)
    figures = Figures(rows)
    for repeat in range(repeats):
        say(f"{rows:>10,} rows, repeat {repeat + 1} of {repeats}")
        figures.bare.append(raw_copy(server, file, rows, key=False))
        figures.indexed.append(raw_copy(server, file, rows, key=True))
        figures.refresh.append(refresh(spine, server, file, folder / "home", rows))
        say(f"    bare {figures.bare[-1]:.2f} s, indexed {figures.indexed[-1]:.2f} s", end=", ")
        say(f"refresh {figures.seconds[-1]:.2f} s, {figures.refresh[-1].rss_mb:.0f} MB")
    file.unlink()
    return figures


def goals(sizes: Sequence[Figures]) -> list[Goal]:
    """The promises that these sizes can tell something about."""
    found = [
        Goal(f"refresh / COPY with the same key at {size.rows:,}", GOAL_RATIO, size.ratio)
        for size in sizes
        if size.rows == GOAL_ROWS
    ]
    for small, large in pairwise(sizes):
        span = f"from {small.rows:,} to {large.rows:,} rows"
        slower = large.seconds_per_million / small.seconds_per_million
        found.append(Goal(f"growth of time per row {span}", GOAL_GROWTH, slower))
    return found


def report(sizes: Sequence[Figures]) -> str:
    table = [("rows", "COPY s", "with key s", "refresh s", "/with key", "RSS MB", "s per M")]
    table += [
        (
            f"{size.rows:,}",
            spread(size.bare),
            spread(size.indexed),
            spread(size.seconds),
            f"{size.ratio:.2f}",
            f"{size.rss_mb:.0f}",
            f"{size.seconds_per_million:.2f}",
        )
        for size in sizes
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in table
    ]
    return "\n".join([*lines, "", "Times are median (min-max).", *map(str, goals(sizes))])


def main() -> int:
    made = argparse.ArgumentParser(description="Weekly refresh on PostgreSQL against raw COPY.")
    made.add_argument(
        "--rows", type=int, nargs="+", default=[250_000, 1_000_000, 4_000_000], metavar="N"
    )
    made.add_argument("--repeats", type=int, default=3, metavar="N", help="default 3")
    made.add_argument("--spine", metavar="PATH", help="the command to measure")
    made.add_argument("--work", type=Path, metavar="FOLDER", help="where to put files and homes")
    given = made.parse_args()
    try:
        spine = find_spine(given.spine)
        with (
            tempfile.TemporaryDirectory(prefix="spine-bench-", dir=given.work) as folder,
            postgres(Path(folder)) as server,
        ):
            sizes = [
                measure(rows, given.repeats, spine, server, Path(folder))
                for rows in sorted(set(given.rows))
            ]
    except BenchmarkError as error:
        say(f"benchmark failed: {error}")
        return 1
    print(report(sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
