"""Events, lines and progress in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from ..domain.errors import LoadError
from ..domain.queueing import Progress
from ..domain.runs import Head, LogLine, RunEvent
from .memory_store_state import MemoryTransaction, as_json, as_utc

_LINE_BYTES = 2000
_CUT = "…"


class MemoryRunJournal:
    """The journal of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def record(self, events: Iterable[RunEvent]) -> None:
        state = self._transaction.writing
        for event in events:
            state.require_run(event.run)
            state.events_given += 1
            kept = replace(
                event,
                at=as_utc(event.at),
                detail=as_json(event.detail, f"the detail of an event of run {event.run}"),
                key=state.events_given,
            )
            state.events[event.run] = (*state.events.get(event.run, ()), kept)

    def events(self, run_id: str, *, after: int = 0, limit: int = 1000) -> tuple[RunEvent, ...]:
        events = self._transaction.reading.events.get(run_id, ())
        return tuple(event for event in events if event.key > after)[:limit]

    def log(self, lines: Iterable[LogLine]) -> None:
        state = self._transaction.writing
        of_runs: dict[str, dict[int, LogLine]] = {}
        for line in lines:
            if line.run not in of_runs:
                state.require_run(line.run)
                of_runs[line.run] = {kept.number: kept for kept in state.lines.get(line.run, ())}
            if line.number in of_runs[line.run]:
                raise LoadError(f"run {line.run} has a line {line.number} already")
            of_runs[line.run][line.number] = replace(
                line, at=as_utc(line.at), text=_fitting(line.text)
            )
        for run, numbered in of_runs.items():
            state.lines[run] = tuple(numbered[number] for number in sorted(numbered))

    def lines(self, run_id: str, *, after: int = 0, limit: int = 1000) -> tuple[LogLine, ...]:
        lines = self._transaction.reading.lines.get(run_id, ())
        return tuple(line for line in lines if line.number > after)[:limit]

    def heads(self, run_ids: Collection[str]) -> dict[str, Head]:
        state = self._transaction.reading
        return {
            run_id: Head(
                max((event.key for event in state.events.get(run_id, ())), default=0),
                max((line.number for line in state.lines.get(run_id, ())), default=0),
            )
            for run_id in run_ids
        }

    def note_progress(self, run_id: str, progress: Progress) -> None:
        state = self._transaction.writing
        if run_id in state.queue:
            state.progress[run_id] = progress

    def progress(self, run_ids: Collection[str]) -> dict[str, Progress]:
        known = self._transaction.reading.progress
        return {run_id: known[run_id] for run_id in run_ids if run_id in known}


def _fitting(text: str) -> str:
    """The text as a line is kept: without what no database takes, and cut where it is too long."""
    # A character takes a byte at least: the rest is not even looked at.
    plain = text[: _LINE_BYTES + 1].replace("\0", "\\x00")
    stored = plain.encode(errors="backslashreplace")
    if len(stored) <= _LINE_BYTES:
        return stored.decode()
    room = _LINE_BYTES - len(_CUT.encode())
    return stored[:room].decode(errors="ignore") + _CUT
