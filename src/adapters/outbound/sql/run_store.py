"""Runs and their states."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, insert, literal, literal_column, select, update

from ....domain.runs import Run, RunFilter, RunState, StepCount
from .column_types import UtcTimestamp
from .run_listing import newest_first
from .run_rows import new_row, outcome_row, run_of
from .schema_runs import RUN_REQUESTS, RUNS
from .some_ids import some_at_a_time
from .transaction import SqlTransaction

_LIVE = [state.value for state in RunState if not state.final]


class SqlRunStore:
    """Runs of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def add(self, run: Run, *, request: str | None = None) -> None:
        self._transaction.write(insert(RUNS), new_row(run))
        if request is not None:
            asked = {"request_id": request, "run_id": run.id}
            self._transaction.write(insert(RUN_REQUESTS), asked)

    def get(self, run_id: str) -> Run | None:
        found = self._transaction.rows(select(RUNS).where(RUNS.c.run_id == run_id))
        return run_of(found[0]) if found else None

    def list(self, wanted: RunFilter) -> Sequence[Run]:
        statement = newest_first(self._transaction, wanted)
        return [run_of(row) for row in self._transaction.rows(statement)]

    def begin(self, run_ids: Collection[str], *, owner: str, at: datetime) -> int:
        columns = RUNS.c
        begun = 0
        for some in some_at_a_time(run_ids):
            statement = (
                update(RUNS)
                .where(columns.run_id.in_(some), columns.run_state == RunState.PENDING.value)
                .values(
                    attempt_no=func.coalesce(columns.attempt_no, literal_column("0"))
                    + literal_column("1"),
                    started_at=func.coalesce(columns.started_at, literal(at, UtcTimestamp())),
                )
            )
            values = {"run_state": RunState.RUNNING.value, "owner_id": owner}
            begun += self._transaction.write(statement, values).rowcount
        return begun

    def put_back(self, run_id: str) -> bool:
        running = RUNS.c.run_state == RunState.RUNNING.value
        statement = update(RUNS).where(RUNS.c.run_id == run_id, running)
        values = {"run_state": RunState.PENDING.value, "owner_id": None}
        return self._transaction.write(statement, values).rowcount == 1

    def finish(self, run: Run) -> bool:
        statement = update(RUNS).where(RUNS.c.run_id == run.id, RUNS.c.run_state.in_(_LIVE))
        return self._transaction.write(statement, outcome_row(run)).rowcount == 1

    def request_cancel(self, run_id: str, at: datetime) -> bool:
        statement = update(RUNS).where(
            RUNS.c.run_id == run_id,
            RUNS.c.run_state.in_(_LIVE),
            RUNS.c.cancel_requested_at.is_(None),
        )
        return self._transaction.write(statement, {"cancel_requested_at": at}).rowcount == 1

    def hold(self, run_id: str) -> Run | None:
        statement = update(RUNS).where(RUNS.c.run_id == run_id).values(run_state=RUNS.c.run_state)
        return self.get(run_id) if self._transaction.hold(statement) else None

    def steps(self, parent: str) -> Sequence[StepCount]:
        columns = RUNS.c
        statement = (
            select(columns.step_name, columns.run_state, func.count())
            .where(columns.parent_id == parent, columns.step_name.is_not(None))
            .group_by(columns.step_name, columns.run_state)
            .order_by(columns.step_name, columns.run_state)
        )
        return [
            StepCount(step, RunState(state), runs)
            for step, state, runs in self._transaction.rows(statement)
        ]
