"""Run history in memory."""

from __future__ import annotations

from dataclasses import replace

from ..domain.errors import LoadError, SpineError
from ..domain.runs import Run, RunFilter
from .memory_store_state import MemoryTransaction, as_json, as_utc


class MemoryRunStore:
    """Runs of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def add(self, run: Run) -> None:
        state = self._transaction.writing
        if run.id in state.runs:
            raise LoadError(f"there is a run {run.id} already")
        state.require_run(run.parent)
        state.runs[run.id] = _kept(run)

    def finish(self, run: Run) -> bool:
        state = self._transaction.writing
        present = state.runs.get(run.id)
        if present is None or present.state.final:
            return False
        state.runs[run.id] = _kept(
            replace(
                present,
                state=run.state,
                started_at=run.started_at,
                finished_at=run.finished_at,
                owner=run.owner,
                metrics=run.metrics,
                warnings=run.warnings,
                error=run.error,
            )
        )
        return True

    def get(self, run_id: str) -> Run | None:
        return self._transaction.reading.runs.get(run_id)

    def live(self) -> list[Run]:
        return [run for run in self._newest_first() if not run.state.final]

    def list(self, wanted: RunFilter) -> list[Run]:
        found = [
            run
            for run in self._newest_first()
            if wanted.pipeline in (None, run.pipeline)
            and wanted.state in (None, run.state)
            and wanted.parent in (None, run.parent)
            and not (wanted.top_level_only and run.parent is not None)
            and (wanted.before is None or run.id < wanted.before)
        ]
        return found[: wanted.limit]

    def _newest_first(self) -> tuple[Run, ...]:
        runs = self._transaction.reading.runs
        return tuple(runs[run_id] for run_id in sorted(runs, reverse=True))


def _kept(run: Run) -> Run:
    error = run.error
    return replace(
        run,
        parameters=as_json(run.parameters, f"the parameters of run {run.id}"),
        metrics=as_json(run.metrics, f"the metrics of run {run.id}"),
        warnings=tuple(run.warnings),
        created_at=as_utc(run.created_at),
        started_at=None if run.started_at is None else as_utc(run.started_at),
        finished_at=None if run.finished_at is None else as_utc(run.finished_at),
        error=None
        if error is None
        else SpineError.from_dict(as_json(error.to_dict(), f"the error of run {run.id}")),
    )
