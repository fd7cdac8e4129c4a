"""Locks of the queue, by name: held until the transaction ends, as those of partitions are."""

from __future__ import annotations

from datetime import date

from ....domain.captures import Partition
from .transaction import SqlTransaction

# No domain of data has these names.
_DOMAIN = "spine.queue"
_NO_DAY = date(1970, 1, 1)
# Of the digest so many digits name the lock. Keys without number would leave a row each on Db2,
# and on PostgreSQL one transaction that queues many of them would use up the room for locks.
_DIGITS = 3


def lock_limits(transaction: SqlTransaction) -> None:
    """Let one claim at a time count what runs."""
    _lock(transaction, "limits")


def lock_key(transaction: SqlTransaction, digest: str) -> None:
    """Let one transaction at a time change who has the key, and those it shares the lock with."""
    _lock(transaction, f"key {digest[:_DIGITS]}")


def _lock(transaction: SqlTransaction, name: str) -> None:
    partition = Partition(_DOMAIN, _NO_DAY, name)
    transaction.dialect.lock_partition(transaction.writing, partition)
