"""A partition is locked by one unit of work at a time, whatever became of the row that locks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from db2_schemas import connected
from sqlalchemy import func, select

from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.schema_core import PARTITION_LOCKS
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category, ConflictError, LoadError
from market_spine.testing.store_suite_samples import OTC


@pytest.fixture
def stores(db2_url: str) -> Iterator[tuple[SqlStore, SqlStore]]:
    """Two processes' worth of one store, of which each has its own connections."""
    one, other = SqlStore(db2_url), SqlStore(db2_url, ConnectionLimits(busy_timeout=1))
    one.upgrade()
    with connected(db2_url) as connection:
        connection.execute(PARTITION_LOCKS.delete())
        connection.commit()
    yield one, other
    one.close()
    other.close()


def rows(url: str) -> int:
    """Of how many partitions a lock was ever made."""
    with connected(url) as connection:
        return connection.execute(select(func.count()).select_from(PARTITION_LOCKS)).scalar_one()


def lock(store: SqlStore, stack: ExitStack) -> None:
    """Lock the partition until the stack is closed, as often as that is a matter of chance."""
    for attempt in range(5):
        unit = ExitStack()
        try:
            unit.enter_context(store.write()).lock(OTC)
        except ConflictError:
            unit.close()
            assert attempt < 4, "the lock is never made"
        else:
            stack.push(unit)
            return


def keeps_out(one: SqlStore, other: SqlStore) -> None:
    with ExitStack() as stack:
        lock(one, stack)
        with other.write() as unit, pytest.raises(LoadError) as refused:
            unit.lock(OTC)
    assert refused.value.category is Category.TRANSIENT


def test_the_first_lock_of_a_partition_keeps_others_out(
    stores: tuple[SqlStore, SqlStore], db2_url: str
) -> None:
    one, other = stores
    keeps_out(one, other)
    assert rows(db2_url) == 1
    with ExitStack() as stack:
        lock(other, stack)


def test_a_lock_whose_row_was_deleted_keeps_others_out(
    stores: tuple[SqlStore, SqlStore], db2_url: str
) -> None:
    one, other = stores
    with ExitStack() as stack:
        lock(one, stack)
    with connected(db2_url) as connection:
        connection.execute(PARTITION_LOCKS.delete())
        connection.commit()
    keeps_out(one, other)
    assert rows(db2_url) == 1
