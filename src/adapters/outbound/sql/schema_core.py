"""Tables of captures and what is known about them, the same for every domain.

JSON is kept as text, times as naive UTC, truth values as 0 and 1. A VARCHAR that stands beside a
nullable ``*_long`` column is empty where its text exceeds the length and stands there instead.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    UniqueConstraint,
)

from .column_types import UtcTimestamp, generated_key, long_text, varchar
from .metadata import METADATA
from .schema_runs import RUNS

# A row fits into a page of 4 KB, which is what Db2 gives by default.
DETAIL_BYTES = 500
RAW_BYTES = 2000

CAPTURES = Table(
    "captures",
    METADATA,
    Column("capture_key", generated_key(), Identity(), primary_key=True),
    Column("capture_id", varchar(36), nullable=False),
    Column("domain_name", varchar(100), nullable=False),
    Column("period_date", Date, nullable=False),
    Column("segment", varchar(200), nullable=False),
    Column("sequence_no", Integer, nullable=False),
    Column("digest", varchar(128), nullable=False),
    Column("captured_at", UtcTimestamp, nullable=False),
    Column("source_updated_on", Date),
    Column("source_name", long_text(), nullable=False),
    Column("source_type", varchar(100), nullable=False),
    Column("source_options_json", long_text(), nullable=False),
    Column("run_id", ForeignKey(RUNS.c.run_id), nullable=False, index=True),
    Column("byte_count", BigInteger, nullable=False),
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_accepted", BigInteger, nullable=False),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("supersedes_id", ForeignKey("captures.capture_id"), index=True),
    UniqueConstraint("capture_id", name="uq_captures_capture_id"),
    # Guards against two processes that add a capture of one partition at the same time.
    UniqueConstraint(
        "domain_name", "period_date", "segment", "sequence_no", name="uq_captures_partition"
    ),
    Index("ix_captures_digest", "digest"),
)
# The order in which captures and what belongs to them are listed.
Index(
    "ix_captures_newest",
    CAPTURES.c.period_date.desc(),
    CAPTURES.c.segment,
    CAPTURES.c.domain_name,
    CAPTURES.c.sequence_no.desc(),
)

MANIFEST = Table(
    "manifest",
    METADATA,
    Column("capture_key", ForeignKey("captures.capture_key"), primary_key=True),
    Column("stage", varchar(20), primary_key=True),
    Column("run_id", ForeignKey(RUNS.c.run_id), nullable=False, index=True),
    Column("reached_at", UtcTimestamp, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("grade", varchar(10)),
    Column("blocked", SmallInteger, nullable=False),
)

PARTITION_LOCKS = Table(
    "partition_locks",
    METADATA,
    Column("domain_name", varchar(100), primary_key=True),
    Column("period_date", Date, primary_key=True),
    Column("segment", varchar(200), primary_key=True),
    # Counts how often: a row is held by changing it, where the database has no other locks.
    Column("taken", BigInteger, nullable=False),
)

LINEAGE = Table(
    "lineage",
    METADATA,
    Column("run_id", ForeignKey(RUNS.c.run_id), primary_key=True),
    Column("capture_key", ForeignKey("captures.capture_key"), primary_key=True, index=True),
    Column("edge_role", varchar(20), primary_key=True),
)

REJECTS = Table(
    "rejects",
    METADATA,
    Column("capture_key", ForeignKey("captures.capture_key"), primary_key=True),
    Column("reject_no", Integer, primary_key=True, autoincrement=False),
    Column("line_no", BigInteger, nullable=False),
    Column("reason", varchar(200), nullable=False),
    Column("detail", varchar(DETAIL_BYTES), nullable=False),
    Column("raw_text", varchar(RAW_BYTES), nullable=False),
    Column("detail_long", long_text()),
    Column("raw_long", long_text()),
)

QUALITY_RESULTS = Table(
    "quality_results",
    METADATA,
    Column("result_key", generated_key(), Identity(), primary_key=True),
    Column("capture_key", ForeignKey("captures.capture_key"), nullable=False, index=True),
    Column("run_id", ForeignKey(RUNS.c.run_id), nullable=False, index=True),
    Column("checked_at", UtcTimestamp, nullable=False),
    Column("check_name", varchar(200), nullable=False),
    Column("check_status", varchar(10), nullable=False),
    Column("severity", varchar(10), nullable=False),
    Column("message", long_text(), nullable=False),
    Column("observed", long_text()),
    Column("expected", long_text()),
)
