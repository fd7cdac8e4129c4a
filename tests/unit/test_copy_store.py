from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from copy_tools import Watching

from market_spine.adapters.outbound.system.runtime import SystemClock
from market_spine.application.copy_store import CopyReport, CopyStore
from market_spine.domain.errors import ConfigurationError, LoadError
from market_spine.ports.store_copy import Claim
from market_spine.testing.memory_copy import (
    MemoryCopySource,
    MemoryCopyTarget,
    MemoryDatabase,
    filled_database,
)

WITHOUT_SNAPSHOTS = False


def test_a_source_without_snapshots_that_stays_as_it_is_is_copied() -> None:
    given, made = filled_database(), MemoryDatabase()
    assert _copy(given, made, one_moment=WITHOUT_SNAPSHOTS).found is Claim.NEW
    assert made.state == "ready"
    assert all(frame.equals(given.rows[name]) for name, frame in made.rows.items())


@pytest.mark.parametrize("change", ["one more", "one in place of another"])
def test_a_source_without_snapshots_is_compared_again(change: str) -> None:
    """People were read before the change: orders of the new one may be among those read after."""
    given, made = filled_database(), MemoryDatabase()

    def use() -> None:
        people = given.rows["people"]
        if change == "one more":
            people = pl.concat([people, people.tail(1).with_columns(person=pl.lit("zzz"))])
        else:
            people = people.with_columns(since=pl.col("since").dt.offset_by("1us"))
        given.rows = {**given.rows, "people": people}

    with pytest.raises(LoadError, match="comparing people") as refused:
        _copy(given, made, one_moment=WITHOUT_SNAPSHOTS, at={"copying orders": use})
    assert "same command again" in str(refused.value.hint)
    with (
        pytest.raises(ConfigurationError, match="unfinished copy"),
        MemoryCopySource(made).snapshot(),
    ):
        pass
    assert _copy(given, made, one_moment=WITHOUT_SNAPSHOTS).found is Claim.UNFINISHED
    assert all(frame.equals(given.rows[name]) for name, frame in made.rows.items())


def test_a_snapshot_may_be_used_meanwhile() -> None:
    given, made = filled_database(), MemoryDatabase()
    before = given.rows

    def use() -> None:
        given.rows = {**given.rows, "people": given.rows["people"].head(1)}

    _copy(given, made, one_moment=True, at={"copying orders": use})
    assert all(frame.equals(before[name]) for name, frame in made.rows.items())


@pytest.mark.parametrize("database", [filled_database(), MemoryDatabase()])
def test_one_database_is_not_both(database: MemoryDatabase) -> None:
    with pytest.raises(ConfigurationError, match="same database"):
        _copy(database, database, one_moment=True)
    assert database.state == "ready"


def _copy(
    given: MemoryDatabase,
    made: MemoryDatabase,
    *,
    one_moment: bool,
    at: dict[str, Callable[[], None]] | None = None,
) -> CopyReport:
    """Copy, and do what is to be done ``at`` a step."""
    steps = at or {}
    watching = Watching(lambda step: steps.get(str(step), lambda: None)())
    source = MemoryCopySource(given, one_moment=one_moment)
    return CopyStore(source, MemoryCopyTarget(made), SystemClock(), watching)(batch_rows=2)
