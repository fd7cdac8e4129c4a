"""Backfills and their partitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from ....domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from ....domain.partitions import PartitionState
from .json_text import from_text, to_text
from .schema_runs import (
    BACKFILL_PARTS,
    BACKFILL_REQUESTS,
    BACKFILLS,
    PART_PARAMETERS_BYTES,
)
from .transaction import SqlTransaction

_PARTS_A_STATEMENT = 1000
_IS = {state: BACKFILL_PARTS.c.part_state == state.value for state in PartState}
_THIS = BACKFILLS.c.backfill_id == bindparam("backfill")
_ONE = select(BACKFILLS).where(_THIS)
_SAME = update(BACKFILLS).where(_THIS).values(backfill_state=BACKFILLS.c.backfill_state)


class SqlBackfillStore:
    """Backfills of one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    def add(
        self, backfill: Backfill, parts: Iterable[BackfillPart], *, request: str | None = None
    ) -> None:
        self._transaction.write(insert(BACKFILLS), _row(backfill))
        if request is not None:
            asked = {"request_id": request, "backfill_id": backfill.id}
            self._transaction.write(insert(BACKFILL_REQUESTS), asked)
        short: list[dict[str, Any]] = []
        for part in parts:
            row = _part_row(part)
            if row["parameters_long"] is not None:
                # Db2 takes no long text in bulk.
                self._transaction.write(insert(BACKFILL_PARTS), row)
                continue
            del row["parameters_long"]
            short.append(row)
        for start in range(0, len(short), _PARTS_A_STATEMENT):
            some = short[start : start + _PARTS_A_STATEMENT]
            self._transaction.write(insert(BACKFILL_PARTS), some)

    def get(self, backfill_id: str) -> Backfill | None:
        found = self._transaction.rows(_ONE, {"backfill": backfill_id})
        return _backfill(found[0]) if found else None

    def find_request(self, request: str) -> Backfill | None:
        columns = BACKFILL_REQUESTS.c
        made = select(columns.backfill_id).where(columns.request_id == request)
        found = self._transaction.rows(made)
        return self.get(found[0].backfill_id) if found else None

    def hold(self, backfill_id: str) -> Backfill | None:
        found = self._transaction.hold(_ONE, _SAME, {"backfill": backfill_id})
        return _backfill(found[0]) if found else None

    def list(
        self,
        *,
        pipeline: str | None = None,
        state: BackfillState | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Sequence[Backfill]:
        columns = BACKFILLS.c
        statement = select(BACKFILLS).order_by(columns.backfill_id.desc())
        if pipeline is not None:
            statement = statement.where(columns.pipeline == pipeline)
        if state is not None:
            statement = statement.where(columns.backfill_state == state.value)
        if before is not None:
            statement = statement.where(columns.backfill_id < before)
        limited = self._transaction.dialect.first(statement, limit)
        return [_backfill(row) for row in self._transaction.rows(limited)]

    def change(
        self,
        backfill_id: str,
        *,
        expected: Collection[BackfillState],
        state: BackfillState,
        finished_at: datetime | None = None,
        max_active: int | None = None,
    ) -> bool:
        if not expected:
            return False
        statement = update(BACKFILLS).where(
            BACKFILLS.c.backfill_id == backfill_id,
            BACKFILLS.c.backfill_state.in_(sorted(item.value for item in expected)),
        )
        values: dict[str, Any] = {"backfill_state": state.value, "finished_at": finished_at}
        if max_active is not None:
            values["max_active"] = max_active
        return self._transaction.write(statement, values).rowcount == 1

    def counts(self, backfill_id: str) -> dict[PartState, int]:
        columns = BACKFILL_PARTS.c
        statement = (
            select(columns.part_state, func.count())
            .where(columns.backfill_id == backfill_id)
            .group_by(columns.part_state)
        )
        return {PartState(state): parts for state, parts in self._transaction.rows(statement)}

    def parts(
        self,
        backfill_id: str,
        *,
        states: Collection[PartState] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[BackfillPart]:
        columns = BACKFILL_PARTS.c
        statement = (
            select(BACKFILL_PARTS)
            .where(columns.backfill_id == backfill_id, columns.part_no > after)
            .order_by(columns.part_no)
        )
        if states:
            wanted = sorted(item.value for item in states)
            statement = statement.where(columns.part_state.in_(wanted))
        limited = self._transaction.dialect.first(statement, limit)
        return [_part(row) for row in self._transaction.rows(limited)]

    def change_parts(self, *changed: BackfillPart, expected: PartState) -> int:
        rows = [
            {
                "backfill_id": part.backfill,
                "part_no": part.number,
                "part_state": part.state.value,
                "run_id": part.run,
            }
            for part in changed
        ]
        return self._transaction.update_many(
            BACKFILL_PARTS, ("backfill_id", "part_no"), rows, _IS[expected]
        )


def _row(backfill: Backfill) -> dict[str, Any]:
    return {
        "backfill_id": backfill.id,
        "pipeline": backfill.pipeline,
        "backfill_state": backfill.state.value,
        "first_date": backfill.first,
        "last_date": backfill.last,
        "wanted_states_json": to_text([item.value for item in backfill.only], "the states wanted"),
        "parameters_json": to_text(
            backfill.parameters, f"the parameters of backfill {backfill.id}"
        ),
        "max_active": backfill.max_active,
        "forced": int(backfill.force),
        "created_at": backfill.created_at,
        "finished_at": backfill.finished_at,
        "step_json": to_text(backfill.step, f"the step of backfill {backfill.id}"),
    }


def _backfill(row: Any) -> Backfill:
    return Backfill(
        id=row.backfill_id,
        pipeline=row.pipeline,
        state=BackfillState(row.backfill_state),
        first=row.first_date,
        last=row.last_date,
        only=tuple(PartitionState(item) for item in from_text(row.wanted_states_json)),
        parameters=from_text(row.parameters_json),
        max_active=row.max_active,
        force=row.forced == 1,
        created_at=row.created_at,
        finished_at=row.finished_at,
        step=from_text(row.step_json),
    )


def _part_row(part: BackfillPart) -> dict[str, Any]:
    what = f"the parameters of partition {part.number} of backfill {part.backfill}"
    parameters = to_text(part.parameters, what)
    fits = len(parameters) <= PART_PARAMETERS_BYTES
    return {
        "backfill_id": part.backfill,
        "part_no": part.number,
        "partition_name": part.partition,
        "parameters_json": parameters if fits else "",
        "parameters_long": None if fits else parameters,
        "reason": part.reason,
        "part_state": part.state.value,
        "run_id": part.run,
    }


def _part(row: Any) -> BackfillPart:
    long = row.parameters_long
    return BackfillPart(
        backfill=row.backfill_id,
        number=row.part_no,
        partition=row.partition_name,
        parameters=from_text(row.parameters_json if long is None else long),
        reason=row.reason,
        state=PartState(row.part_state),
        run=row.run_id,
    )
