"""The suite of copies between SQL databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ..adapters.outbound.sql.connection_limits import ConnectionLimits
from ..adapters.outbound.sql.copying import SqlCopySource, SqlCopyTarget
from ..adapters.outbound.sql.store import SqlStore
from ..domain.errors import LoadError
from ..ports.store_copy import Claim, CopySource, CopyTarget
from .copy_sample import fill_store, use_store
from .copy_suite import AnotherHand, CopySuite
from .store_suite_samples import a_run


class SqlCopySuite(CopySuite):
    """Subclass it as ``Test...`` and give fixtures ``source_url`` and ``target_url``: two databases
    with nothing in them."""

    def test_a_service_that_was_there_before_writes_nothing_between_the_last_look_and_the_end(
        self, target_url: str, another_hand: AnotherHand, copied: CopySource
    ) -> None:
        service = SqlStore(target_url, ConnectionLimits(busy_timeout=0.3))
        try:
            service.ensure_ready()
            target = another_hand()
            assert target.claim() is Claim.NEW
            with target.finishing() as contents:
                assert contents.count("runs") == 0
                with pytest.raises(LoadError, match="locked"):
                    _add_run(service)
                assert contents.count("runs") == 0
            with copied.snapshot() as reader:
                assert reader.count("runs") == 0
            _add_run(service)  # now it is a store again
        finally:
            service.close()

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


def _add_run(store: SqlStore) -> None:
    with store.write() as unit:
        unit.runs.add(a_run("late"))
        unit.commit()
