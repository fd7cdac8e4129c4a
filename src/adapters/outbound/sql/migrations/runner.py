"""Runs the revisions that a database lacks, in the transaction of the caller.

Alembic's own command looks tables up by reflection and manages transactions itself; neither is
the same on every database. Revisions are ordinary Alembic ones, and their numbers are noted where
Alembic notes them.
"""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert
from sqlalchemy.schema import CreateTable

from ..revisions import HEAD

VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False, primary_key=True),
)


def script_directory() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))


def migrate(connection: Connection, found: str | None) -> None:
    """Bring the schema from revision ``found`` (None: there is none yet) to the newest."""
    if found is None:
        connection.execute(CreateTable(VERSION))
    pending = list(script_directory().iterate_revisions(HEAD, found or "base"))
    with Operations.context(MigrationContext.configure(connection)):
        for revision in reversed(pending):
            revision.module.upgrade()
    connection.execute(delete(VERSION))
    connection.execute(insert(VERSION), {"version_num": HEAD})
