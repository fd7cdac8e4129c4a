"""Reading a database takes as much memory for many rows as for few."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from sqlite_source import ENDLESS

SCRIPT = """
import resource, sys
from market_spine.adapters.outbound.databases import DatabaseSource
source = DatabaseSource(sys.argv[1], query=sys.argv[2])
assert sum(batch.rows for batch in source.stream()) == int(sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_stays_flat_on_postgresql(postgres_url: str) -> None:
    query = "select n, 'S' || n as s, n / 8.0 as x, now() + n * interval '1 us' as at"
    few, many = (
        peak_megabytes(postgres_url, f"{query} from generate_series(1, {rows}) n", rows)
        for rows in (200_000, 2_000_000)
    )
    assert many - few < 60, f"{few:.0f} MB for 200,000 rows, {many:.0f} MB for 2,000,000"


def test_memory_stays_flat_on_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "some data.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table v (n int)")
    query = f"select n, 'S' || n as s, n / 8.0 as x from ({ENDLESS} limit "
    few, many = (
        peak_megabytes(f"sqlite:///{path}", f"{query}{rows})", rows)
        for rows in (200_000, 1_000_000)
    )
    assert many - few < 40, f"{few:.0f} MB for 200,000 rows, {many:.0f} MB for 1,000,000"


def peak_megabytes(url: str, query: str, rows: int) -> float:
    command = [sys.executable, "-c", SCRIPT, url, query, str(rows)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
