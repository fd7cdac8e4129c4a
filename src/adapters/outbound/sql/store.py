"""The store on a SQL database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from ....ports.storage import StoreStatus, UnitOfWork
from . import schema  # noqa: F401  # fills the MetaData
from .admin import SqlStoreAdmin
from .connection_limits import DEFAULT_LIMITS, ConnectionLimits
from .database import Database
from .dialects import Access
from .unit_of_work import SqlUnitOfWork


class SqlStore:
    """Units of work on the database of a URL, and the schema behind them.

    Nothing is opened before the first call; one store serves many threads.
    """

    def __init__(self, url: str, limits: ConnectionLimits = DEFAULT_LIMITS) -> None:
        self._database = Database(url, limits)
        self._admin = SqlStoreAdmin(self._database)

    @contextmanager
    def write(self) -> Iterator[UnitOfWork]:
        with self._database.transaction(Access.WRITE) as transaction:
            yield SqlUnitOfWork(transaction)

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        with self._database.transaction(Access.READ) as transaction:
            yield SqlUnitOfWork(transaction)

    @contextmanager
    def listening(self, ring: Callable[[], None]) -> Iterator[None]:
        stop = Event()
        listen = self._database.dialect.listen
        thread = Thread(target=listen, args=(ring, stop), name="queue bell", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def upgrade(self) -> StoreStatus:
        return self._admin.upgrade()

    def status(self) -> StoreStatus:
        return self._admin.status()

    def ensure_ready(self) -> None:
        self._admin.ensure_ready()

    def close(self) -> None:
        """Close all connections. The store may be used again afterwards."""
        self._database.close()
