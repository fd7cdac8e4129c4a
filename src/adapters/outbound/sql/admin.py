"""The schema behind the store: made, brought up to date, looked at."""

from __future__ import annotations

import time

from sqlalchemy import Connection, select

from ....domain.errors import ConfigurationError
from ....ports.storage import StoreStatus
from .database import Database
from .dialects import Access, Space
from .revisions import HEAD, VERSION, require_current, require_known


class SqlStoreAdmin:
    """Any number of processes may call any of this at the same time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def upgrade(self) -> StoreStatus:
        dialect = self._database.dialect
        self._look()
        dialect.prepare()
        with self._database.engine(Access.CREATE).begin() as connection:
            dialect.lock_schema(connection)
            # Only now is it certain that no other process is changing the schema.
            found = self._revision(connection)
            if found is not None:
                require_known(found, dialect.location)
            if found != HEAD:
                from .migrations.runner import migrate  # noqa: PLC0415  # loads Alembic

                migrate(connection, found, noted=dialect.has_table(connection, VERSION.name))
        return self.status()

    def status(self) -> StoreStatus:
        dialect = self._database.dialect
        version, revision, space, latency = "", None, Space(), 0.0
        if dialect.exists():
            with self._database.connect(Access.READ) as connection:
                started = time.perf_counter()
                version = dialect.server_version(connection)
                latency = time.perf_counter() - started
                revision = self._revision(connection)
                space = dialect.space(connection)
        return StoreStatus(
            backend=dialect.backend,
            location=dialect.location,
            server_version=version,
            revision=revision,
            expected_revision=HEAD,
            latency=latency,
            used=space.used,
            free=space.free,
            connections=space.connections,
            connection_limit=space.connection_limit,
            pool_size=dialect.pool_size,
            advice=_advice(revision, dialect.location),
        )

    def ensure_ready(self) -> None:
        revision = self._look()
        if revision is None:
            self.upgrade()
        else:
            require_current(revision, self._database.dialect.location)

    def _look(self) -> str | None:
        """The revision, without changing anything, not even a file that is not ours."""
        if not self._database.dialect.exists():
            return None
        with self._database.connect(Access.READ) as connection:
            return self._revision(connection)

    def _revision(self, connection: Connection) -> str | None:
        dialect = self._database.dialect
        # In this order: where a reader sees no single moment, another process may just make ours.
        anything = dialect.has_table(connection, None)
        if dialect.has_table(connection, VERSION.name):
            # Another process may be holding it while it changes the schema.
            return dialect.patiently(
                lambda: connection.execute(select(VERSION.c.version_num)).scalar()
            )
        if anything:
            raise ConfigurationError(
                f"the database {dialect.location} holds tables of something else",
                hint="give Market Spine a database of its own",
            )
        return None


def _advice(revision: str | None, location: str) -> str | None:
    """What to do about a schema of that revision."""
    try:
        require_current(revision or HEAD, location)
    except ConfigurationError as error:
        return error.hint
    return None
