"""Tables of runs: what they are, how they wait, what happened to them, and backfills.

What is said in schema_core holds here, too. A foreign key costs one look-up for each row. Jobs and
events pay it, being few for each run. Lines do not: they are many, and the store asks once for all
of a call whether their run is there. What a retry, a part of a backfill or a run of a backfill
refers to has no key either: it may be purged before them, and they keep its name.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    text,
)

from .column_types import UtcTimestamp, generated_key, long_text, varchar
from .metadata import METADATA

EVENT_DETAIL_BYTES = 1000
LINE_BYTES = 2000
PART_PARAMETERS_BYTES = 2000
PROGRESS_LABEL_BYTES = 400
PROGRESS_UNIT_BYTES = 100


def _where_given(column: str) -> Index:
    """An index of the runs that have a value there; on Db2 of all of them."""
    given = text(f"{column} IS NOT NULL")
    name = f"ix_runs_{column}"
    return Index(name, column, "run_id", sqlite_where=given, postgresql_where=given)


RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", varchar(36), primary_key=True),
    Column("pipeline", varchar(200), nullable=False),
    Column("parameters_json", long_text(), nullable=False),
    Column("run_state", varchar(20), nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("started_at", UtcTimestamp),
    Column("finished_at", UtcTimestamp),
    Column("parent_id", ForeignKey("runs.run_id")),
    Column("step_name", varchar(200)),
    Column("owner_id", varchar(500)),
    Column("metrics_json", long_text(), nullable=False),
    Column("warnings_json", long_text(), nullable=False),
    Column("error_json", long_text()),
    # Added to rows that were there: without a value they mean what a new Run has by default.
    Column("trigger_kind", varchar(20)),
    Column("partition_name", varchar(200)),
    Column("item_no", Integer),
    Column("attempt_no", Integer),
    Column("forced", SmallInteger),
    Column("output_json", long_text()),
    Column("plan_json", long_text()),
    Column("retry_of_id", varchar(36)),
    Column("backfill_id", varchar(36)),
    Column("cancel_requested_at", UtcTimestamp),
    Column("error_category", varchar(20)),
    # When it was finished, as long as it may be purged: what data refers to is looked at once.
    Column("purgeable_at", UtcTimestamp),
    # Each ends with run_id where lists are read through it: a page is a range of the index.
    Index("ix_runs_run_state", "run_state", "run_id"),
    Index("ix_runs_pipeline", "pipeline", "run_id"),
    Index("ix_runs_pipeline_state", "pipeline", "run_state", "run_id"),
    Index("ix_runs_parent_id", "parent_id", "run_id"),
    Index("ix_runs_parent_step", "parent_id", "step_name", "run_state", "run_id"),
    _where_given("step_name"),
    Index("ix_runs_created_at", "created_at", "run_id"),
    _where_given("partition_name"),
    Index("ix_runs_trigger_kind", "trigger_kind", "run_id"),
    _where_given("error_category"),
    _where_given("retry_of_id"),
    _where_given("backfill_id"),
    _where_given("purgeable_at"),
)

# A table of its own: most runs have none, and Db2 takes one null at most in a unique index.
RUN_REQUESTS = Table(
    "run_requests",
    METADATA,
    Column("request_id", varchar(200), primary_key=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False, index=True),
)

# Narrow, and gone with the end of the run.
RUN_QUEUE = Table(
    "run_queue",
    METADATA,
    Column("run_id", ForeignKey("runs.run_id"), primary_key=True),
    Column("queue_state", varchar(10), nullable=False),
    Column("pool", varchar(200), nullable=False),
    Column("pipeline", varchar(200), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("ranked_at", UtcTimestamp, nullable=False),
    Column("ready_at", UtcTimestamp),
    Column("job_key", varchar(500)),
    # By it keys are compared: Db2 takes a text with a blank at its end for the one without.
    Column("job_key_digest", varchar(64)),
    Column("attached", SmallInteger, nullable=False),
    Column("retry_json", varchar(500)),
    Column("timeout_seconds", Double),
    Column("failures", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("attempt_no", Integer, nullable=False),
    Column("fence_no", BigInteger, nullable=False),
    Column("owner_id", varchar(500)),
    Column("lease_until", UtcTimestamp),
    Column("cancel_requested", SmallInteger, nullable=False),
    Column("progress_label", varchar(PROGRESS_LABEL_BYTES)),
    Column("progress_done", BigInteger),
    Column("progress_total", BigInteger),
    Column("progress_unit", varchar(PROGRESS_UNIT_BYTES)),
    Index("ix_run_queue_lane", "queue_state", "pool", "pipeline", "ranked_at", "run_id"),
    Index("ix_run_queue_due", "queue_state", "ready_at"),
    Index("ix_run_queue_key", "job_key_digest", "queue_state", "ranked_at", "run_id"),
    Index("ix_run_queue_owner_id", "owner_id"),
)

RUN_EVENTS = Table(
    "run_events",
    METADATA,
    Column("event_key", generated_key(), Identity(), primary_key=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False),
    Column("event_kind", varchar(20), nullable=False),
    Column("event_at", UtcTimestamp, nullable=False),
    Column("attempt_no", Integer, nullable=False),
    Column("fence_no", BigInteger, nullable=False),
    Column("owner_id", varchar(500)),
    Column("detail_json", varchar(EVENT_DETAIL_BYTES), nullable=False),
    Column("detail_long", long_text()),
    Index("ix_run_events_run_id", "run_id", "event_key"),
)

RUN_LOG_LINES = Table(
    "run_log_lines",
    METADATA,
    Column("run_id", varchar(36), primary_key=True),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("logged_at", UtcTimestamp, nullable=False),
    Column("log_level", varchar(20), nullable=False),
    Column("line_text", varchar(LINE_BYTES), nullable=False),
)

BACKFILLS = Table(
    "backfills",
    METADATA,
    Column("backfill_id", varchar(36), primary_key=True),
    Column("pipeline", varchar(200), nullable=False),
    Column("backfill_state", varchar(20), nullable=False),
    Column("first_date", Date, nullable=False),
    Column("last_date", Date, nullable=False),
    Column("wanted_states_json", varchar(500), nullable=False),
    Column("parameters_json", long_text(), nullable=False),
    Column("max_active", Integer, nullable=False),
    Column("forced", SmallInteger, nullable=False),
    Column("created_at", UtcTimestamp, nullable=False),
    Column("finished_at", UtcTimestamp),
    Column("step_json", long_text(), nullable=False),
)

# A table of its own, as that of the requests of runs.
BACKFILL_REQUESTS = Table(
    "backfill_requests",
    METADATA,
    Column("request_id", varchar(200), primary_key=True),
    Column("backfill_id", ForeignKey("backfills.backfill_id"), nullable=False, index=True),
)

BACKFILL_PARTS = Table(
    "backfill_parts",
    METADATA,
    Column("backfill_id", ForeignKey("backfills.backfill_id"), primary_key=True),
    Column("part_no", Integer, primary_key=True, autoincrement=False),
    Column("partition_name", varchar(200), nullable=False),
    Column("parameters_json", varchar(PART_PARAMETERS_BYTES), nullable=False),
    Column("parameters_long", long_text()),
    Column("reason", varchar(500), nullable=False),
    Column("part_state", varchar(20), nullable=False),
    Column("run_id", varchar(36)),
    Index("ix_backfill_parts_state", "backfill_id", "part_state", "part_no"),
)
