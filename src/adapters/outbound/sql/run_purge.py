"""Deleting old runs, leaves first, and never what data refers to."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import and_, delete, exists, or_, select, update

from ....domain.run_statistics import Purged
from ....domain.runs import RunState
from .schema_core import CAPTURES, LINEAGE, MANIFEST, QUALITY_RESULTS
from .schema_runs import RUN_EVENTS, RUN_LOG_LINES, RUN_QUEUE, RUN_REQUESTS, RUNS
from .some_ids import IDS_A_STATEMENT
from .transaction import SqlTransaction

_LIVE = [state.value for state in RunState if not state.final]
_REFERRING = (CAPTURES, MANIFEST, LINEAGE, QUALITY_RESULTS)


def purge(transaction: SqlTransaction, before: datetime, limit: int) -> Purged:
    """Delete at most ``limit`` runs, or the words of those that are kept.

    What is kept is marked and not looked at again: a purge of today does not pay for all that
    earlier ones have left.
    """
    _ = transaction.writing  # what only reads is refused, also where nothing is old
    purged = Purged()
    while (room := limit - purged.runs - purged.kept) > 0:
        found = _purgeable(transaction, before, min(room, IDS_A_STATEMENT))
        if not found:
            break
        kept = _kept(transaction, found)
        purged += _keep(transaction, sorted(kept))
        purged += _delete(transaction, [run_id for run_id in found if run_id not in kept])
    return purged


def _purgeable(transaction: SqlTransaction, before: datetime, count: int) -> list[str]:
    """Old runs without a part that may yet be purged, or is live.

    A part of what is live stays: its workflow counts it, and passes on what it returned.
    """
    columns, part, above = RUNS.c, RUNS.alias("part"), RUNS.alias("above")
    not_yet = or_(part.c.purgeable_at.is_not(None), part.c.run_state.in_(_LIVE))
    statement = (
        select(columns.run_id)
        .where(
            columns.purgeable_at < before,
            ~exists(select(part.c.run_id).where(and_(part.c.parent_id == columns.run_id, not_yet))),
            ~exists(
                select(above.c.run_id).where(
                    above.c.run_id == columns.parent_id, above.c.run_state.in_(_LIVE)
                )
            ),
        )
        .order_by(columns.purgeable_at, columns.run_id)
    )
    limited = transaction.dialect.first(statement, count)
    return [row.run_id for row in transaction.rows(limited)]


def _kept(transaction: SqlTransaction, run_ids: list[str]) -> set[str]:
    """Those of the runs that data refers to, by themselves or by a part of theirs."""
    questions = [
        select(table.c.run_id).where(table.c.run_id.in_(run_ids)).distinct() for table in _REFERRING
    ]
    # All parts that are left are kept ones.
    questions.append(select(RUNS.c.parent_id).where(RUNS.c.parent_id.in_(run_ids)).distinct())
    return {row[0] for question in questions for row in transaction.rows(question)}


def _keep(transaction: SqlTransaction, run_ids: list[str]) -> Purged:
    """Delete the words of runs, and mark them as not to be purged; they count if they had any."""
    if not run_ids:
        return Purged()
    talked = {
        row.run_id
        for table in (RUN_EVENTS, RUN_LOG_LINES)
        for row in transaction.rows(
            select(table.c.run_id).where(table.c.run_id.in_(run_ids)).distinct()
        )
    }
    words = _delete_words(transaction, run_ids)
    marked = update(RUNS).where(RUNS.c.run_id.in_(run_ids))
    transaction.write(marked, {"purgeable_at": None})
    return words + Purged(kept=len(talked))


def _delete(transaction: SqlTransaction, run_ids: list[str]) -> Purged:
    if not run_ids:
        return Purged()
    words = _delete_words(transaction, run_ids)
    for table in (RUN_REQUESTS, RUN_QUEUE):
        transaction.write(delete(table).where(table.c.run_id.in_(run_ids)), {})
    gone = transaction.write(delete(RUNS).where(RUNS.c.run_id.in_(run_ids)), {})
    return words + Purged(runs=gone.rowcount)


def _delete_words(transaction: SqlTransaction, run_ids: Collection[str]) -> Purged:
    events, lines = (
        transaction.write(delete(table).where(table.c.run_id.in_(run_ids)), {}).rowcount
        for table in (RUN_EVENTS, RUN_LOG_LINES)
    )
    return Purged(events=max(0, events), lines=max(0, lines))
