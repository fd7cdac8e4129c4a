"""Who may call, who called what, and keys that all processes share; requests of backfills."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ...column_types import UtcTimestamp, varchar

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables; what is there stays as it is."""
    _create_requests()
    _create_tokens()
    _create_audit()
    op.create_table(
        "shared_keys",
        sa.Column("purpose", varchar(100), nullable=False),
        sa.Column("hex_digits", varchar(256), nullable=False),
        sa.PrimaryKeyConstraint("purpose", name="pk_shared_keys"),
    )


def _create_requests() -> None:
    op.create_table(
        "backfill_requests",
        sa.Column("request_id", varchar(200), nullable=False),
        sa.Column("backfill_id", varchar(36), nullable=False),
        sa.ForeignKeyConstraint(
            ["backfill_id"], ["backfills.backfill_id"], name="fk_backfill_requests_backfill_id"
        ),
        sa.PrimaryKeyConstraint("request_id", name="pk_backfill_requests"),
    )
    op.create_index("ix_backfill_requests_backfill_id", "backfill_requests", ["backfill_id"])


def _create_tokens() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("token_id", varchar(36), nullable=False),
        sa.Column("token_name", varchar(200), nullable=False),
        sa.Column("token_digest", varchar(64), nullable=False),
        sa.Column("role_name", varchar(20), nullable=False),
        sa.Column("created_at", UtcTimestamp(), nullable=False),
        sa.Column("expires_at", UtcTimestamp(), nullable=True),
        sa.Column("revoked_at", UtcTimestamp(), nullable=True),
        sa.PrimaryKeyConstraint("token_id", name="pk_access_tokens"),
        sa.UniqueConstraint("token_digest", name="uq_access_tokens_token_digest"),
    )


def _create_audit() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("entry_id", varchar(36), nullable=False),
        sa.Column("called_at", UtcTimestamp(), nullable=False),
        sa.Column("caller", varchar(200), nullable=False),
        sa.Column("role_name", varchar(20), nullable=False),
        sa.Column("peer", varchar(200), nullable=False),
        sa.Column("method_name", varchar(200), nullable=False),
        sa.Column("resource_name", varchar(500), nullable=False),
        sa.Column("outcome", varchar(50), nullable=True),
        sa.Column("result_text", varchar(500), nullable=True),
        sa.PrimaryKeyConstraint("entry_id", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_caller", "audit_entries", ["caller", "entry_id"])
    op.create_index("ix_audit_entries_method_name", "audit_entries", ["method_name", "entry_id"])
