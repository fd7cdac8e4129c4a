from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, create_engine

from market_spine.adapters.outbound.sql import migrations
from market_spine.adapters.outbound.sql.migrations.runner import all_revisions, migrate
from market_spine.adapters.outbound.sql.revisions import (
    HEAD,
    REVISIONS,
    VERSION,
    require_current,
    require_known,
)
from market_spine.adapters.outbound.sql.schema import METADATA
from market_spine.domain.errors import ConfigurationError


@pytest.fixture
def migrated(tmp_path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        migrate(connection, None)
    return engine


def test_the_revisions_in_the_folder_are_those_that_are_known() -> None:
    revisions = all_revisions()
    assert tuple(item.number for item in revisions) == REVISIONS
    assert [item.after for item in revisions] == [None, *REVISIONS[:-1]]
    files = Path(migrations.__path__[0], "versions").glob("[0-9]*.py")
    assert len(list(files)) == len(REVISIONS)


def test_replayed_migrations_make_the_schema(migrated: Engine) -> None:
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    migrated.dispose()


def test_replayed_migrations_make_the_schema_to_the_letter(
    migrated: Engine, tmp_path: Path
) -> None:
    """Alembic does not compare primary keys, checks, constraint names and WITHOUT ROWID."""
    created = create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    METADATA.create_all(created)
    VERSION.create(created)
    assert _schema(tmp_path / "migrated.db") == _schema(tmp_path / "created.db")
    migrated.dispose()
    created.dispose()


def test_the_revision_is_noted_where_alembic_looks(migrated: Engine) -> None:
    with migrated.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == HEAD
    migrated.dispose()


def test_migrations_ask_the_database_nothing() -> None:
    """They compile without one, so they cannot depend on reflection that a database lacks."""
    script = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": script}
    )
    with Operations.context(context):
        for revision in all_revisions():
            revision.upgrade()
    assert script.getvalue().count("CREATE TABLE") == len(METADATA.tables)


def test_the_newest_revision_is_accepted() -> None:
    require_current(HEAD, "here")
    require_current("0003", "here", known=("0001", "0002", "0003"))
    require_known(HEAD, "here")


def test_an_older_revision_names_the_upgrade() -> None:
    with pytest.raises(ConfigurationError, match=r"0001.*0002") as caught:
        require_current("0001", "here", known=("0001", "0002"))
    assert caught.value.hint is not None
    assert "spine db upgrade" in caught.value.hint


@pytest.mark.parametrize("found", ["9999", "", "0001x"])
def test_an_unknown_revision_names_the_software(found: str) -> None:
    for require in (require_current, require_known):
        with pytest.raises(ConfigurationError) as caught:
            require(found, "here")
        assert caught.value.hint is not None
        assert "update the software" in caught.value.hint


def _schema(path: Path) -> list[tuple[str, str, list[str]]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    connection.close()
    # The order in which a table's constraints are written means nothing.
    return sorted(
        (kind, name, sorted(line.strip().rstrip(",") for line in (sql or "").splitlines()))
        for kind, name, sql in rows
    )
