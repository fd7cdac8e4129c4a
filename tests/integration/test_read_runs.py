"""Questions about runs, on the real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application import read_runs
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


@pytest.mark.parametrize("parts", [0, 3, 4, 7])
def test_parts_come_in_the_order_in_which_they_were_made(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setattr(read_runs, "_PAGE", 4)
    made = [replace(run(number), parent="run-1") for number in range(10, 10 + parts)]
    with store.write() as work:
        work.runs.add(*reversed(made), replace(run(9), parent="run-2"))
        work.commit()
    assert list(ReadRuns(store).parts("run-1")) == made


def test_what_is_asked_and_made_while_parts_are_read_is_not_in_the_way(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_runs, "_PAGE", 2)
    reader, seen = ReadRuns(store), []
    with store.write() as work:
        work.runs.add(*(replace(run(number), parent="run-1") for number in (10, 11, 12)))
        work.commit()
    for part in reader.parts("run-1"):
        seen.append(part.id)
        assert reader.get(part.id) == part
        if len(seen) == 1:
            with store.write() as work:
                work.runs.add(replace(run(13), parent="run-1"))
                work.commit()
    assert seen == ["run-10", "run-11", "run-12", "run-13"]


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
