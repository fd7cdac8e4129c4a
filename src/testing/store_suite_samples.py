"""Runs, captures and rows that the suite of stores writes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from ..domain.captures import Capture, ManifestEntry, Partition, Stage
from ..domain.quality import CheckResult, CheckStatus, QualityResult, Severity
from ..domain.runs import Run, RunState
from ..ports.storage import Store, UnitOfWork

NOON = datetime(2025, 12, 15, 12, 0, 0, 123456, tzinfo=UTC)
WEEK = date(2025, 11, 10)
OTC = Partition("finra.otc_transparency", WEEK, "OTC")

TEXTS = (
    "",
    " ",
    "plain",
    'O\'Neil & "Sons", Inc. (%) $5 #1: a/b',
    "back\\slash \\n",
    "two  spaces",
    "naïve Ωmega 株式会社 🚀",
    "e\u0301 is not \u00e9",
    "tab\tand\nnewline\r\n",
    "%s ? :name {brace}",
    "NULL",
)
"""Texts that were lost, changed or executed somewhere before."""

VOLUME = "finra_otc_venue_volume"


def a_run(run_id: str = "run-1", **changes: Any) -> Run:
    """A run that is RUNNING since noon."""
    values: dict[str, Any] = {
        "pipeline": "finra.refresh",
        "parameters": {},
        "state": RunState.RUNNING,
        "created_at": NOON,
    }
    return Run(id=run_id, **{**values, **changes})


def a_capture(capture_id: str = "cap-1", **changes: Any) -> Capture:
    """A capture of the OTC tier at noon by run-1."""
    values: dict[str, Any] = {
        "partition": OTC,
        "digest": f"digest of {capture_id}",
        "captured_at": NOON,
        "source_updated_on": date(2025, 12, 15),
        "source_name": "finra.csv",
        "source_type": "file",
        "source_options": {},
        "run": "run-1",
        "bytes": 1,
    }
    return Capture(id=capture_id, **{**values, **changes})


def an_entry(capture: Capture, stage: Stage = Stage.CAPTURED, **changes: Any) -> ManifestEntry:
    """A manifest entry of run-1 at noon, not blocked."""
    values: dict[str, Any] = {"run": "run-1", "reached_at": NOON, "rows": 3}
    return ManifestEntry(capture.id, capture.partition, stage, **{**values, **changes})


def a_check(capture: Capture, name: str, run: str = "run-1", **changes: Any) -> QualityResult:
    """A failed check with a warning."""
    values: dict[str, Any] = {
        "status": CheckStatus.FAIL,
        "severity": Severity.WARNING,
        "message": "fewer venues than last week",
    }
    result = CheckResult(check=name, **{**values, **changes})
    return QualityResult(capture.id, capture.partition, run, NOON, result)


def some_rejects(*lines: int, raw: str = "a|b") -> pl.DataFrame:
    """One reject for each line."""
    return pl.DataFrame(
        {
            "line": lines,
            "reason": ["blank_symbol"] * len(lines),
            "detail": ["the symbol is blank"] * len(lines),
            "raw": [raw] * len(lines),
        },
        schema={"line": pl.Int64, "reason": pl.String, "detail": pl.String, "raw": pl.String},
    )


def volume_rows(*rows: tuple[str, str, str | None, str | None, str, int]) -> pl.DataFrame:
    """Rows of finra_otc_venue_volume, in the order of symbol and MPID.

    Each is (symbol, MPID, venue name, issue name, shares, trades).
    """
    return pl.DataFrame(
        [(*row[:4], Decimal(row[4]), row[5], date(2025, 12, 15)) for row in rows],
        schema={
            "symbol": pl.String,
            "mpid": pl.String,
            "venue_name": pl.String,
            "issue_name": pl.String,
            "shares": pl.Decimal(18, 6),
            "trades": pl.Int64,
            "last_update_date": pl.Date,
        },
        orient="row",
    )


def one_row(symbol: str = "AAPL", shares: str = "1") -> pl.DataFrame:
    """One row of finra_otc_venue_volume."""
    return volume_rows((symbol, "OTCN", "OTC LINK", "APPLE", shares, 1))


def rows_of(unit: UnitOfWork, capture: Capture, table: str = VOLUME) -> pl.DataFrame:
    """All rows of a capture in one frame, which has no columns when there are none."""
    batches = list(unit.rows.read(table, capture.key))
    return pl.concat(batches) if batches else pl.DataFrame()


def with_capture(store: Store, *capture_ids: str, **changes: Any) -> list[Capture]:
    """Commit run-1, where it is missing, and captures an hour apart; they come back as stored."""
    with store.write() as unit:
        if unit.runs.get("run-1") is None:
            unit.runs.add(a_run())
        stored = [
            unit.captures.add(
                a_capture(item, **{"captured_at": NOON + timedelta(hours=hour), **changes})
            )
            for hour, item in enumerate(capture_ids)
        ]
        unit.commit()
    return stored
