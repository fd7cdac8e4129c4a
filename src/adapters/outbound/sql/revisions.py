"""Which schema revisions this software knows, oldest first, without loading Alembic."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, String, Table

from ....domain.errors import ConfigurationError

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD = REVISIONS[-1]

# Stands before the revision of a target while a store is copied into it.
COPYING = "copying-"

VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False, primary_key=True),
)


def require_current(found: str, location: str, *, known: tuple[str, ...] = REVISIONS) -> None:
    """Raise a ConfigurationError unless ``found`` is the newest revision in ``known``."""
    if found == known[-1]:
        return
    if found in known:
        raise ConfigurationError(
            f"the schema of {location} is at revision {found}, this software needs {known[-1]}",
            hint="run 'spine db upgrade'",
        )
    raise _unknown(found, location)


def require_known(found: str, location: str) -> None:
    """Raise a ConfigurationError for a revision that is not one of ours, or not yet."""
    if found not in REVISIONS:
        raise _unknown(found, location)


def _unknown(found: str, location: str) -> ConfigurationError:
    if found.startswith(COPYING):
        return ConfigurationError(
            f"{location} holds the unfinished copy of another store",
            hint="run the same 'spine db copy' again: it goes on where it stopped",
        )
    return ConfigurationError(
        f"the schema of {location} is at revision {found}, which this software does not know",
        hint="a newer release made it: update the software",
    )
