"""A schema on a PostgreSQL of our own, and what is asked of the errors that it gives."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy import URL

from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.database import Database
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category, SpineError
from market_spine.domain.runs import RunFilter

PASSWORD = "correct-horse-7"
ROW_DATA = "ZVZZT-9"
SOON = ConnectionLimits(busy_timeout=0.2, pool_size=1, pool_timeout=0.2, statement_timeout=5)
RETRYABLE = {Category.TRANSIENT, Category.DEPENDENCY, Category.TIMEOUT}


@dataclass(frozen=True, slots=True)
class Place:
    """An empty schema on a server of our own, where roles and rules may be changed."""

    url: URL

    @property
    def name(self) -> str:
        return str(self.url.query["options"]).rpartition("search_path=")[2]

    def as_role(self, role: str, **changes: str) -> str:
        url = self.url.set(username=role, password=changes.pop("password", None))
        return url.update_query_dict(changes).render_as_string(hide_password=False)

    def execute(self, *statements: str) -> None:
        plain = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def role(self, name: str, options: str = "") -> Iterator[str]:
        """A role that may log in, and nothing more; the URL of the schema for it."""
        self.execute(f"CREATE ROLE {name} LOGIN {options}")
        try:
            yield self.as_role(name)
        finally:
            self.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def raised(provoke: Callable[[], object]) -> SpineError:
    """The typed error; the server's sentences about rows do not stand in it."""
    with pytest.raises(SpineError) as caught:
        provoke()
    error = caught.value
    assert ROW_DATA not in str(error.to_dict()), "the error tells a row"
    assert PASSWORD not in str(error.to_dict()) + "".join(traceback.format_exception(error))
    return error


def check(error: SpineError, fault: str, category: Category, hint: str) -> None:
    assert error.context.metadata.get("fault") == fault, repr(error)
    assert error.category is category, repr(error)
    assert error.retryable is (category in RETRYABLE)
    assert "postgresql://" in error.message
    assert hint in str(error.hint)
    assert SpineError.from_dict(error.to_dict()).to_dict() == error.to_dict()


def reading(store: SqlStore) -> Callable[[], object]:
    def read() -> None:
        with store.read() as unit:
            unit.runs.list(RunFilter())

    return read


def opening(url: str, limits: ConnectionLimits = SOON) -> SpineError:
    store = SqlStore(url, limits)
    try:
        return raised(store.status)
    finally:
        store.close()


def execute(place: Place, statement: str, limits: ConnectionLimits = SOON) -> None:
    database = Database(place.as_role("postgres"), limits)
    try:
        with database.connect(Access.WRITE) as connection:
            connection.exec_driver_sql(statement).close()
    finally:
        database.close()
