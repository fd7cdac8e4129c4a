"""Questions about runs, on the real store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application.read_runs import ReadRuns
from market_spine.domain.captures import Capture, LineageEdge, Partition
from market_spine.domain.errors import Category, ValidationError
from market_spine.domain.runs import Run, RunFilter, RunState

NOON = datetime(2025, 12, 15, 12, tzinfo=UTC)
WEEK = Partition("finra.otc_transparency", date(2025, 11, 10), "OTC")


def run(number: int) -> Run:
    return Run(f"run-{number}", "demo.load", {}, RunState.PENDING, created_at=NOON)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")
    made.upgrade()
    with made.write() as work:
        for number in (1, 2, 3):
            work.runs.add(run(number))
        work.commit()
    yield made
    made.close()


def test_a_run_is_got_by_its_id(store: SqlStore) -> None:
    assert ReadRuns(store).get("run-2") == run(2)


def test_runs_are_listed_newest_first(store: SqlStore) -> None:
    assert list(ReadRuns(store).list(RunFilter(limit=2))) == [run(3), run(2)]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(store: SqlStore, limit: int) -> None:
    with pytest.raises(ValidationError, match=f"limit is {limit}"):
        ReadRuns(store).list(RunFilter(limit=limit))


@pytest.mark.parametrize("ask", ["get", "lineage"])
def test_a_run_that_is_not_there_is_named(store: SqlStore, ask: str) -> None:
    with pytest.raises(ValidationError, match="no run run-9") as raised:
        getattr(ReadRuns(store), ask)("run-9")

    assert raised.value.category is Category.VALIDATION
    assert raised.value.context.metadata == {"resource": "runs/run-9"}


def test_lineage_tells_what_a_run_read_and_wrote(store: SqlStore) -> None:
    capture = Capture(
        id="capture-1",
        partition=WEEK,
        digest="0" * 64,
        captured_at=NOON,
        source_updated_on=None,
        source_name="week.csv",
        source_type="file",
        source_options={},
        run="run-1",
        bytes=0,
    )
    with store.write() as work:
        work.captures.add(capture)
        work.manifest.link([LineageEdge("run-1", "capture-1", "OUTPUT")])
        work.commit()

    [edge] = ReadRuns(store).lineage("run-1")

    assert (edge.run, edge.capture, edge.role) == ("run-1", "capture-1", "OUTPUT")
    assert list(ReadRuns(store).lineage("run-2")) == []
