"""Run history."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update

from ....domain.errors import SpineError
from ....domain.runs import Run, RunFilter, RunState
from .json_text import from_text, to_text
from .schema_core import RUNS
from .transaction import SqlTransaction

_LIVE = [state.value for state in RunState if not state.final]


class SqlRunStore:
    """Runs of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def add(self, run: Run) -> None:
        values = {
            "run_id": run.id,
            "pipeline": run.pipeline,
            "parameters_json": to_text(run.parameters, f"the parameters of run {run.id}"),
            "created_at": run.created_at,
            "parent_id": run.parent,
            "step_name": run.step,
            **_progress(run),
        }
        self._transaction.write(insert(RUNS), values)

    def finish(self, run: Run) -> bool:
        statement = update(RUNS).where(RUNS.c.run_id == run.id, RUNS.c.run_state.in_(_LIVE))
        return self._transaction.write(statement, _progress(run)).rowcount == 1

    def get(self, run_id: str) -> Run | None:
        found = self._transaction.rows(select(RUNS).where(RUNS.c.run_id == run_id))
        return _run(found[0]) if found else None

    def live(self) -> list[Run]:
        statement = select(RUNS).where(RUNS.c.run_state.in_(_LIVE)).order_by(RUNS.c.run_id.desc())
        return [_run(row) for row in self._transaction.rows(statement)]

    def list(self, wanted: RunFilter) -> list[Run]:
        statement = select(RUNS).order_by(RUNS.c.run_id.desc())
        if wanted.pipeline is not None:
            statement = statement.where(RUNS.c.pipeline == wanted.pipeline)
        if wanted.state is not None:
            statement = statement.where(RUNS.c.run_state == wanted.state.value)
        if wanted.parent is not None:
            statement = statement.where(RUNS.c.parent_id == wanted.parent)
        if wanted.top_level_only:
            statement = statement.where(RUNS.c.parent_id.is_(None))
        if wanted.before is not None:
            statement = statement.where(RUNS.c.run_id < wanted.before)
        statement = self._transaction.dialect.first(statement, wanted.limit)
        return [_run(row) for row in self._transaction.rows(statement)]


def _progress(run: Run) -> dict[str, Any]:
    """The columns that change while a run lives."""
    error = None if run.error is None else to_text(run.error.to_dict(), f"error of run {run.id}")
    return {
        "run_state": run.state.value,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "owner_id": run.owner,
        "metrics_json": to_text(run.metrics, f"the metrics of run {run.id}"),
        "warnings_json": to_text(list(run.warnings), f"the warnings of run {run.id}"),
        "error_json": error,
    }


def _run(row: Any) -> Run:
    return Run(
        id=row.run_id,
        pipeline=row.pipeline,
        parameters=from_text(row.parameters_json),
        state=RunState(row.run_state),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        parent=row.parent_id,
        step=row.step_name,
        owner=row.owner_id,
        metrics=from_text(row.metrics_json),
        warnings=tuple(from_text(row.warnings_json)),
        error=None if row.error_json is None else SpineError.from_dict(from_text(row.error_json)),
    )
