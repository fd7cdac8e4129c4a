"""Runs and their states."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import case, func, insert, literal, literal_column, or_, select, update

from ....domain.runs import Place, Run, RunFilter, RunState, StepCount
from .column_types import UtcTimestamp
from .run_listing import page_of_runs
from .run_rows import new_row, outcome_row, run_of
from .schema_runs import RUN_REQUESTS, RUNS
from .some_ids import some_at_a_time
from .transaction import SqlTransaction

_LIVE = [state.value for state in RunState if not state.final]
# For many at once a list of values cannot be given.
_IS_LIVE = or_(*(RUNS.c.run_state == state for state in _LIVE))


class SqlRunStore:
    """Runs of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def add(self, *runs: Run, request: str | None = None) -> None:
        self._transaction.insert_many(RUNS, [new_row(run) for run in runs])
        if request is not None:
            asked = {"request_id": request, "run_id": runs[0].id}
            self._transaction.write(insert(RUN_REQUESTS), asked)

    def get(self, run_id: str) -> Run | None:
        found = self._transaction.rows(select(RUNS).where(RUNS.c.run_id == run_id))
        return run_of(found[0]) if found else None

    def find(self, run_ids: Collection[str]) -> Sequence[Run]:
        found: list[Run] = []
        for some in some_at_a_time(run_ids):
            statement = select(RUNS).where(RUNS.c.run_id.in_(some)).order_by(RUNS.c.run_id)
            found += map(run_of, self._transaction.rows(statement))
        return found

    def places(self, run_ids: Collection[str]) -> Sequence[Place]:
        columns = RUNS.c
        planned = case(
            (columns.plan_json.is_(None), literal_column("0")), else_=literal_column("1")
        )
        found: list[Place] = []
        for some in some_at_a_time(run_ids):
            statement = select(
                columns.run_id, columns.parent_id, columns.backfill_id, planned
            ).where(columns.run_id.in_(some))
            found += [
                Place(run, parent, backfill, is_workflow=plan == 1)
                for run, parent, backfill, plan in self._transaction.rows(statement)
            ]
        return found

    def list(self, wanted: RunFilter) -> Sequence[Run]:
        statement = page_of_runs(self._transaction, wanted)
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

    def finish(self, *runs: Run) -> int:
        rows = [{"run_id": run.id, **outcome_row(run)} for run in runs]
        return self._transaction.update_many(RUNS, ("run_id",), rows, _IS_LIVE)

    def request_cancel(self, run_id: str, at: datetime) -> bool:
        statement = update(RUNS).where(
            RUNS.c.run_id == run_id,
            RUNS.c.run_state.in_(_LIVE),
            RUNS.c.cancel_requested_at.is_(None),
        )
        return self._transaction.write(statement, {"cancel_requested_at": at}).rowcount == 1

    def hold(self, *run_ids: str) -> Sequence[Run]:
        columns = RUNS.c
        found: list[Run] = []
        for some in some_at_a_time(run_ids):
            these = columns.run_id.in_(some)
            statement = select(RUNS).where(these).order_by(columns.run_id)
            same = update(RUNS).where(these).values(run_state=columns.run_state)
            found += map(run_of, self._transaction.hold(statement, same))
        return found

    def having_live_parts(self, run_ids: Collection[str]) -> Sequence[str]:
        columns = RUNS.c
        found: list[str] = []
        for some in some_at_a_time(run_ids):
            live = (columns.parent_id.in_(some), columns.run_state.in_(_LIVE))
            statement = select(columns.parent_id).where(*live).distinct()
            found += [row.parent_id for row in self._transaction.rows(statement)]
        return found

    def steps(self, *parents: str) -> Sequence[StepCount]:
        columns = RUNS.c
        found: list[StepCount] = []
        for some in some_at_a_time(parents):
            statement = (
                select(columns.parent_id, columns.step_name, columns.run_state, func.count())
                .where(columns.parent_id.in_(some), columns.step_name.is_not(None))
                .group_by(columns.parent_id, columns.step_name, columns.run_state)
                .order_by(columns.parent_id, columns.step_name, columns.run_state)
            )
            found += [
                StepCount(parent, step, RunState(state), runs)
                for parent, step, state, runs in self._transaction.rows(statement)
            ]
        return found
