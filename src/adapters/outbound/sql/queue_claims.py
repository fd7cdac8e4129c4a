"""How jobs are taken from the queue, at the same cost however many there are.

The jobs of one pipeline in one pool are a lane. Of each lane only the heads are looked at, so
what waits behind them, or behind a limit, is never read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, select, update

from ....domain.queueing import Capacity, Job, QueueState
from .queue_locks import lock_limits
from .queue_rows import JOB_COLUMNS, job_of
from .schema_runs import RUN_QUEUE
from .some_ids import IDS_A_STATEMENT, some_at_a_time
from .transaction import SqlTransaction

_READY = QueueState.READY.value
_WAITING = QueueState.WAITING.value
_CLAIMED = QueueState.CLAIMED.value
# What others have taken meanwhile is made up for by what comes next, so many times.
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class _Lane:
    pool: str
    pipeline: str

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        columns = RUN_QUEUE.c
        return (
            columns.queue_state == _READY,
            columns.pool == self.pool,
            columns.pipeline == self.pipeline,
        )


@dataclass(slots=True)
class _Room:
    """How many jobs may still be taken: in all, of each pool, and of each pipeline."""

    jobs: int
    pools: dict[str, int | None]
    pipelines: dict[str, int | None]

    def of(self, lane: _Lane) -> int:
        bounds = (self.jobs, self.pools[lane.pool], self.pipelines[lane.pipeline])
        return max(0, min(bound for bound in bounds if bound is not None))

    def use(self, lane: _Lane, jobs: int = 1) -> None:
        self.jobs -= jobs
        self.reduce_limits(lane.pool, lane.pipeline, jobs)

    def reduce_limits(self, pool: str, pipeline: str, jobs: int) -> None:
        for limits, name in ((self.pools, pool), (self.pipelines, pipeline)):
            limit = limits.get(name)
            if limit is not None:
                limits[name] = limit - jobs

    def copy(self) -> _Room:
        return _Room(self.jobs, dict(self.pools), dict(self.pipelines))


def claim(transaction: SqlTransaction, capacity: Capacity) -> list[Job]:
    """Take what there is room for, and mark it as the owner's."""
    if capacity.jobs < 1:
        return []
    _make_ready(transaction)
    lanes = list(_lanes(transaction, capacity))
    if not lanes:
        return []
    room = _room(transaction, capacity, lanes)
    until = transaction.dialect.now(transaction.writing) + capacity.lease
    taken: list[Job] = []
    for _ in range(_ROUNDS):
        wanted = _chosen(transaction, lanes, room)
        before = len(taken)
        for lane, count in wanted.items():
            won = _take(transaction, lane, count, capacity.owner, until)
            room.use(lane, len(won))
            taken += won
        if len(taken) - before == sum(wanted.values()):
            break
    return sorted(taken, key=lambda job: (job.ranked_at, job.run))


def _make_ready(transaction: SqlTransaction) -> None:
    """Let jobs that are due be READY: the first 500 of them, so that no claim pays for more."""
    columns = RUN_QUEUE.c
    now = transaction.dialect.now(transaction.writing)
    due = (
        select(columns.run_id)
        .where(columns.queue_state == _WAITING, columns.ready_at <= now)
        .order_by(columns.ready_at)
    )
    found = transaction.rows(
        transaction.dialect.not_held(transaction.dialect.first(due, IDS_A_STATEMENT))
    )
    if found:
        statement = update(RUN_QUEUE).where(
            columns.run_id.in_(sorted(row.run_id for row in found)),
            columns.queue_state == _WAITING,
        )
        transaction.write(statement, {"queue_state": _READY})


def _lanes(transaction: SqlTransaction, capacity: Capacity) -> Iterator[_Lane]:
    """Lanes with waiting jobs that the worker takes; each costs one look into the index."""
    columns = RUN_QUEUE.c
    for pool in sorted(capacity.pools):
        ready = (columns.queue_state == _READY, columns.pool == pool)
        statement = select(columns.pipeline).where(*ready).order_by(columns.pipeline)
        found = _glance(transaction, statement, 1)
        while found:
            pipeline = found[0].pipeline
            if pipeline in capacity.pipelines:
                yield _Lane(pool, pipeline)
            beyond = statement.where(columns.pipeline > pipeline)
            found = _glance(transaction, beyond, 1)


