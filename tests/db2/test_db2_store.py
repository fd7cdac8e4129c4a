from __future__ import annotations

from collections.abc import Iterator

import pytest

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.testing.sql_store_suite import SqlStoreSuite
from market_spine.testing.store_suite import StoreSuite


class TestDb2Store(StoreSuite, SqlStoreSuite):
    snapshot_reads = False

    @pytest.fixture
    def store(self, db2_url: str) -> Iterator[SqlStore]:
        store = SqlStore(db2_url)
        store.ensure_ready()
        yield store
        store.close()
