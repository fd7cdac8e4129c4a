"""Row tables lose their foreign key, which cost more than half of a load; locks of partitions.

The store asks once whether the capture is there, instead of once for each row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ...column_types import generated_key, quantity, varchar

revision = "0002"
down_revision = "0001"

_TABLES = ("finra_otc_symbol_measures", "finra_otc_venue_share", "finra_otc_venue_volume")


def upgrade() -> None:
    """Drop the keys, with the rows in place; make the table of locks."""
    if op.get_context().dialect.name == "sqlite":
        _rebuild()
    else:
        for table in _TABLES:
            op.drop_constraint(f"fk_{table}_capture_key", table, type_="foreignkey")
    op.create_table(
        "partition_locks",
        sa.Column("domain_name", varchar(100), nullable=False),
        sa.Column("period_date", sa.Date(), nullable=False),
        sa.Column("segment", varchar(200), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("domain_name", "period_date", "segment", name="pk_partition_locks"),
    )


def _rebuild() -> None:
    """SQLite drops no constraint: the rows move to tables without it."""
    for table, columns, key in (
        ("finra_otc_symbol_measures", _measures(), ("symbol",)),
        ("finra_otc_venue_share", _venue_share(), ("mpid",)),
        ("finra_otc_venue_volume", _venue_volume(), ("symbol", "mpid")),
    ):
        op.rename_table(table, f"{table}_0001")
        op.create_table(
            table,
            sa.Column("capture_key", generated_key(), nullable=False),
            *columns,
            sa.PrimaryKeyConstraint("capture_key", *key, name=f"pk_{table}"),
            sqlite_with_rowid=False,
        )
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_0001")  # noqa: S608  # our own names
        op.drop_table(f"{table}_0001")


def _measures() -> list[sa.Column[object]]:
    return [
        sa.Column("symbol", varchar(80), nullable=False),
        sa.Column("issue_name_no", sa.Integer(), nullable=True),
        sa.Column("total_shares", quantity(), nullable=False),
        sa.Column("total_trades", sa.BigInteger(), nullable=False),
        sa.Column("venue_count", sa.BigInteger(), nullable=True),
        sa.Column("avg_trade_size", sa.Double(), nullable=True),
        sa.Column("top_venue", varchar(80), nullable=True),
        sa.Column("top_venue_share", sa.Double(), nullable=True),
        sa.Column("hhi", sa.Double(), nullable=True),
        sa.Column("effective_venues", sa.Double(), nullable=True),
        sa.Column("session_count", sa.BigInteger(), nullable=True),
        sa.Column("shares_per_session", sa.Double(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
    ]


def _venue_share() -> list[sa.Column[object]]:
    return [
        sa.Column("mpid", varchar(80), nullable=False),
        sa.Column("venue_name_no", sa.Integer(), nullable=True),
        sa.Column("total_shares", quantity(), nullable=False),
        sa.Column("total_trades", sa.BigInteger(), nullable=False),
        sa.Column("symbol_count", sa.BigInteger(), nullable=True),
        sa.Column("share_fraction", sa.Double(), nullable=True),
        sa.Column("rank_no", sa.BigInteger(), nullable=True),
    ]


def _venue_volume() -> list[sa.Column[object]]:
    return [
        sa.Column("symbol", varchar(80), nullable=False),
        sa.Column("mpid", varchar(80), nullable=False),
        sa.Column("venue_name_no", sa.Integer(), nullable=True),
        sa.Column("issue_name_no", sa.Integer(), nullable=True),
        sa.Column("shares", quantity(), nullable=False),
        sa.Column("trades", sa.BigInteger(), nullable=False),
        sa.Column("last_update_date", sa.Date(), nullable=True),
    ]
