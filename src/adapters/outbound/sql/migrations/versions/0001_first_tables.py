"""Runs, captures with all that is known about them, and the tables of FINRA OTC."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ...column_types import (
    UtcTimestamp,
    generated_key,
    quantity,
    varchar,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables of the first release."""
    _create_runs()
    _create_captures()
    _create_evidence()
    _create_finra_otc()


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", varchar(36), nullable=False),
        sa.Column("pipeline", varchar(200), nullable=False),
        sa.Column("parameters_json", sa.Text(), nullable=False),
        sa.Column("run_state", varchar(20), nullable=False),
        sa.Column("created_at", UtcTimestamp(), nullable=False),
        sa.Column("started_at", UtcTimestamp(), nullable=True),
        sa.Column("finished_at", UtcTimestamp(), nullable=True),
        sa.Column("parent_id", varchar(36), nullable=True),
        sa.Column("step_name", varchar(200), nullable=True),
        sa.Column("owner_id", varchar(500), nullable=True),
        sa.Column("metrics_json", sa.Text(), nullable=False),
        sa.Column("warnings_json", sa.Text(), nullable=False),
        sa.Column("error_json", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["runs.run_id"], name="fk_runs_parent_id"),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_index("ix_runs_parent_id", "runs", ["parent_id", "run_id"])
    op.create_index("ix_runs_pipeline", "runs", ["pipeline", "run_id"])
    op.create_index("ix_runs_run_state", "runs", ["run_state", "run_id"])


