from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.testing.bell_suite import BellSuite
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.sql_store_suite import SqlStoreSuite
from market_spine.testing.store_suite import StoreSuite


class TestSqliteStore(StoreSuite, SqlStoreSuite, BellSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqlStore]:
        store = SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")
        store.ensure_ready()
        yield store
        store.close()


class TestPostgresStore(StoreSuite, SqlStoreSuite, BellSuite):
    @pytest.fixture
    def store(self, postgres_url: str) -> Iterator[SqlStore]:
        store = SqlStore(postgres_url)
        store.ensure_ready()
        yield store
        store.close()


class TestMemoryStore(StoreSuite, BellSuite):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


def test_the_suite_has_cases() -> None:
    assert len([name for name in dir(StoreSuite) if name.startswith("test_")]) > 200
