from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite(
    *(
        f"market_spine.testing.store_suite_{part}"
        for part in ("runs", "captures", "rows", "evidence", "units")
    )
)

from market_spine.adapters.outbound.sql.store import SqlStore  # noqa: E402  # after the rewriting
from market_spine.testing.store_suite import StoreSuite  # noqa: E402


class TestDb2Store(StoreSuite):
    snapshot_reads = False

    @pytest.fixture
    def store(self, db2_url: str) -> Iterator[SqlStore]:
        store = SqlStore(db2_url)
        store.ensure_ready()
        yield store
        store.close()
