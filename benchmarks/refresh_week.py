"""Measure the weekly refresh against SQLite's own import of the same file.

    python benchmarks/refresh_week.py

Interleaves, for each size: a bare ``.import``, an ``.import`` into a table with the key of the
published rows, and the whole ``spine run finra.otc_transparency.refresh_week`` process on a fresh
SPINE_HOME. Prints medians as ratios and says which goals are met. Fails when a run goes wrong or
loses a row; a missed goal is a result, not a failure.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

PIPELINE = "finra.otc_transparency.refresh_week"
WEEK_FILE = "finra_otc_weekly_t1_20251201.csv"
GOAL_ROWS = 1_000_000
GOAL_RATIO = 2.5
GOAL_RSS_MB = 1536.0
GOAL_GROWTH = 1.0
COLUMNS = (
    "tier TEXT, symbol TEXT, issue_name TEXT, venue_name TEXT, mpid TEXT, "
    "shares REAL, trades INTEGER, last_update_date TEXT"
)
KEY = ", PRIMARY KEY (tier, symbol, mpid)"


class BenchmarkError(Exception):
    """A run that was to be measured failed or did something else than it should."""


@dataclass(frozen=True)
class Outcome:
    """One finished child process.

    ``seconds`` are of the clock on the wall, ``cpu`` those of all its threads; ``rss_mb`` is the
    peak of its resident memory.
    """

    seconds: float
    cpu: float
    rss_mb: float
    output: str


@dataclass(frozen=True)
class Figures:
    """What was measured at one size. Seconds are one for each repeat, in order."""

    rows: int
    file_mb: float
    bare: list[float]
    indexed: list[float]
    refresh: list[float]
    refresh_cpu: list[float]
    rss_mb: float
    home_mb: float

    @property
    def ratio(self) -> float:
        return median(self.refresh) / median(self.indexed)

    @property
    def bare_ratio(self) -> float:
        return median(self.refresh) / median(self.bare)

    @property
    def seconds_per_million(self) -> float:
        return median(self.refresh) / self.rows * 1e6

    @property
    def rss_mb_per_million(self) -> float:
        return self.rss_mb / self.rows * 1e6


@dataclass(frozen=True)
class Goal:
    """One promise, with the figure that keeps or breaks it."""

    name: str
    limit: float
    measured: float

    @property
    def met(self) -> bool:
        return self.measured <= self.limit

    def __str__(self) -> str:
        gap = abs(self.measured - self.limit) / self.limit
        verdict = f"met, {gap:.0%} to spare" if self.met else f"MISSED by {gap:.0%}"
        return f"{self.name}: {self.measured:.2f}, goal at most {self.limit:g}: {verdict}"


def run(command: Sequence[str], environment: Mapping[str, str], script: str = "") -> Outcome:
    """Run a child to its end and take its time and peak memory.

    Raises BenchmarkError with what it said when it does not end with exit code 0.
    """
    # What earlier runs left to be written is not to be paid by this one.
    os.sync()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        start = time.perf_counter()
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=said, stderr=complained, env=environment
            )
        except OSError as error:
            raise BenchmarkError(f"{command[0]} cannot be started: {error}") from error
        # A child that ends without reading its script says why by its exit code.
        if child.stdin is not None:
            with suppress(BrokenPipeError), child.stdin as entry:
                entry.write(script.encode())
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read().decode(errors="replace")
        complained.seek(0)
        complaint = complained.read().decode(errors="replace")
    if child.returncode != 0:
        told = "\n".join((output + complaint).splitlines()[-30:])
        raise BenchmarkError(f"{command[0]} ended with exit code {child.returncode}:\n{told}")
    # Linux counts in KiB, macOS in bytes.
    scale = 2**20 if sys.platform == "darwin" else 2**10
    cpu = usage.ru_utime + usage.ru_stime
    return Outcome(seconds, cpu, usage.ru_maxrss / scale, output)


def import_file(shell: str | None, file: Path, folder: Path, rows: int, *, key: bool) -> float:
    """Seconds that SQLite takes to import the file into one new table, with or without its key."""
    database = folder / "import.db"
    create = f"CREATE TABLE venue_volume ({COLUMNS}{KEY * key});"
    if shell is None:
        me = str(Path(__file__).resolve())
        command = [sys.executable, me, "--import-by-python", str(database), str(file), create]
        outcome = run(command, os.environ)
    else:
        # Mode ascii takes quotes literally, as FINRA means them.
        lines = [".bail on", ".mode ascii", '.separator "|" "\\n"', create]
        lines.append(f".import --skip 1 '{file}' venue_volume")
        outcome = run([shell, "-batch", str(database)], os.environ, "\n".join(lines) + "\n")
    with sqlite3.connect(database) as connection:
        (imported,) = connection.execute("SELECT count(*) FROM venue_volume").fetchone()
    connection.close()
    database.unlink()
    if imported != rows:
        raise BenchmarkError(f"SQLite imported {imported} of {rows} rows: {outcome.output}")
    return outcome.seconds


def import_by_python(database: str, file: str, create: str) -> None:
    """The baseline where the sqlite3 command is missing."""
    with sqlite3.connect(database) as connection, Path(file).open(newline="") as lines:
        connection.execute(create)
        records = csv.reader(lines, delimiter="|", quoting=csv.QUOTE_NONE)
        next(records)
        connection.executemany("INSERT INTO venue_volume VALUES (?,?,?,?,?,?,?,?)", records)
    connection.close()


def refresh(spine: str, file: Path, home: Path, rows: int) -> tuple[Outcome, float]:
    """The whole refresh as one process on a fresh home, and the MB that it left there."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SPINE_")
    }
    environment["SPINE_HOME"] = str(home)
    outcome = run([spine, "run", PIPELINE, "-p", f"file={file}", "--json"], environment)
    check_reply(outcome.output, rows)
    left = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    shutil.rmtree(home)
    return outcome, left / 1e6


