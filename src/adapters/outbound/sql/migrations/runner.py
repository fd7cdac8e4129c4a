"""Runs the revisions that a database lacks, in the transaction of the caller.

Alembic's own command looks tables up by reflection and manages transactions itself; neither is
the same on every database. Revisions are ordinary Alembic ones, and their numbers are noted where
Alembic notes them.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, delete, insert
from sqlalchemy.schema import CreateTable

from ..revisions import VERSION
from . import (
    db2_impl,  # noqa: F401  # makes Db2 known to Alembic
    versions,
)


@dataclass(frozen=True, slots=True)
class Revision:
    """One step of the schema: its number, the number before it, and what makes it."""

    number: str
    after: str | None
    upgrade: Callable[[], None]


def all_revisions() -> tuple[Revision, ...]:
    """Every revision in the package ``versions``, oldest first: by the names of their files."""
    names = sorted(item.name for item in pkgutil.iter_modules(versions.__path__))
    modules = [import_module(f"{versions.__name__}.{name}") for name in names]
    return tuple(
        Revision(module.revision, module.down_revision, module.upgrade) for module in modules
    )


def migrate(connection: Connection, found: str | None, *, noted: bool = False) -> None:
    """Bring the schema from revision ``found`` (None: there is none yet) to the newest.

    ``noted`` says that the table of the revision is there, though it may be empty.
    """
    if found is None and not noted:
        connection.execute(CreateTable(VERSION))
    revisions = all_revisions()
    done = 0 if found is None else [item.number for item in revisions].index(found) + 1
    with Operations.context(MigrationContext.configure(connection)):
        for revision in revisions[done:]:
            revision.upgrade()
    connection.execute(delete(VERSION))
    connection.execute(insert(VERSION), {"version_num": revisions[-1].number})
