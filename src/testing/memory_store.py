"""A store in memory with the semantics of the SQL stores: for tests, and for trying things out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from ..domain.captures import Partition
from ..ports.storage import StoreStatus, UnitOfWork
from .memory_store_access import MemoryAccessStore
from .memory_store_backfills import MemoryBackfillStore
from .memory_store_captures import MemoryCaptureStore, MemoryManifestStore
from .memory_store_history import MemoryRunHistory
from .memory_store_journal import MemoryRunJournal
from .memory_store_queue import MemoryRunQueue
from .memory_store_rows import MemoryQualityStore, MemoryRejectStore, MemoryRowStore
from .memory_store_runs import MemoryRunStore
from .memory_store_state import MemoryState, MemoryTransaction

_REVISION = "memory"


class MemoryUnitOfWork:
    """The stores of one transaction. It is over once it is committed or left."""

    def __init__(self, store: MemoryStore, transaction: MemoryTransaction) -> None:
        self._store = store
        self._transaction = transaction
        self.runs = MemoryRunStore(transaction)
        self.queue = MemoryRunQueue(transaction, store.clock)
        self.journal = MemoryRunJournal(transaction)
        self.history = MemoryRunHistory(transaction)
        self.backfills = MemoryBackfillStore(transaction)
        self.captures = MemoryCaptureStore(transaction)
        self.rows = MemoryRowStore(transaction)
        self.rejects = MemoryRejectStore(transaction)
        self.quality = MemoryQualityStore(transaction)
        self.manifest = MemoryManifestStore(transaction)
        self.access = MemoryAccessStore(transaction)

    def lock(self, partition: Partition) -> None:
        del partition
        _ = self._transaction.writing

    def limit_waiting(self, seconds: float) -> None:
        del seconds
        _ = self._transaction.writing

    def limit_silence(self, seconds: float) -> None:
        del seconds
        _ = self._transaction.writing

    def commit(self) -> None:
        self._store.publish(self._transaction.writing)
        self._transaction.close()


class MemoryStore:
    """Implements Store and StoreAdmin for one process; its content ends with the object.

    One unit of work writes at a time, others wait for it. Readers see the last commit. Leases are
    judged by the time of ``clock``, which a test may let pass as it likes.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self._state = MemoryState()
        self._writer = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @contextmanager
    def write(self) -> Iterator[UnitOfWork]:
        with self._writer:
            transaction = MemoryTransaction(self._state.copy(), writable=True)
            try:
                yield MemoryUnitOfWork(self, transaction)
            finally:
                transaction.close()

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        transaction = MemoryTransaction(self._state, writable=False)
        try:
            yield MemoryUnitOfWork(self, transaction)
        finally:
            transaction.close()

    @contextmanager
    def listening(self, ring: Callable[[], None]) -> Iterator[None]:
        """Ring at each commit, in the thread that commits."""
        self._listeners.append(ring)
        try:
            yield
        finally:
            self._listeners.remove(ring)

    def publish(self, state: MemoryState) -> None:
        """Make ``state`` what readers see from now on; called by a unit of work that commits."""
        self._state = state
        for ring in tuple(self._listeners):
            ring()

    def upgrade(self) -> StoreStatus:
        return self.status()

    def status(self) -> StoreStatus:
        return StoreStatus("memory", "memory", "", _REVISION, _REVISION, latency=0.0)

    def ensure_ready(self) -> None:
        """Nothing to do: there is no schema to create."""

    def close(self) -> None:
        """Nothing to do: there are no connections."""
