"""Measure the bulk load alone: a polars frame into a table, against the database's own way.

    python benchmarks/bulk_load.py

On PostgreSQL the peer is a raw COPY of the same rows, as text that is ready, into the same table;
on SQLite a bare executemany of the same rows, as tuples that are ready, into the same table. Both
take turns. Prints medians as ratios; a missed goal is a result, not a failure.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from statistics import median

import polars as pl
from postgres_place import connect, fresh_schema, postgres
from refresh_week import Goal, say, spread

from market_spine.adapters.outbound.sql.database import Database
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.metadata import METADATA
from market_spine.adapters.outbound.sql.sqlite_values import stored_frame
from market_spine.adapters.outbound.sql.store import SqlStore

TABLE = "finra_otc_venue_volume"
CONSTANTS = {"capture_key": 1}
GOALS = {"postgresql": 1.2, "sqlite": 1.1}


def volume(rows: int) -> pl.DataFrame:
    """Rows as the store keeps them, in the order of their key."""
    number = pl.int_range(rows, dtype=pl.Int64)
    letters = [(number // 16 // 26**place % 26 + 65).cast(pl.UInt8) for place in (3, 2, 1, 0)]
    return pl.select(
        symbol=pl.concat_str(
            [
                item.replace_strict(
                    list(range(65, 91)), [chr(c) for c in range(65, 91)], return_dtype=pl.String
                )
                for item in letters
            ]
        ),
        mpid=pl.format("M{}", number % 16 + 100),
        venue_name_no=number % 16 + 1,
        issue_name_no=number // 16 % 30_000 + 1,
        shares=(number * 7919 % 10_000_000 * pl.lit(Decimal("0.25"))).cast(pl.Decimal(18, 6)),
        trades=number % 1000,
        last_update_date=pl.lit(date(2025, 12, 1)),
    ).sort("symbol", "mpid")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def make_schema(url: str) -> None:
    with closing(SqlStore(url)) as store:
        store.ensure_ready()


def ours(url: str, frame: pl.DataFrame) -> float:
    """Seconds of the store's own bulk load, until it is committed."""
    make_schema(url)
    database = Database(url)
    with database.engine(Access.WRITE).connect() as connection:

        def load() -> None:
            with connection.begin():
                database.dialect.insert_frame(connection, METADATA.tables[TABLE], CONSTANTS, frame)

        seconds = timed(load)
    database.close()
    return seconds


def on_postgres(frame: pl.DataFrame, folder: Path, repeats: int) -> Goal:
    """COPY of text that is ready against the store's own way from the frame."""
    text = frame.select(pl.lit(1).alias("capture_key"), pl.all())
    ready = text.write_csv(include_header=False).encode()
    columns = ", ".join(text.columns)
    raw, own = [], []
    with postgres(folder) as server:
        for _ in range(repeats):
            url = fresh_schema(server)
            make_schema(url)
            with connect(server) as connection:

                def copy(connection: object = connection) -> None:
                    statement = f"COPY {TABLE} ({columns}) FROM STDIN (FORMAT csv)"
                    with connection.cursor().copy(statement) as writer:
                        for start in range(0, len(ready), 1 << 20):
                            writer.write(ready[start : start + (1 << 20)])

                raw.append(timed(copy))
            own.append(ours(fresh_schema(server), frame))
    return said("postgresql", "raw COPY", raw, own)


def on_sqlite(frame: pl.DataFrame, folder: Path, repeats: int) -> Goal:
    """executemany of tuples that are ready against the store's own way from the frame."""
    rows = [(1, *row) for row in stored_frame(frame).iter_rows()]
    names = ", ".join(("capture_key", *frame.columns))
    marks = ", ".join("?" * (frame.width + 1))
    raw, own = [], []
    for repeat in range(repeats):
        for name, times in (("raw", raw), ("own", own)):
            path = folder / f"{name}-{repeat}.db"
            if name == "own":
                times.append(ours(f"sqlite:///{path}", frame))
            else:
                make_schema(f"sqlite:///{path}")
                with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                    connection.execute("PRAGMA synchronous = FULL")

                    def insert(connection: sqlite3.Connection = connection) -> None:
                        connection.execute("BEGIN IMMEDIATE")
                        connection.executemany(
                            f"INSERT INTO {TABLE} ({names}) VALUES ({marks})", rows
                        )
                        connection.execute("COMMIT")

                    times.append(timed(insert))
            for file in folder.glob(f"{name}-{repeat}.db*"):
                file.unlink()
    return said("sqlite", "bare executemany", raw, own)


def said(backend: str, peer: str, raw: list[float], own: list[float]) -> Goal:
    print(f"{backend}: {peer} {spread(raw)} s, the store's bulk load {spread(own)} s")
    return Goal(f"{backend}, bulk load / {peer}", GOALS[backend], median(own) / median(raw))


def main() -> int:
    made = argparse.ArgumentParser(description="Bulk load alone against the database's own way.")
    made.add_argument("--rows", type=int, default=1_000_000, metavar="N")
    made.add_argument("--repeats", type=int, default=5, metavar="N", help="default 5")
    given = made.parse_args()
    say(f"{given.rows:,} rows, {given.repeats} repeats")
    frame = volume(given.rows)
    with tempfile.TemporaryDirectory(prefix="spine-bench-") as folder:
        found = [
            on_postgres(frame, Path(folder), given.repeats),
            on_sqlite(frame, Path(folder), given.repeats),
        ]
    print("\n".join(map(str, found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
