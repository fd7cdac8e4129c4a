"""How jobs are taken from the queue, at the same cost however many there are.

Of each lane only the heads are looked at, so what waits behind them, or behind a limit, is never
read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import bindparam, func, literal_column, select, update

from ....domain.queueing import Capacity, Job, Lane, QueueState
from .queue_lanes import at_a_glance, of_lane, ready_lanes
from .queue_locks import lock_limits
from .queue_rows import JOB_COLUMNS, job_of
from .schema_runs import RUN_QUEUE
from .some_ids import IDS, IDS_A_STATEMENT, among, some_at_a_time
from .transaction import SqlTransaction

_READY = QueueState.READY.value
_WAITING = QueueState.WAITING.value
_CLAIMED = QueueState.CLAIMED.value
# What others have taken meanwhile is made up for by what comes next, so many times.
_ROUNDS = 3

_QUEUED = RUN_QUEUE.c
_DUE = (
    select(_QUEUED.run_id)
    .where(_QUEUED.queue_state == _WAITING, _QUEUED.ready_at <= bindparam("now"))
    .order_by(_QUEUED.ready_at)
)
_MAKE_READY = update(RUN_QUEUE).where(among(_QUEUED.run_id), _QUEUED.queue_state == _WAITING)
_RUNNING = (
    select(_QUEUED.pool, _QUEUED.pipeline, func.count().label("jobs"))
    .where(_QUEUED.queue_state == _CLAIMED, _QUEUED.lease_until > bindparam("now"))
    .group_by(_QUEUED.pool, _QUEUED.pipeline)
)
_IN_LANE = (
    _QUEUED.queue_state == _READY,
    _QUEUED.pool == bindparam("pool"),
    _QUEUED.pipeline == bindparam("pipeline"),
)
_FIRST_COMES_FIRST = (_QUEUED.ranked_at, _QUEUED.run_id)
_HEADS = select(*_FIRST_COMES_FIRST).where(*_IN_LANE).order_by(*_FIRST_COMES_FIRST)
_JOBS = select(*JOB_COLUMNS).where(*_IN_LANE).order_by(*_FIRST_COMES_FIRST)
_MARK = (
    update(RUN_QUEUE)
    .where(
        among(_QUEUED.run_id),
        _QUEUED.queue_state == _READY,
        _QUEUED.fence_no == bindparam("fence_before"),
    )
    .values(attempt_no=_QUEUED.attempt_no + literal_column("1"))
)
_MARKED = select(_QUEUED.run_id).where(
    among(_QUEUED.run_id),
    _QUEUED.queue_state == _CLAIMED,
    _QUEUED.owner_id == bindparam("owner"),
    _QUEUED.fence_no == bindparam("fence"),
)


@dataclass(slots=True)
class _Room:
    """How many jobs may still be taken: in all, of each pool, and of each pipeline."""

    jobs: int
    pools: dict[str, int | None]
    pipelines: dict[str, int | None]

    def of(self, lane: Lane) -> int:
        bounds = (self.jobs, self.pools[lane.pool], self.pipelines[lane.pipeline])
        return max(0, min(bound for bound in bounds if bound is not None))

    def use(self, lane: Lane, jobs: int = 1) -> None:
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
    now = _make_ready(transaction)
    lanes = list(ready_lanes(transaction, capacity))
    if not lanes:
        return []
    room, counted = _room(transaction, capacity, lanes)
    until = (counted or now) + capacity.lease
    taken: list[Job] = []
    for _ in range(_ROUNDS):
        wanted = _chosen(transaction, lanes, room)
        lost = 0
        for lane, count in wanted.items():
            seen, won = _take(transaction, lane, count, capacity.owner, until)
            room.use(lane, len(won))
            taken += won
            # Of one lane alone nobody has looked whether there are so many.
            lost += (seen if len(lanes) == 1 else count) - len(won)
        if not lost:
            break
    return sorted(taken, key=lambda job: (job.ranked_at, job.run))


def _make_ready(transaction: SqlTransaction) -> datetime:
    """Let jobs that are due be READY: the first 500 of them, so that no claim pays for more.

    Answers the time.
    """
    now = transaction.dialect.now(transaction.writing)
    due = transaction.dialect.not_held(transaction.dialect.first(_DUE, IDS_A_STATEMENT))
    found = sorted(row.run_id for row in transaction.rows(due, {"now": now}))
    if found:
        transaction.write(_MAKE_READY, {"queue_state": _READY, IDS: found})
        # Where nothing is passed over it may have waited for others.
        now = transaction.dialect.now(transaction.writing)
    return now


def _room(
    transaction: SqlTransaction, capacity: Capacity, lanes: list[Lane]
) -> tuple[_Room, datetime | None]:
    """What is left of the limits, which nobody else uses up until the transaction ends.

    And when that was counted; None where nothing is limited.
    """
    room = _Room(capacity.jobs, dict(capacity.pools), dict(capacity.pipelines))
    limits = {capacity.pools[lane.pool] for lane in lanes}
    limits |= {capacity.pipelines[lane.pipeline] for lane in lanes}
    if limits == {None}:
        return room, None
    lock_limits(transaction)
    now = transaction.dialect.now(transaction.writing)
    running = transaction.dialect.at_a_glance(_RUNNING)
    for row in transaction.rows(running, {"now": now}):
        room.reduce_limits(row.pool, row.pipeline, row.jobs)
    return room, now


def _chosen(transaction: SqlTransaction, lanes: list[Lane], room: _Room) -> Mapping[Lane, int]:
    """How many jobs to take of each lane: those that come first over all of them.

    Of one lane alone as many as there may be.
    """
    if len(lanes) == 1:
        return {lane: count for lane in lanes if (count := room.of(lane))}
    heads: list[tuple[datetime, str, Lane]] = []
    for lane in lanes:
        if count := room.of(lane):
            found = at_a_glance(transaction, _HEADS, count, of_lane(lane))
            heads += [(row.ranked_at, row.run_id, lane) for row in found]
    left = room.copy()
    wanted: Counter[Lane] = Counter()
    for _, _, lane in sorted(heads, key=lambda head: head[:2]):
        if left.of(lane):
            left.use(lane)
            wanted[lane] += 1
    return wanted


def _take(
    transaction: SqlTransaction, lane: Lane, count: int, owner: str, until: datetime
) -> tuple[int, list[Job]]:
    """Take the first jobs of a lane, without those that somebody else has just taken.

    Answers how many were found as well.
    """
    dialect = transaction.dialect
    statement = dialect.not_held(dialect.first(_JOBS, count))
    seen = [job_of(row) for row in transaction.rows(statement, of_lane(lane))]
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
    return len(seen), taken


def _mark(transaction: SqlTransaction, jobs: list[Job]) -> set[str]:
    """Write the claims of jobs that have the same fence; the runs of those that are ours by it."""
    first = jobs[0]
    values = {
        "queue_state": _CLAIMED,
        "owner_id": first.owner,
        "lease_until": first.lease_until,
        "fence_no": first.fence,
        "fence_before": first.fence - 1,
    }
    won: set[str] = set()
    for some in some_at_a_time([job.run for job in jobs]):
        if transaction.write(_MARK, {**values, IDS: some}).rowcount == len(some):
            won.update(some)
            continue
        # Without a hold on what was seen others may have been first: then it is theirs.
        ours = {"owner": first.owner, "fence": first.fence, IDS: some}
        won.update(row.run_id for row in transaction.rows(_MARKED, ours))
    return won
