"""Which lanes there are in the queue: each costs one look into the index, however long it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, select

from ....domain.queueing import Capacity, Lane, QueueState
from .schema_runs import RUN_QUEUE
from .transaction import SqlTransaction

_QUEUED = RUN_QUEUE.c
_LANES = (
    select(_QUEUED.pool, _QUEUED.pipeline)
    .where(_QUEUED.queue_state == bindparam("state"))
    .order_by(_QUEUED.pool, _QUEUED.pipeline)
)
_BEHIND_POOL = _LANES.where(_QUEUED.pool > bindparam("pool"))
_IN_POOL = _LANES.where(_QUEUED.pool == bindparam("pool"))
_BEHIND_LANE = _IN_POOL.where(_QUEUED.pipeline > bindparam("pipeline"))


def of_lane(lane: Lane) -> Mapping[str, str]:
    """The values of statements that ask for one lane."""
    return {"pool": lane.pool, "pipeline": lane.pipeline}


def ready_lanes(transaction: SqlTransaction, capacity: Capacity) -> Iterator[Lane]:
    """Lanes with READY jobs that the worker takes."""
    for pool in sorted(capacity.pools):
        for lane in _of_pool(transaction, QueueState.READY, pool):
            if lane.pipeline in capacity.pipelines:
                yield lane


def lanes_of(transaction: SqlTransaction, state: QueueState) -> list[Lane]:
    """All lanes with jobs in that state."""
    found: list[Lane] = []
    among = {"state": state.value}
    lane = _first(transaction, _LANES, among)
    while lane is not None:
        found += _of_pool(transaction, state, lane.pool)
        lane = _first(transaction, _BEHIND_POOL, {**among, "pool": lane.pool})
    return found


def at_a_glance(
    transaction: SqlTransaction, statement: Select[Any], count: int, values: Mapping[str, Any]
) -> Sequence[Any]:
    """The first rows, without waiting for others: what is taken of them is judged again."""
    dialect = transaction.dialect
    return transaction.rows(dialect.at_a_glance(dialect.first(statement, count)), values)


def _of_pool(transaction: SqlTransaction, state: QueueState, pool: str) -> Iterator[Lane]:
    among = {"state": state.value}
    lane = _first(transaction, _IN_POOL, {**among, "pool": pool})
    while lane is not None:
        yield lane
        lane = _first(transaction, _BEHIND_LANE, {**among, **of_lane(lane)})


def _first(
    transaction: SqlTransaction, statement: Select[Any], values: Mapping[str, Any]
) -> Lane | None:
    found = at_a_glance(transaction, statement, 1, values)
    return Lane(*found[0]) if found else None
