"""What transactions on Db2 hold: rows, and partitions by a row of ``partition_locks`` each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Update, insert, literal_column, update

from ....domain.captures import Partition
from ....domain.errors import ConflictError, SpineError
from .conflicts import note_conflict
from .database_faults import Fault
from .db2_errors import is_locked_out
from .dialects import T
from .schema_core import PARTITION_LOCKS

_ROLLED_BACK = "spine_rolled_back"
_HOLDS = "spine_holds"
# In seconds, where a server refuses a lock at once instead of waiting for it.
_PAUSE = 0.05
_AGAIN = "nothing of it was kept: do the whole work again"


def note_begin(connection: Connection) -> None:
    """A transaction begins, which holds nothing yet."""
    connection.info.pop(_ROLLED_BACK, None)
    connection.info.pop(_HOLDS, None)


def note_change(connection: Connection) -> None:
    """Something was changed: the transaction holds it."""
    connection.info[_HOLDS] = True


def note_end(connection: Connection) -> None:
    """The database itself has rolled back what was begun."""
    if not connection.invalidated:
        connection.info[_ROLLED_BACK] = True


def goes_on(connection: Connection) -> bool:
    """False when the database itself has rolled back what was begun."""
    return not connection.invalidated and _ROLLED_BACK not in connection.info


class Db2Locks:
    """The locks of one database, for which nobody waits longer than ``patience`` seconds.

    ``aside`` opens a transaction on a connection of its own.
    """

    def __init__(
        self,
        location: str,
        patience: float,
        aside: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._location = location
        self._patience = patience
        self._aside = aside
        self._not_added: set[Partition] = set()

    def patiently(self, work: Callable[[], T]) -> T:
        """What ``work`` answers, done again while locks last and patience does."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return work()
            except SpineError as error:
                if not _locked_out(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    def hold(
        self, connection: Connection, same: Update, values: Mapping[str, Any] | None = None
    ) -> int:
        """Hold the rows that a statement changes; how many they are."""
        if _HOLDS not in connection.info:
            return self.patiently(lambda: connection.execute(same, values).rowcount)
        try:
            return connection.execute(same, values).rowcount
        except SpineError as error:
            if not _locked_out(error):
                raise
            # Some members of the family have undone all that was done before as well, in silence.
            note_end(connection)
            conflict = ConflictError(
                f"this unit of work waited too long for what others hold in {self._location}",
                hint=_AGAIN,
                cause=error,
            )
            raise note_conflict(connection, conflict) from error

    def lock(self, connection: Connection, partition: Partition) -> None:
        """Hold the row of the partition, which is made where there is none yet."""
        columns = PARTITION_LOCKS.c
        key = {
            "domain_name": partition.domain,
            "period_date": partition.period,
            "segment": partition.segment,
        }
        take = (
            update(PARTITION_LOCKS)
            .where(*(columns[name] == value for name, value in key.items()))
            .values(taken=columns.taken + literal_column("1"))
        )
        if partition in self._not_added and self._add(key):
            self._not_added.discard(partition)
        held_before = _HOLDS in connection.info
        if self.hold(connection, take):
            return
        self._add(key)
        if not held_before:
            connection.info.pop(_HOLDS, None)
        if self.hold(connection, take):
            return
        # To look for the row may have locked its place: the next time it is added first.
        self._not_added.add(partition)
        conflict = ConflictError(
            f"the lock of {partition} could not be made in {self._location}, where others wait",
            hint=_AGAIN,
        )
        raise note_conflict(connection, conflict)

    def _add(self, key: Mapping[str, Any]) -> bool:
        """Add the row in a transaction of its own: in ours, others could not see it and wait.

        Whether it is there now.
        """
        try:
            with self._aside() as connection:
                connection.execute(insert(PARTITION_LOCKS), {**key, "taken": 0})
        except SpineError as error:
            fault = error.context.metadata.get("fault")
            if fault not in (Fault.UNIQUE, Fault.LOCK_TIMEOUT):
                raise
            return bool(fault == Fault.UNIQUE)
        return True


def _locked_out(error: SpineError) -> bool:
    return error.__cause__ is not None and is_locked_out(error.__cause__)
