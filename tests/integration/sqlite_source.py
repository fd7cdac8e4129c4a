"""A file of SQLite, and a source over it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import polars as pl

from market_spine.adapters.outbound.databases import DatabaseSource
from market_spine.ports.sources import LINE

ENDLESS = "with recursive r(n) as (select 1 union all select n + 1 from r) select n from r"


def run(path: Path, *statements: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        with connection:
            found = [connection.execute(statement).fetchall() for statement in statements]
    finally:
        connection.close()
    return found[-1]


def source(path: Path, query: str | None = None, **options: Any) -> DatabaseSource:
    return DatabaseSource(f"sqlite:///{path}", query=query, **options)


def read(path: Path, query: str, **options: Any) -> pl.DataFrame:
    return source(path, query, **options).fetch().frame.drop(LINE)
