from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from market_spine.ports.store_copy import CopySource
from market_spine.testing.copy_suite import AnotherHand, CopySuite
from market_spine.testing.memory_copy import (
    MemoryCopySource,
    MemoryCopyTarget,
    MemoryDatabase,
    filled_database,
)
from market_spine.testing.sql_copy_suite import SqlCopySuite


class TestSqliteToSqlite(SqlCopySuite):
    @pytest.fixture
    def source_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'source.db'}"

    @pytest.fixture
    def target_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'target.db'}"


class TestSqliteToPostgres(SqlCopySuite):
    @pytest.fixture
    def source_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'source.db'}"

    @pytest.fixture
    def target_url(self, postgres_url: str) -> str:
        return postgres_url


class TestPostgresToSqlite(SqlCopySuite):
    @pytest.fixture
    def source_url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def target_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'target.db'}"


class TestMemoryCopy(CopySuite):
    @pytest.fixture
    def database(self) -> MemoryDatabase:
        return filled_database()

    @pytest.fixture
    def source(self, database: MemoryDatabase) -> CopySource:
        return MemoryCopySource(database)

    @pytest.fixture
    def use(self, database: MemoryDatabase) -> Callable[[], None]:
        more = pl.DataFrame({"person": ["new"]}).select(
            "person", boss=pl.lit(None, pl.String), since=pl.lit(None, pl.Datetime("us"))
        )
        return lambda: database.add("people", more)

    @pytest.fixture
    def empty(self) -> MemoryDatabase:
        return MemoryDatabase()

    @pytest.fixture
    def another_hand(self, empty: MemoryDatabase) -> AnotherHand:
        return lambda: MemoryCopyTarget(empty)

    @pytest.fixture
    def copied(self, empty: MemoryDatabase) -> CopySource:
        return MemoryCopySource(empty)


def test_the_suite_has_cases() -> None:
    assert len([name for name in dir(CopySuite) if name.startswith("test_")]) > 10
