"""The suite of copies between SQL databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ..adapters.outbound.sql.copying import SqlCopySource, SqlCopyTarget
from ..adapters.outbound.sql.store import SqlStore
from ..ports.store_copy import CopySource, CopyTarget
from .copy_sample import fill_store, use_store
from .copy_suite import AnotherHand, CopySuite


class SqlCopySuite(CopySuite):
    """Subclass it as ``Test...`` and give fixtures ``source_url`` and ``target_url``: two databases
    with nothing in them."""

    @pytest.fixture
    def store(self, source_url: str) -> Iterator[SqlStore]:
        store = SqlStore(source_url)
        store.ensure_ready()
        fill_store(store)
        yield store
        store.close()

    @pytest.fixture
    def source(self, store: SqlStore, source_url: str) -> Iterator[CopySource]:
        assert store.status().current
        source = SqlCopySource(source_url)
        yield source
        source.close()

    @pytest.fixture
    def use(self, store: SqlStore) -> Callable[[], None]:
        return lambda: use_store(store)

    @pytest.fixture
    def another_hand(self, target_url: str) -> Iterator[AnotherHand]:
        made: list[SqlCopyTarget] = []

        def make() -> CopyTarget:
            made.append(SqlCopyTarget(target_url))
            return made[-1]

        yield make
        for target in made:
            target.close()

    @pytest.fixture
    def copied(self, target_url: str) -> Iterator[CopySource]:
        source = SqlCopySource(target_url)
        yield source
        source.close()