def _room(transaction: SqlTransaction, capacity: Capacity, lanes: list[_Lane]) -> _Room:
    """What is left of the limits, which nobody else uses up until the transaction ends."""
    room = _Room(capacity.jobs, dict(capacity.pools), dict(capacity.pipelines))
    limits = {capacity.pools[lane.pool] for lane in lanes}
    limits |= {capacity.pipelines[lane.pipeline] for lane in lanes}
    if limits == {None}:
        return room
    lock_limits(transaction)
    columns = RUN_QUEUE.c
    now = transaction.dialect.now(transaction.writing)
    running = (
        select(columns.pool, columns.pipeline, func.count().label("jobs"))
        .where(columns.queue_state == _CLAIMED, columns.lease_until > now)
        .group_by(columns.pool, columns.pipeline)
    )
    for row in transaction.rows(transaction.dialect.at_a_glance(running)):
        room.reduce_limits(row.pool, row.pipeline, row.jobs)
    return room


def _chosen(transaction: SqlTransaction, lanes: list[_Lane], room: _Room) -> Mapping[_Lane, int]:
    """How many jobs to take of each lane: those that come first over all of them."""
    columns = RUN_QUEUE.c
    heads: list[tuple[datetime, str, _Lane]] = []
    for lane in lanes:
        statement = (
            select(columns.ranked_at, columns.run_id)
            .where(*lane.conditions())
            .order_by(columns.ranked_at, columns.run_id)
        )
        if count := room.of(lane):
            found = _glance(transaction, statement, count)
            heads += [(row.ranked_at, row.run_id, lane) for row in found]
    left = room.copy()
    wanted: Counter[_Lane] = Counter()
    for _, _, lane in sorted(heads, key=lambda head: head[:2]):
        if left.of(lane):
            left.use(lane)
            wanted[lane] += 1
    return wanted


def _take(
    transaction: SqlTransaction, lane: _Lane, count: int, owner: str, until: datetime
) -> list[Job]:
    """Take the first jobs of a lane, without those that somebody else has just taken."""
    columns = RUN_QUEUE.c
    statement = (
        select(*JOB_COLUMNS).where(*lane.conditions()).order_by(columns.ranked_at, columns.run_id)
    )
    dialect = transaction.dialect
    seen = map(job_of, transaction.rows(dialect.not_held(dialect.first(statement, count))))
    claimed = [
        replace(
            job,
            state=QueueState.CLAIMED,
            owner=owner,
            lease_until=until,
            attempt=job.attempt + 1,
            fence=job.fence + 1,
        )
        for job in seen
    ]
    taken: list[Job] = []
    for fence in sorted({job.fence for job in claimed}):
        alike = [job for job in claimed if job.fence == fence]
        won = _mark(transaction, alike)
        taken += [job for job in alike if job.run in won]
    return taken


def _mark(transaction: SqlTransaction, jobs: list[Job]) -> set[str]:
    """Write the claims of jobs that have the same fence; the runs of those that are ours by it."""
    columns = RUN_QUEUE.c
    first = jobs[0]
    values = {
        "queue_state": _CLAIMED,
        "owner_id": first.owner,
        "lease_until": first.lease_until,
        "fence_no": first.fence,
    }
    won: set[str] = set()
    for some in some_at_a_time([job.run for job in jobs]):
        these = columns.run_id.in_(some)
        unchanged = (columns.queue_state == _READY, columns.fence_no == first.fence - 1)
        change = update(RUN_QUEUE).where(these, *unchanged)
        one_more = {"attempt_no": columns.attempt_no + literal_column("1")}
        if transaction.write(change.values(one_more), values).rowcount == len(some):
            won.update(some)
            continue
        # Without a hold on what was seen others may have been first: then it is theirs.
        ours = (columns.owner_id == first.owner, columns.fence_no == first.fence)
        mine = select(columns.run_id).where(these, columns.queue_state == _CLAIMED, *ours)
        won.update(row.run_id for row in transaction.rows(mine))
    return won


def _glance(transaction: SqlTransaction, statement: Select[Any], count: int) -> Sequence[Any]:
    """The first rows, without waiting for others: what is taken of them is judged again."""
    dialect = transaction.dialect
    return transaction.rows(dialect.at_a_glance(dialect.first(statement, count)))
