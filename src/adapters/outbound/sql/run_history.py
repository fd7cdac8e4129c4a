"""All runs together."""

from __future__ import annotations

from datetime import datetime

from ....domain.run_statistics import Purged, StatisticsFilter, StatisticsReport
from .run_purge import purge
from .run_statistics import statistics
from .transaction import SqlTransaction


class SqlRunHistory:
    """The history as one transaction sees it."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def statistics(self, wanted: StatisticsFilter) -> StatisticsReport:
        return statistics(self._transaction, wanted)

    def purge(self, before: datetime, limit: int) -> Purged:
        return purge(self._transaction, before, limit)