def check_reply(output: str, rows: int) -> None:
    """Raise BenchmarkError unless the reply says that every row was read and accepted."""
    try:
        reply: dict[str, Any] = json.loads(output)
        metrics = reply["metrics"]
        read, accepted = metrics["rows_read"], metrics["rows_accepted"]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"spine gave no reply to go by ({error!r}): {output!r}") from error
    if reply.get("error") is not None or read != rows or accepted != rows:
        raise BenchmarkError(f"spine read {read}, accepted {accepted} of {rows} rows: {output}")


def measure(rows: int, repeats: int, spine: str, shell: str | None, folder: Path) -> Figures:
    """Measure one size: bare, indexed, refresh, and again, so that drift meets all alike."""
    file = folder / WEEK_FILE
    # In a process of its own: a child's peak memory counts from that of the parent at its start.
    writer = Path(__file__).with_name("week_file.py")
    run([sys.executable, str(writer), str(file), "--rows", str(rows)], os.environ)
    bare, indexed, refreshed = [], [], []
    for repeat in range(repeats):
        say(f"{rows:>10,} rows, repeat {repeat + 1} of {repeats}")
        bare.append(import_file(shell, file, folder, rows, key=False))
        indexed.append(import_file(shell, file, folder, rows, key=True))
        refreshed.append(refresh(spine, file, folder / "home", rows))
        say(f"    bare {bare[-1]:.2f} s, indexed {indexed[-1]:.2f} s", end=", ")
        say(f"refresh {refreshed[-1][0].seconds:.2f} s, {refreshed[-1][0].rss_mb:.0f} MB")
    megabytes = file.stat().st_size / 1e6
    file.unlink()
    return Figures(
        rows=rows,
        file_mb=megabytes,
        bare=bare,
        indexed=indexed,
        refresh=[outcome.seconds for outcome, _ in refreshed],
        refresh_cpu=[outcome.cpu for outcome, _ in refreshed],
        rss_mb=max(outcome.rss_mb for outcome, _ in refreshed),
        home_mb=max(left for _, left in refreshed),
    )


def goals(sizes: Sequence[Figures]) -> list[Goal]:
    """The promises that these sizes can tell something about."""
    found = []
    for size in sizes:
        if size.rows == GOAL_ROWS:
            found.append(Goal(f"refresh / indexed import at {size.rows:,}", GOAL_RATIO, size.ratio))
            found.append(Goal(f"peak RSS in MB at {size.rows:,}", GOAL_RSS_MB, size.rss_mb))
    for small, large in pairwise(sorted(sizes, key=lambda size: size.rows)):
        span = f"from {small.rows:,} to {large.rows:,} rows"
        slower = large.seconds_per_million / small.seconds_per_million
        larger = large.rss_mb_per_million / small.rss_mb_per_million
        found.append(Goal(f"growth of time per row {span}", GOAL_GROWTH, slower))
        found.append(Goal(f"growth of peak RSS per row {span}", GOAL_GROWTH, larger))
    return found


def spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"


def report(sizes: Sequence[Figures], baseline: str) -> str:
    """The table and the goals, as text."""
    times = ("bare s", "indexed s", "refresh s", "its CPU s")
    ratios = ("/indexed", "/bare", "RSS MB", "s per M", "RSS per M", "home MB")
    table: list[tuple[str, ...]] = [("rows", "file MB", *times, *ratios)]
    table += [
        (
            f"{size.rows:,}",
            f"{size.file_mb:.1f}",
            spread(size.bare),
            spread(size.indexed),
            spread(size.refresh),
            spread(size.refresh_cpu),
            f"{size.ratio:.2f}",
            f"{size.bare_ratio:.2f}",
            f"{size.rss_mb:.0f}",
            f"{size.seconds_per_million:.2f}",
            f"{size.rss_mb_per_million:.0f}",
            f"{size.home_mb:.0f}",
        )
        for size in sizes
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in table
    ]
    lines += ["", f"Baseline: {baseline}. Times are median (min-max)."]
    lines += [str(goal) for goal in goals(sizes)]
    if not any(size.rows == GOAL_ROWS for size in sizes):
        lines.append(f"{GOAL_ROWS:,} rows were not measured: no word on the goals set there.")
    return "\n".join(lines)


def as_json(sizes: Sequence[Figures], baseline: str) -> str:
    document = {
        "baseline": baseline,
        "machine": {
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        },
        "sizes": [
            {
                **asdict(size),
                "ratio_indexed": size.ratio,
                "ratio_bare": size.bare_ratio,
                "seconds_per_million": size.seconds_per_million,
                "rss_mb_per_million": size.rss_mb_per_million,
            }
            for size in sizes
        ],
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(sizes)],
    }
    return json.dumps(document, indent=2) + "\n"


def say(text: str, end: str = "\n") -> None:
    print(text, file=sys.stderr, end=end, flush=True)


def find_spine(given: str | None) -> str:
    """The command to measure: the one given, else of this Python's environment, else of PATH."""
    beside = Path(sys.executable).with_name("spine")
    found = given or (str(beside) if beside.exists() else shutil.which("spine"))
    if found is None:
        raise BenchmarkError("there is no command spine: install the project or give --spine PATH")
    return found


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description="Measure the weekly refresh against SQLite's own import of the same file."
    )
    made.add_argument(
        "--rows", type=int, nargs="+", default=[250_000, 1_000_000, 4_000_000], metavar="N"
    )
    made.add_argument("--quick", action="store_true", help="100000 rows only")
    made.add_argument("--repeats", type=int, default=3, metavar="N", help="default 3")
    made.add_argument("--spine", metavar="PATH", help="the command to measure")
    made.add_argument("--work", type=Path, metavar="FOLDER", help="where to put files and homes")
    made.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    made.add_argument("--import-by-python", nargs=3, help=argparse.SUPPRESS)
    return made


def main() -> int:
    given = parser().parse_args()
    if given.import_by_python:
        import_by_python(*given.import_by_python)
        return 0
    given.rows = sorted(set(given.rows))
    if min(*given.rows, given.repeats) < 1:
        parser().error("--rows and --repeats: give numbers from 1")
    shell = shutil.which("sqlite3")
    baseline = (
        f"{shell} .import"
        if shell
        else "Python's csv and executemany, as there is no command sqlite3: slower than .import"
    )
    try:
        spine = find_spine(given.spine)
        with tempfile.TemporaryDirectory(prefix="spine-bench-", dir=given.work) as folder:
            sizes = [
                measure(rows, given.repeats, spine, shell, Path(folder))
                for rows in ([100_000] if given.quick else given.rows)
            ]
    except BenchmarkError as error:
        say(f"benchmark failed: {error}")
        return 1
    print(report(sizes, baseline))
    if given.json:
        given.json.write_text(as_json(sizes, baseline))
    return 0


if __name__ == "__main__":
    sys.exit(main())
