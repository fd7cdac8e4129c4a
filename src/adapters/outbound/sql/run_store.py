"""Runs and their states."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import bindparam, case, func, insert, literal_column, or_, select, update

from ....domain.runs import Place, Run, RunFilter, RunState, StepCount
from .run_listing import page_of_runs
from .run_rows import RUN_COLUMNS, new_row, outcome_row, run_of
from .schema_runs import RUN_REQUESTS, RUNS
from .some_ids import IDS, among, some_at_a_time
from .transaction import SqlTransaction

_LIVE = [state.value for state in RunState if not state.final]
# For many at once a list of values cannot be given.
_IS_LIVE = or_(*(RUNS.c.run_state == state for state in _LIVE))

_ONE = select(*RUN_COLUMNS).where(RUNS.c.run_id == bindparam("run"))
_SOME = select(*RUN_COLUMNS).where(among(RUNS.c.run_id)).order_by(RUNS.c.run_id)
_PARTS = select(*RUN_COLUMNS).where(among(RUNS.c.parent_id))
_PARTS_IN = {state: _PARTS.where(RUNS.c.run_state == state.value) for state in RunState}
_SAME = update(RUNS).where(among(RUNS.c.run_id)).values(run_state=RUNS.c.run_state)
_PLACES = select(
    RUNS.c.run_id,
    RUNS.c.parent_id,
    RUNS.c.backfill_id,
    case((RUNS.c.plan_json.is_(None), literal_column("0")), else_=literal_column("1")),
).where(among(RUNS.c.run_id))
_BEGIN = (
    update(RUNS)
    .where(among(RUNS.c.run_id), RUNS.c.run_state == RunState.PENDING.value)
    .values(
        attempt_no=func.coalesce(RUNS.c.attempt_no, literal_column("0")) + literal_column("1"),
        started_at=func.coalesce(RUNS.c.started_at, bindparam("at", type_=RUNS.c.started_at.type)),
    )
)
_PUT_BACK = update(RUNS).where(
    RUNS.c.run_id == bindparam("run"), RUNS.c.run_state == RunState.RUNNING.value
)
_REQUEST_CANCEL = update(RUNS).where(
    among(RUNS.c.run_id), _IS_LIVE, RUNS.c.cancel_requested_at.is_(None)
)
_HAVING_LIVE_PARTS = (
    select(RUNS.c.parent_id).where(among(RUNS.c.parent_id), RUNS.c.run_state.in_(_LIVE)).distinct()
)
_A_STEP = (RUNS.c.parent_id, RUNS.c.step_name, RUNS.c.run_state)
_STEPS = (
    select(*_A_STEP, func.count())
    .where(among(RUNS.c.parent_id), RUNS.c.step_name.is_not(None))
    .group_by(*_A_STEP)
    .order_by(*_A_STEP)
)


class SqlRunStore:
    """Runs of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def add(self, *runs: Run, request: str | None = None) -> None:
        plans: dict[int, str] = {}
        self._transaction.insert_many(RUNS, (new_row(run, plans) for run in runs))
        if request is not None:
            asked = {"request_id": request, "run_id": runs[0].id}
            self._transaction.write(insert(RUN_REQUESTS), asked)

    def get(self, run_id: str) -> Run | None:
        found = self._transaction.rows(_ONE, {"run": run_id})
        return run_of(found[0]) if found else None

    def find(self, run_ids: Collection[str]) -> Sequence[Run]:
        found: list[Run] = []
        for some in some_at_a_time(run_ids):
            found += map(run_of, self._transaction.rows(_SOME, {IDS: some}))
        return found

    def places(self, run_ids: Collection[str]) -> Sequence[Place]:
        found: list[Place] = []
        for some in some_at_a_time(run_ids):
            found += [
                Place(run, parent, backfill, is_workflow=plan == 1)
                for run, parent, backfill, plan in self._transaction.rows(_PLACES, {IDS: some})
            ]
        return found

    def list(self, wanted: RunFilter) -> Sequence[Run]:
        statement = page_of_runs(self._transaction, wanted)
        return [run_of(row) for row in self._transaction.rows(statement)]

    def parts(self, parents: Collection[str], state: RunState | None = None) -> Sequence[Run]:
        statement = _PARTS if state is None else _PARTS_IN[state]
        found: list[Run] = []
        for some in some_at_a_time(parents):
            found += map(run_of, self._transaction.rows(statement, {IDS: some}))
        return sorted(found, key=lambda run: run.id)

    def begin(self, run_ids: Collection[str], *, owner: str, at: datetime) -> int:
        begun = 0
        for some in some_at_a_time(run_ids):
            values = {"run_state": RunState.RUNNING.value, "owner_id": owner, "at": at, IDS: some}
            begun += self._transaction.write(_BEGIN, values).rowcount
        return begun

    def put_back(self, run_id: str) -> bool:
        values = {"run_state": RunState.PENDING.value, "owner_id": None, "run": run_id}
        return self._transaction.write(_PUT_BACK, values).rowcount == 1

    def finish(self, *runs: Run) -> int:
        rows = ({"run_id": run.id, **outcome_row(run)} for run in runs)
        return self._transaction.update_many(RUNS, ("run_id",), rows, _IS_LIVE)

    def request_cancel(self, run_ids: Collection[str], at: datetime) -> int:
        asked = 0
        for some in some_at_a_time(run_ids):
            values = {"cancel_requested_at": at, IDS: some}
            asked += self._transaction.write(_REQUEST_CANCEL, values).rowcount
        return asked

    def hold(self, *run_ids: str) -> Sequence[Run]:
        found: list[Run] = []
        for some in some_at_a_time(run_ids):
            found += map(run_of, self._transaction.hold(_SOME, _SAME, {IDS: some}))
        return found

    def having_live_parts(self, run_ids: Collection[str]) -> Sequence[str]:
        found: list[str] = []
        for some in some_at_a_time(run_ids):
            rows = self._transaction.rows(_HAVING_LIVE_PARTS, {IDS: some})
            found += [row.parent_id for row in rows]
        return found

    def steps(self, *parents: str) -> Sequence[StepCount]:
        found: list[StepCount] = []
        for some in some_at_a_time(parents):
            found += [
                StepCount(parent, step, RunState(state), runs)
                for parent, step, state, runs in self._transaction.rows(_STEPS, {IDS: some})
            ]
        return found
