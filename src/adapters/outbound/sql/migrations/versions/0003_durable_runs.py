"""Runs get what retries, workflows and backfills need of them; the queue, events and logs.

A run that was there becomes what it would be today: a step of a workflow, a part of another run, or
one that somebody ran where they were.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ...column_types import UtcTimestamp, generated_key, varchar

revision = "0003"
down_revision = "0002"

_CATEGORIES = (
    "INTERNAL",
    "CONFIGURATION",
    "VALIDATION",
    "SOURCE",
    "TRANSFORM",
    "LOAD",
    "TRANSIENT",
    "DEPENDENCY",
    "TIMEOUT",
    "RATE_LIMIT",
    "PERMISSION",
    "RESOURCE",
)
# Where a text first stands in the JSON of the error.
_PLACES = {
    "sqlite": "instr(error_json, '{}')",
    "postgresql": "strpos(error_json, '{}')",
    "ibm_db_sa": "LOCATE('{}', error_json)",
}


def upgrade() -> None:
    """Widen the runs, with the rows in place; make the tables beside them."""
    if op.get_context().dialect.name == "sqlite":
        _rebuild_runs()
    else:
        for column in _added():
            op.add_column("runs", column)
    _fill_runs()
    _index_runs()
    _create_queue()
    _queue_live_runs()
    _create_journal()
    _create_backfills()


def _rebuild_runs() -> None:
    """SQLite writes added columns elsewhere in the text of a table than a table that has them.

    Other tables refer to the runs. Their references are counted as broken when the old table goes,
    and as mended one by one when the rows come back, under the same name: none is at the commit.
    """
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute("CREATE TABLE runs_0002 AS SELECT * FROM runs")
    op.drop_table("runs")
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
        *_added(),
        sa.ForeignKeyConstraint(["parent_id"], ["runs.run_id"], name="fk_runs_parent_id"),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    kept = (
        "run_id, pipeline, parameters_json, run_state, created_at, started_at, finished_at,"
        " parent_id, step_name, owner_id, metrics_json, warnings_json, error_json"
    )
    op.execute(f"INSERT INTO runs ({kept}) SELECT {kept} FROM runs_0002")  # noqa: S608  # our own names
    op.drop_table("runs_0002")
    op.create_index("ix_runs_parent_id", "runs", ["parent_id", "run_id"])
    op.create_index("ix_runs_pipeline", "runs", ["pipeline", "run_id"])
    op.create_index("ix_runs_run_state", "runs", ["run_state", "run_id"])


def _added() -> list[sa.Column[object]]:
    return [
        sa.Column("trigger_kind", varchar(20), nullable=True),
        sa.Column("partition_name", varchar(200), nullable=True),
        sa.Column("item_no", sa.Integer(), nullable=True),
        sa.Column("attempt_no", sa.Integer(), nullable=True),
        sa.Column("forced", sa.SmallInteger(), nullable=True),
        sa.Column("output_json", sa.Text(), nullable=True),
        sa.Column("plan_json", sa.Text(), nullable=True),
        sa.Column("retry_of_id", varchar(36), nullable=True),
        sa.Column("backfill_id", varchar(36), nullable=True),
        sa.Column("cancel_requested_at", UtcTimestamp(), nullable=True),
        sa.Column("error_category", varchar(20), nullable=True),
        sa.Column("purgeable_at", UtcTimestamp(), nullable=True),
    ]


def _fill_runs() -> None:
    op.execute(
        "UPDATE runs SET purgeable_at = finished_at, trigger_kind ="
        " CASE WHEN parent_id IS NULL THEN 'COMMAND' WHEN step_name IS NULL THEN 'PART'"
        " ELSE 'WORKFLOW' END"
    )
    place = _PLACES[op.get_context().dialect.name].format
    # The first category in the text of an error is its own, those of its causes come later.
    first = place('"category":"')
    for category in _CATEGORIES:
        this = place(f'"category":"{category}"')
        op.execute(
            f"UPDATE runs SET error_category = '{category}'"  # noqa: S608  # words of our own
            f" WHERE error_json IS NOT NULL AND {this} > 0 AND {this} = {first}"
        )


def _index_runs() -> None:
    for name, columns in (
        ("backfill_id", ["backfill_id"]),
        ("created_at", ["created_at"]),
        ("error_category", ["error_category"]),
        ("parent_step", ["parent_id", "step_name", "run_state"]),
        ("partition_name", ["partition_name"]),
        ("pipeline_state", ["pipeline", "run_state"]),
        ("purgeable_at", ["purgeable_at"]),
        ("retry_of_id", ["retry_of_id"]),
        ("step_name", ["step_name"]),
        ("trigger_kind", ["trigger_kind"]),
    ):
        op.create_index(f"ix_runs_{name}", "runs", [*columns, "run_id"])


def _create_queue() -> None:
    op.create_table(
        "run_requests",
        sa.Column("request_id", varchar(200), nullable=False),
        sa.Column("run_id", varchar(36), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_requests_run_id"),
        sa.PrimaryKeyConstraint("request_id", name="pk_run_requests"),
    )
    op.create_index("ix_run_requests_run_id", "run_requests", ["run_id"])

    op.create_table(
        "run_queue",
        sa.Column("run_id", varchar(36), nullable=False),
        sa.Column("queue_state", varchar(10), nullable=False),
        sa.Column("pool", varchar(200), nullable=False),
        sa.Column("pipeline", varchar(200), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("ranked_at", UtcTimestamp(), nullable=False),
        sa.Column("ready_at", UtcTimestamp(), nullable=True),
        sa.Column("job_key", varchar(500), nullable=True),
        sa.Column("job_key_digest", varchar(64), nullable=True),
        sa.Column("attached", sa.SmallInteger(), nullable=False),
        sa.Column("retry_json", varchar(500), nullable=True),
        sa.Column("timeout_seconds", sa.Double(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("fence_no", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", varchar(500), nullable=True),
        sa.Column("lease_until", UtcTimestamp(), nullable=True),
        sa.Column("cancel_requested", sa.SmallInteger(), nullable=False),
        sa.Column("progress_label", varchar(400), nullable=True),
        sa.Column("progress_done", sa.BigInteger(), nullable=True),
        sa.Column("progress_total", sa.BigInteger(), nullable=True),
        sa.Column("progress_unit", varchar(100), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_queue_run_id"),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_queue"),
    )
    op.create_index("ix_run_queue_due", "run_queue", ["queue_state", "ready_at"])
    op.create_index(
        "ix_run_queue_key", "run_queue", ["job_key_digest", "queue_state", "ranked_at", "run_id"]
    )
    op.create_index(
        "ix_run_queue_lane",
        "run_queue",
        ["queue_state", "pool", "pipeline", "ranked_at", "run_id"],
    )
    op.create_index("ix_run_queue_owner_id", "run_queue", ["owner_id"])


def _queue_live_runs() -> None:
    """Give runs that are under way a lease that has run out: whoever comes next closes them."""
    op.execute(
        "INSERT INTO run_queue (run_id, queue_state, pool, pipeline, priority, ranked_at, attached,"
        " failures, losses, attempt_no, fence_no, owner_id, lease_until, cancel_requested)"
        " SELECT run_id, 'CLAIMED', 'default', pipeline, 0, created_at, 1, 0, 0, 1, 1, owner_id,"
        " created_at, 0 FROM runs WHERE run_state IN ('PENDING', 'RUNNING')"
    )


def _create_journal() -> None:
    op.create_table(
        "run_events",
        sa.Column("event_key", generated_key(), sa.Identity(), nullable=False),
        sa.Column("run_id", varchar(36), nullable=False),
        sa.Column("event_kind", varchar(20), nullable=False),
        sa.Column("event_at", UtcTimestamp(), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("fence_no", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", varchar(500), nullable=True),
        sa.Column("detail_json", varchar(1000), nullable=False),
        sa.Column("detail_long", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_run_events_run_id"),
        sa.PrimaryKeyConstraint("event_key", name="pk_run_events"),
    )
    op.create_index("ix_run_events_run_id", "run_events", ["run_id", "event_key"])

    op.create_table(
        "run_log_lines",
        sa.Column("run_id", varchar(36), nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("logged_at", UtcTimestamp(), nullable=False),
        sa.Column("log_level", varchar(20), nullable=False),
        sa.Column("line_text", varchar(2000), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "line_no", name="pk_run_log_lines"),
    )


def _create_backfills() -> None:
    op.create_table(
        "backfills",
        sa.Column("backfill_id", varchar(36), nullable=False),
        sa.Column("pipeline", varchar(200), nullable=False),
        sa.Column("backfill_state", varchar(20), nullable=False),
        sa.Column("first_date", sa.Date(), nullable=False),
        sa.Column("last_date", sa.Date(), nullable=False),
        sa.Column("wanted_states_json", varchar(500), nullable=False),
        sa.Column("parameters_json", sa.Text(), nullable=False),
        sa.Column("max_active", sa.Integer(), nullable=False),
        sa.Column("forced", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", UtcTimestamp(), nullable=False),
        sa.Column("finished_at", UtcTimestamp(), nullable=True),
        sa.Column("step_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("backfill_id", name="pk_backfills"),
    )

    op.create_table(
        "backfill_parts",
        sa.Column("backfill_id", varchar(36), nullable=False),
        sa.Column("part_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("partition_name", varchar(200), nullable=False),
        sa.Column("parameters_json", varchar(2000), nullable=False),
        sa.Column("parameters_long", sa.Text(), nullable=True),
        sa.Column("reason", varchar(500), nullable=False),
        sa.Column("part_state", varchar(20), nullable=False),
        sa.Column("run_id", varchar(36), nullable=True),
        sa.ForeignKeyConstraint(
            ["backfill_id"], ["backfills.backfill_id"], name="fk_backfill_parts_backfill_id"
        ),
        sa.PrimaryKeyConstraint("backfill_id", "part_no", name="pk_backfill_parts"),
    )
    op.create_index(
        "ix_backfill_parts_state", "backfill_parts", ["backfill_id", "part_state", "part_no"]
    )