def _create_captures() -> None:
    op.create_table(
        "captures",
        sa.Column("capture_key", generated_key(), sa.Identity(), nullable=False),
        sa.Column("capture_id", varchar(36), nullable=False),
        sa.Column("domain_name", varchar(100), nullable=False),
        sa.Column("period_date", sa.Date(), nullable=False),
        sa.Column("segment", varchar(200), nullable=False),
        sa.Column("sequence_no", sa.Integer(), nullable=False),
        sa.Column("digest", varchar(128), nullable=False),
        sa.Column("captured_at", UtcTimestamp(), nullable=False),
        sa.Column("source_updated_on", sa.Date(), nullable=True),
        sa.Column("source_name", sa.Text(), nullable=False),
        sa.Column("source_type", varchar(100), nullable=False),
        sa.Column("source_options_json", sa.Text(), nullable=False),
        sa.Column("run_id", varchar(36), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("rows_accepted", sa.BigInteger(), nullable=False),
        sa.Column("rows_rejected", sa.BigInteger(), nullable=False),
        sa.Column("supersedes_id", varchar(36), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_captures_run_id"),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["captures.capture_id"], name="fk_captures_supersedes_id"
        ),
        sa.PrimaryKeyConstraint("capture_key", name="pk_captures"),
        sa.UniqueConstraint("capture_id", name="uq_captures_capture_id"),
        sa.UniqueConstraint(
            "domain_name", "period_date", "segment", "sequence_no", name="uq_captures_partition"
        ),
    )
    op.create_index("ix_captures_digest", "captures", ["digest"])
    op.create_index("ix_captures_run_id", "captures", ["run_id"])
    op.create_index("ix_captures_supersedes_id", "captures", ["supersedes_id"])


def _create_evidence() -> None:
    op.create_table(
        "lineage",
        sa.Column("run_id", varchar(36), nullable=False),
        sa.Column("capture_key", generated_key(), nullable=False),
        sa.Column("edge_role", varchar(20), nullable=False),
        sa.ForeignKeyConstraint(
            ["capture_key"], ["captures.capture_key"], name="fk_lineage_capture_key"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_lineage_run_id"),
        sa.PrimaryKeyConstraint("run_id", "capture_key", "edge_role", name="pk_lineage"),
    )
    op.create_index("ix_lineage_capture_key", "lineage", ["capture_key"])

    op.create_table(
        "manifest",
        sa.Column("capture_key", generated_key(), nullable=False),
        sa.Column("stage", varchar(20), nullable=False),
        sa.Column("run_id", varchar(36), nullable=False),
        sa.Column("reached_at", UtcTimestamp(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("grade", varchar(10), nullable=True),
        sa.Column("blocked", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["capture_key"], ["captures.capture_key"], name="fk_manifest_capture_key"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_manifest_run_id"),
        sa.PrimaryKeyConstraint("capture_key", "stage", name="pk_manifest"),
    )
    op.create_index("ix_manifest_run_id", "manifest", ["run_id"])

    op.create_table(
        "quality_results",
        sa.Column("result_key", generated_key(), sa.Identity(), nullable=False),
        sa.Column("capture_key", generated_key(), nullable=False),
        sa.Column("run_id", varchar(36), nullable=False),
        sa.Column("checked_at", UtcTimestamp(), nullable=False),
        sa.Column("check_name", varchar(200), nullable=False),
        sa.Column("check_status", varchar(10), nullable=False),
        sa.Column("severity", varchar(10), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("observed", sa.Text(), nullable=True),
        sa.Column("expected", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["capture_key"], ["captures.capture_key"], name="fk_quality_results_capture_key"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_quality_results_run_id"),
        sa.PrimaryKeyConstraint("result_key", name="pk_quality_results"),
    )
    op.create_index("ix_quality_results_capture_key", "quality_results", ["capture_key"])
    op.create_index("ix_quality_results_run_id", "quality_results", ["run_id"])

    op.create_table(
        "rejects",
        sa.Column("capture_key", generated_key(), nullable=False),
        sa.Column("reject_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line_no", sa.BigInteger(), nullable=False),
        sa.Column("reason", varchar(200), nullable=False),
        sa.Column("detail", varchar(500), nullable=False),
        sa.Column("raw_text", varchar(2000), nullable=False),
        sa.Column("detail_long", sa.Text(), nullable=True),
        sa.Column("raw_long", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["capture_key"], ["captures.capture_key"], name="fk_rejects_capture_key"
        ),
        sa.PrimaryKeyConstraint("capture_key", "reject_no", name="pk_rejects"),
    )


def _create_finra_otc() -> None:
    op.create_table(
        "finra_otc_names",
        sa.Column("capture_key", generated_key(), nullable=False),
        sa.Column("name_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", varchar(1000), nullable=False),
        sa.Column("name_long", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["capture_key"], ["captures.capture_key"], name="fk_finra_otc_names_capture_key"
        ),
        sa.PrimaryKeyConstraint("capture_key", "name_no", name="pk_finra_otc_names"),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "finra_otc_symbol_measures",
        sa.Column("capture_key", generated_key(), nullable=False),
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
        sa.ForeignKeyConstraint(
            ["capture_key"],
            ["captures.capture_key"],
            name="fk_finra_otc_symbol_measures_capture_key",
        ),
        sa.PrimaryKeyConstraint("capture_key", "symbol", name="pk_finra_otc_symbol_measures"),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "finra_otc_venue_share",
        sa.Column("capture_key", generated_key(), nullable=False),
        sa.Column("mpid", varchar(80), nullable=False),
        sa.Column("venue_name_no", sa.Integer(), nullable=True),
        sa.Column("total_shares", quantity(), nullable=False),
        sa.Column("total_trades", sa.BigInteger(), nullable=False),
        sa.Column("symbol_count", sa.BigInteger(), nullable=True),
        sa.Column("share_fraction", sa.Double(), nullable=True),
        sa.Column("rank_no", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["capture_key"], ["captures.capture_key"], name="fk_finra_otc_venue_share_capture_key"
        ),
        sa.PrimaryKeyConstraint("capture_key", "mpid", name="pk_finra_otc_venue_share"),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "finra_otc_venue_volume",
        sa.Column("capture_key", generated_key(), nullable=False),
        sa.Column("symbol", varchar(80), nullable=False),
        sa.Column("mpid", varchar(80), nullable=False),
        sa.Column("venue_name_no", sa.Integer(), nullable=True),
        sa.Column("issue_name_no", sa.Integer(), nullable=True),
        sa.Column("shares", quantity(), nullable=False),
        sa.Column("trades", sa.BigInteger(), nullable=False),
        sa.Column("last_update_date", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["capture_key"], ["captures.capture_key"], name="fk_finra_otc_venue_volume_capture_key"
        ),
        sa.PrimaryKeyConstraint("capture_key", "symbol", "mpid", name="pk_finra_otc_venue_volume"),
        sqlite_with_rowid=False,
    )
