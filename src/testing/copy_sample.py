"""A store that is hard to copy: rows of every kind, and links against the order of keys."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from ..domain.captures import Capture, LineageEdge, Stage
from ..domain.errors import SourceError
from ..domain.runs import RunState
from ..ports.storage import Store, UnitOfWork
from .store_suite_access import a_call, a_digest, a_token
from .store_suite_backfills import a_backfill, a_part
from .store_suite_samples import (
    NOON,
    OTC,
    TEXTS,
    VOLUME,
    a_capture,
    a_check,
    a_run,
    an_entry,
    some_rejects,
    volume_rows,
)

NUMBERS = (0.1 + 0.2, 1 / 3, 1.7976931348623157e308, -1.0000000000000002, 2.0**53 + 2, 0.0, None)


def fill_store(store: Store, *, captures: int = 3) -> None:
    """Commit runs and so many captures, each but the first in place of the one before."""
    with store.write() as unit:
        _add_runs(unit)
        _add_access(unit)
        for number in range(captures):
            capture = unit.captures.add(
                a_capture(
                    f"cap-{number}",
                    captured_at=NOON + timedelta(hours=number),
                    source_updated_on=date(2025, 12, 15) if number else None,
                    source_name=f"dir/{TEXTS[number % len(TEXTS)]}.csv",
                    source_options={"quote": '"', "text": TEXTS[6], "null": None},
                    bytes=2**40 + number,
                )
            )
            _add_evidence(unit, capture)
            _add_rows(unit, capture)
        unit.lock(OTC)
        unit.commit()


def use_store(store: Store) -> None:
    """Commit what a store in use goes through: a run ends, another one captures."""
    with store.write() as unit:
        running = unit.runs.get("run-1")
        assert running is not None  # noqa: S101  # fill_store has added it
        unit.runs.finish(
            a_run(state=RunState.SUCCEEDED, finished_at=NOON + timedelta(hours=9), metrics={"n": 1})
        )
        unit.runs.add(a_run("run-0"))
        capture = unit.captures.add(
            a_capture("cap-late", run="run-0", captured_at=NOON + timedelta(days=1))
        )
        _add_evidence(unit, capture)
        _add_rows(unit, capture)
        unit.commit()


def _add_runs(unit: UnitOfWork) -> None:
    error = SourceError("file is cut off", hint="fetch it again", metadata={"text": TEXTS[6]})
    unit.runs.add(a_run("run-9", parameters={"text": list(TEXTS)}))
    # It stands before its parent, which ids that sort by time never do.
    unit.runs.add(a_run("run-1", parent="run-9", step="load", owner="host:1"))
    unit.runs.add(
        a_run(
            "run-2",
            parent="run-1",
            state=RunState.FAILED,
            started_at=NOON,
            finished_at=NOON + timedelta(microseconds=1),
            metrics={"rows_read": 2**53, "share": 1 / 3},
            warnings=("odd", TEXTS[6]),
            error=error,
        )
    )


def _add_access(unit: UnitOfWork) -> None:
    unit.backfills.add(a_backfill(), [a_part(1)], request=TEXTS[6])
    for number, text in enumerate(TEXTS):
        token = a_token(number, name=text, expires_at=NOON if number % 2 else None)
        unit.access.add_token(token, a_digest(number))
        unit.access.record_call(a_call(f"call-{number}", caller=text, resource=text))
    unit.access.end_call("call-1", "OK", "runs/run-1")
    unit.access.shared_key("pages", bytes(range(128)))


def _add_evidence(unit: UnitOfWork, capture: Capture) -> None:
    rejects = pl.concat(
        [
            some_rejects(*range(1, 12)).with_columns(raw=pl.Series(TEXTS)),
            some_rejects(12, raw="株" * 5_000),
        ]
    )
    unit.rejects.replace(capture.key, rejects)
    checks = [a_check(capture, f"CHECK_{n}", message=text) for n, text in enumerate(TEXTS)]
    unit.quality.add(checks)
    for stage in (Stage.CAPTURED, Stage.NORMALIZED):
        unit.manifest.record(an_entry(capture, stage, grade="B"))
    unit.manifest.link([LineageEdge(capture.run, capture.id, "OUTPUT")])


def _add_rows(unit: UnitOfWork, capture: Capture) -> None:
    symbols = sorted({text for text in TEXTS if text.strip()}, key=str.encode)
    volumes = volume_rows(
        *((text, "OTCN", text, text[::-1] or None, "0.000001", 2**62) for text in symbols),
        ("~", "A", None, "long " * 400, "999999999999.999999", 0),
        ("~", "B", "", None, "12345.678901", 1),
    )
    unit.rows.replace(VOLUME, capture.key, volumes)
    unit.rows.replace("finra_otc_symbol_measures", capture.key, _measures())
    unit.rows.replace("finra_otc_venue_share", capture.key, _venue_shares())


def _measures() -> pl.DataFrame:
    rows = len(NUMBERS)
    numbers = pl.Series(NUMBERS, dtype=pl.Float64)
    return pl.DataFrame(
        {
            "symbol": [f"S{number}" for number in range(rows)],
            "issue_name": [f"ISSUE {number % 2}" if number else None for number in range(rows)],
            "total_shares": pl.Series([Decimal("1.5")] * rows, dtype=pl.Decimal(18, 6)),
            "total_trades": [1] * rows,
            "venue_count": [None, *range(1, rows)],
            "avg_trade_size": numbers,
            "top_venue": ["OTCN", "", *[None] * (rows - 2)],
            "top_venue_share": numbers,
            "hhi": numbers.reverse(),
            "effective_venues": numbers,
            "sessions": [5] * rows,
            "shares_per_session": numbers,
            "score": numbers,
        }
    )


def _venue_shares() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "mpid": ["OTCN", "OTCX"],
            "venue_name": ["OTC LINK ATS", None],
            "total_shares": pl.Series([Decimal(3), Decimal(1)], dtype=pl.Decimal(18, 6)),
            "total_trades": [1, 2],
            "symbol_count": [None, 2],
            "share": [0.75, 0.25],
            "rank": [1, 2],
        }
    )
