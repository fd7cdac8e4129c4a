"""The store on Db2 keeps every promise of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from os import environ

import pytest
from db2_rig import URL_VARIABLE
from db2_schemas import connected, own_schema

from market_spine.adapters.outbound.sql.metadata import METADATA
from market_spine.adapters.outbound.sql.revisions import VERSION
from market_spine.adapters.outbound.sql.schema_core import PARTITION_LOCKS
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import SpineError
from market_spine.testing.sql_store_suite import SqlStoreSuite
from market_spine.testing.store_suite import StoreSuite


class Emptied:
    """A schema that is made once and emptied after each test: making it takes most of a test."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._schemas = ExitStack()
        self._url: str | None = None

    def url(self) -> str:
        """The URL of an empty store."""
        if self._url is None:
            schema = own_schema(self._server, drop=URL_VARIABLE in environ)
            self._url = self._schemas.enter_context(schema)
            store = SqlStore(self._url)
            store.ensure_ready()
            store.close()
        return self._url

    def empty(self) -> None:
        """Delete all rows but those of locks, which say nothing.

        Where a test has left something locked, the next one gets another.
        """
        assert self._url is not None
        try:
            with connected(self._url) as connection:
                for table in reversed(METADATA.sorted_tables):
                    if table.name not in (VERSION.name, PARTITION_LOCKS.name):
                        connection.execute(table.delete())
                connection.commit()
        except SpineError:
            self._url = None

    def close(self) -> None:
        self._schemas.close()


@pytest.fixture(scope="module")
def emptied(db2_server: str) -> Iterator[Emptied]:
    emptied = Emptied(db2_server)
    yield emptied
    emptied.close()


class TestDb2Store(StoreSuite, SqlStoreSuite):
    snapshot_reads = False
    # Who waits for locks of the emulation is refused after two seconds, and does all of it again:
    # with eight that takes minutes.
    threads = 4

    @pytest.fixture
    def store(self, emptied: Emptied) -> Iterator[SqlStore]:
        store = SqlStore(emptied.url())
        yield store
        store.close()
        emptied.empty()
