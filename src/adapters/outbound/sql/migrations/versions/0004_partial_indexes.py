"""Indexes of runs by what few runs have leave out the others: each change of a run costs less.

On SQLite and PostgreSQL only; Db2 has no indexes of a part of the rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COLUMNS = (
    "step_name",
    "partition_name",
    "error_category",
    "retry_of_id",
    "backfill_id",
    "purgeable_at",
)


def upgrade() -> None:
    """Make the indexes anew, without the rows where the column is null."""
    if op.get_context().dialect.name not in ("sqlite", "postgresql"):
        return
    for column in _COLUMNS:
        op.drop_index(f"ix_runs_{column}", "runs")
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_runs_{column}",
            "runs",
            [column, "run_id"],
            sqlite_where=there,
            postgresql_where=there,
        )
