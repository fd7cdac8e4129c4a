"""Rows as a release at revision 0001 left them, one or two in every table, and how to see them."""

from __future__ import annotations

from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from market_spine.adapters.outbound.sql.migrations.runner import all_revisions
from market_spine.adapters.outbound.sql.revisions import REVISIONS, VERSION

_RUN = {
    "pipeline": "finra.refresh",
    "parameters_json": '{"file":"a \\"b\\""}',
    "run_state": "SUCCEEDED",
    "created_at": "2025-12-15 12:00:00.123456",
    "metrics_json": "{}",
    "warnings_json": "[]",
}
_CAPTURE = {
    "domain_name": "finra.otc_transparency",
    "period_date": "2025-11-10",
    "segment": "OTC",
    "digest": "0" * 64,
    "captured_at": "2025-12-15 12:00:00.000001",
    "source_name": "Ωmega.csv",
    "source_type": "file",
    "source_options_json": "{}",
    "run_id": "run-1",
    "byte_count": 9_000_000_000,
    "rows_read": 3,
    "rows_accepted": 2,
    "rows_rejected": 1,
}
# Amounts are counts of millionths on SQLite, decimals elsewhere: whole ones are alike on both.
_ROWS: list[tuple[str, dict[str, Any]]] = [
    ("runs", {"run_id": "run-1", **_RUN}),
    ("runs", {"run_id": "run-2", **_RUN, "parent_id": "run-1", "step_name": "s"}),
    ("captures", {"capture_key": 1, "capture_id": "one", "sequence_no": 1, **_CAPTURE}),
    (
        "captures",
        {
            "capture_key": 2,
            "capture_id": "two",
            "sequence_no": 2,
            **_CAPTURE,
            "supersedes_id": "one",
            "source_updated_on": "0001-01-01",
        },
    ),
    ("lineage", {"run_id": "run-1", "capture_key": 1, "edge_role": "OUTPUT"}),
    (
        "manifest",
        {
            "capture_key": 1,
            "stage": "CAPTURED",
            "run_id": "run-1",
            "reached_at": "2025-12-15 12:00:00",
            "row_count": 2,
            "blocked": 0,
        },
    ),
    (
        "quality_results",
        {
            "result_key": 1,
            "capture_key": 1,
            "run_id": "run-1",
            "checked_at": "2025-12-15 12:00:00",
            "check_name": "ROWS_BALANCE",
            "check_status": "PASS",
            "severity": "ERROR",
            "message": "",
        },
    ),
    (
        "rejects",
        {
            "capture_key": 1,
            "reject_no": 1,
            "line_no": 3,
            "reason": "r",
            "detail": "",
            "raw_text": "",
            "raw_long": "x" * 5000,
        },
    ),
    ("finra_otc_names", {"capture_key": 1, "name_no": 1, "name": "Böse & \"Söhne\", 'Inc.' 🚀"}),
    (
        "finra_otc_venue_volume",
        {
            "capture_key": 1,
            "symbol": "TRUE",
            "mpid": "",
            "issue_name_no": 1,
            "shares": 12,
            "trades": 2**62,
        },
    ),
    (
        "finra_otc_symbol_measures",
        {
            "capture_key": 1,
            "symbol": "TRUE",
            "total_shares": 12,
            "total_trades": 1,
            "hhi": 0.1,
            "score": 5e-324,
        },
    ),
    (
        "finra_otc_venue_share",
        {"capture_key": 1, "mpid": "", "total_shares": 12, "total_trades": 1},
    ),
]
TABLES = {table for table, _ in _ROWS}


def engine_of(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


def at_revision(url: str, number: str) -> None:
    """Make the schema at revision ``number``, on a database that has none, with rows in it."""
    with engine_of(url).begin() as connection:
        connection.execute(CreateTable(VERSION))
        with Operations.context(MigrationContext.configure(connection)):
            for revision in all_revisions()[: REVISIONS.index(number) + 1]:
                revision.upgrade()
        connection.execute(VERSION.insert(), {"version_num": number})
        for table, row in _ROWS:
            values = ", ".join(f":{name}" for name in row)
            connection.execute(
                text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"), row
            )


def all_rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, ordered."""
    with engine_of(url).connect() as connection:
        tables = sorted(inspect(connection).get_table_names())
        return {table: _rows(connection, table) for table in tables}


def _rows(connection: Connection, table: str) -> list[dict[str, Any]]:
    found = connection.execute(text(f"SELECT * FROM {table}")).mappings()
    return sorted((dict(row) for row in found), key=repr)
