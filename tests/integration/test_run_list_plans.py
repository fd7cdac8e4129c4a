"""What databases read for a page of a long history: as much as the page, in either direction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from market_spine.adapters.outbound.sql import run_bounds
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.runs import RunFilter, RunState, Trigger
from market_spine.testing.store_suite_samples import NOON, a_run

RUNS = 20_000
LIMIT = 50
MOST_ROWS = 40 * LIMIT  # of a pipeline's runs one in 35 has failed
MINUTE = timedelta(minutes=1)
LATE, EARLY = NOON + RUNS * 3 // 4 * MINUTE, NOON + RUNS // 4 * MINUTE
PARENT = "run-00500"

FILTERS = [
    RunFilter(),
    RunFilter(top_level_only=True),
    RunFilter(top_level_only=True, since=EARLY, until=LATE),
    RunFilter(since=EARLY),
    RunFilter(until=LATE),
    RunFilter(since=EARLY, until=LATE),
    RunFilter(pipeline="p1"),
    RunFilter(pipeline="p1", since=EARLY, until=LATE),
    RunFilter(state=RunState.FAILED, since=EARLY),
    RunFilter(pipeline="p1", state=RunState.FAILED, until=LATE),
    RunFilter(parent=PARENT),
    RunFilter(trigger=Trigger.SCHEDULE),
]


@contextmanager
def history(url: str) -> Iterator[SqlStore]:
    """A store with many runs, a minute apart."""
    with closing(SqlStore(url)) as store:
        store.ensure_ready()
        with store.write() as unit:
            unit.runs.add(
                *(
                    a_run(
                        f"run-{number:05}",
                        pipeline=f"p{number % 7}",
                        state=RunState.FAILED if number % 5 == 0 else RunState.SUCCEEDED,
                        parent=PARENT if number % 3 and number > 500 else None,
                        trigger=Trigger.SCHEDULE if number % 2 else Trigger.COMMAND,
                        created_at=NOON + number * MINUTE,
                    )
                    for number in range(RUNS)
                )
            )
            unit.commit()
        with store._database.engine(Access.WRITE).connect() as connection:
            connection.execute(text("ANALYZE"))
            connection.commit()
        yield store


def plans(store: SqlStore, explain: str) -> Iterator[tuple[RunFilter, list[Any]]]:
    """What the database says to the statement of each page: first ones, and ones further on."""
    engine = store._database.engine(Access.READ)
    executed: list[tuple[str, Any]] = []

    def note(_: Connection, __: object, statement: str, given: Any, *___: object) -> None:
        executed.append((statement, given))

    for wanted, place, oldest_first in product(FILTERS, (None, "run-10000"), (False, True)):
        page = replace(wanted, oldest_first=oldest_first, limit=LIMIT)
        page = replace(page, after=place) if oldest_first else replace(page, before=place)
        event.listen(engine, "before_cursor_execute", note)
        with store.read() as unit:
            assert len(unit.runs.list(page)) == LIMIT
        event.remove(engine, "before_cursor_execute", note)
        statement, given = executed[-1]
        with engine.connect() as connection:
            yield page, list(connection.exec_driver_sql(f"{explain} {statement}", given))


def test_sqlite_sorts_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_bounds, "_DISORDER", 100)
    with history(f"sqlite:///{tmp_path / 'spine.db'}") as store:
        for page, plan in plans(store, "EXPLAIN QUERY PLAN"):
            steps = "; ".join(row[3] for row in plan)
            assert "TEMP B-TREE" not in steps, page
            assert "INDEX" in steps, page
            if page.since or page.until or page.before or page.after:
                assert "run_id" in steps, f"{page} begins at the end of the index: {steps}"


def test_postgres_reads_no_more_than_a_page(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_bounds, "_DISORDER", 100)
    with history(postgres_url) as store:
        for page, [(plan,)] in plans(store, "EXPLAIN (ANALYZE, FORMAT JSON)"):
            assert most_rows(plan[0]["Plan"]) <= MOST_ROWS, (page, plan)


def most_rows(node: dict[str, Any]) -> float:
    """The most rows that a part of a plan has read."""
    own: float = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node[
        "Actual Loops"
    ]
    return max([own, *map(most_rows, node.get("Plans", []))])
