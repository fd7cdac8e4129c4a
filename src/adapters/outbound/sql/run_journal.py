"""What happened to runs, what they said, and how far they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import func, insert, select, update

from ....domain.errors import LoadError
from ....domain.queueing import Progress
from ....domain.runs import EventKind, Head, LogLine, RunEvent
from .fitting import cut_to_fit
from .json_text import from_text, to_text
from .schema_runs import (
    EVENT_DETAIL_BYTES,
    LINE_BYTES,
    PROGRESS_LABEL_BYTES,
    PROGRESS_UNIT_BYTES,
    RUN_EVENTS,
    RUN_LOG_LINES,
    RUN_QUEUE,
    RUNS,
)
from .some_ids import some_at_a_time
from .transaction import SqlTransaction

_LINES_A_STATEMENT = 1000
_HIGHEST_LINE = 2**31 - 1


class SqlRunJournal:
    """The journal of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def record(self, events: Iterable[RunEvent]) -> None:
        self._transaction.insert_many(RUN_EVENTS, map(_event_row, events))

    def events(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[RunEvent]:
        columns = RUN_EVENTS.c
        statement = (
            select(RUN_EVENTS)
            .where(columns.run_id == run_id, columns.event_key > after)
            .order_by(columns.event_key)
        )
        limited = self._transaction.dialect.first(statement, limit)
        return [_event(row) for row in self._transaction.rows(limited)]

    def log(self, lines: Iterable[LogLine]) -> None:
        values = [
            {
                "run_id": line.run,
                "line_no": line.number,
                "logged_at": line.at,
                "log_level": line.level,
                "line_text": cut_to_fit(line.text, LINE_BYTES),
            }
            for line in lines
        ]
        self._require_runs({str(item["run_id"]) for item in values})
        for start in range(0, len(values), _LINES_A_STATEMENT):
            some = values[start : start + _LINES_A_STATEMENT]
            self._transaction.write(insert(RUN_LOG_LINES), some)

    def lines(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[LogLine]:
        columns = RUN_LOG_LINES.c
        statement = (
            select(RUN_LOG_LINES)
            .where(columns.run_id == run_id, columns.line_no > min(after, _HIGHEST_LINE))
            .order_by(columns.line_no)
        )
        limited = self._transaction.dialect.first(statement, limit)
        return [
            LogLine(row.run_id, row.line_no, row.logged_at, row.log_level, row.line_text)
            for row in self._transaction.rows(limited)
        ]

    def heads(self, run_ids: Collection[str]) -> Mapping[str, Head]:
        # Asked for each run by itself: so it is a step to the end of an index, where a grouping
        # reads all that the runs have ever said.
        events, lines = RUN_EVENTS.c, RUN_LOG_LINES.c
        last_event = select(func.max(events.event_key)).where(events.run_id == RUNS.c.run_id)
        last_line = select(func.max(lines.line_no)).where(lines.run_id == RUNS.c.run_id)
        columns = (RUNS.c.run_id, last_event.scalar_subquery(), last_line.scalar_subquery())
        found = dict.fromkeys(run_ids, Head())
        for some in some_at_a_time(run_ids):
            statement = select(*columns).where(RUNS.c.run_id.in_(some))
            for run_id, event, line in self._transaction.rows(statement):
                found[run_id] = Head(event or 0, line or 0)
        return found

    def note_progress(self, run_id: str, progress: Progress) -> None:
        values = {
            "progress_label": cut_to_fit(progress.label, PROGRESS_LABEL_BYTES),
            "progress_done": progress.done,
            "progress_total": progress.total,
            "progress_unit": cut_to_fit(progress.unit, PROGRESS_UNIT_BYTES),
        }
        self._transaction.write(update(RUN_QUEUE).where(RUN_QUEUE.c.run_id == run_id), values)

    def progress(self, run_ids: Collection[str]) -> Mapping[str, Progress]:
        columns = RUN_QUEUE.c
        found: dict[str, Progress] = {}
        for some in some_at_a_time(run_ids):
            statement = select(
                columns.run_id,
                columns.progress_label,
                columns.progress_done,
                columns.progress_total,
                columns.progress_unit,
            ).where(columns.run_id.in_(some), columns.progress_done.is_not(None))
            found.update(
                (run_id, Progress(label, done, total, unit))
                for run_id, label, done, total, unit in self._transaction.rows(statement)
            )
        return found

    def _require_runs(self, run_ids: set[str]) -> None:
        """Raise a LoadError unless all of the runs are there."""
        for some in some_at_a_time(run_ids):
            known = select(RUNS.c.run_id).where(RUNS.c.run_id.in_(some))
            missing = set(some) - {row.run_id for row in self._transaction.rows(known)}
            if missing:
                raise LoadError(f"there is no run {min(missing)} to log lines of")


def _event_row(event: RunEvent) -> dict[str, Any]:
    detail = to_text(event.detail, f"the detail of an event of run {event.run}")
    fits = len(detail) <= EVENT_DETAIL_BYTES
    return {
        "run_id": event.run,
        "event_kind": event.kind.value,
        "event_at": event.at,
        "attempt_no": event.attempt,
        "fence_no": event.fence,
        "owner_id": event.owner,
        "detail_json": detail if fits else "",
        "detail_long": None if fits else detail,
    }


def _event(row: Any) -> RunEvent:
    detail = row.detail_json if row.detail_long is None else row.detail_long
    return RunEvent(
        run=row.run_id,
        kind=EventKind(row.event_kind),
        at=row.event_at,
        attempt=row.attempt_no,
        fence=row.fence_no,
        owner=row.owner_id,
        detail=from_text(detail),
        key=row.event_key,
    )
