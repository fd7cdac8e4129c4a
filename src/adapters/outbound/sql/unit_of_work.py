"""One transaction over all stores."""

from __future__ import annotations

from ....domain.captures import Partition
from .access_store import SqlAccessStore
from .backfill_store import SqlBackfillStore
from .capture_store import SqlCaptureStore
from .manifest_store import SqlManifestStore
from .quality_store import SqlQualityStore
from .reject_store import SqlRejectStore
from .row_store import SqlRowStore
from .run_history import SqlRunHistory
from .run_journal import SqlRunJournal
from .run_queue import SqlRunQueue
from .run_store import SqlRunStore
from .transaction import SqlTransaction


class SqlUnitOfWork:
    """The stores of one transaction. It is over once it is committed or left."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction
        self.runs = SqlRunStore(transaction)
        self.queue = SqlRunQueue(transaction)
        self.journal = SqlRunJournal(transaction)
        self.history = SqlRunHistory(transaction)
        self.backfills = SqlBackfillStore(transaction)
        self.captures = SqlCaptureStore(transaction)
        self.rows = SqlRowStore(transaction)
        self.rejects = SqlRejectStore(transaction)
        self.quality = SqlQualityStore(transaction)
        self.manifest = SqlManifestStore(transaction)
        self.access = SqlAccessStore(transaction)

    def lock(self, partition: Partition) -> None:
        self._transaction.dialect.lock_partition(self._transaction.writing, partition)

    def limit_waiting(self, seconds: float) -> None:
        self._transaction.dialect.limit_waiting(self._transaction.writing, seconds)

    def limit_silence(self, seconds: float) -> None:
        self._transaction.dialect.limit_silence(self._transaction.writing, seconds)

    def commit(self) -> None:
        self._transaction.commit()
