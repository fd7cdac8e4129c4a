"""The queue of runs in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from ..domain.errors import LoadError
from ..domain.queueing import Capacity, Job, Lane, Lease, QueueState
from .memory_store_state import MemoryState, MemoryTransaction, as_utc, as_utc_or_none


class MemoryRunQueue:
    """The queue of one transaction, by the time of ``clock``."""

    def __init__(self, transaction: MemoryTransaction, clock: Callable[[], datetime]) -> None:
        self._transaction = transaction
        self._clock = clock

    def now(self) -> datetime:
        _ = self._transaction.reading
        return as_utc(self._clock())

    def add(self, *jobs: Job) -> tuple[Job, ...]:
        state = self._transaction.writing
        return tuple(self._added(state, job) for job in jobs)

    def _added(self, state: MemoryState, job: Job) -> Job:
        if job.run in state.queue:
            raise LoadError(f"the run {job.run} is queued already")
        state.require_run(job.run)
        held = (
            job.state is not QueueState.CLAIMED
            and job.key is not None
            and any(other.key == job.key for other in state.queue.values())
        )
        state.queue[job.run] = replace(
            job,
            state=QueueState.HELD if held else job.state,
            ranked_at=as_utc(job.ranked_at),
            ready_at=as_utc_or_none(job.ready_at),
            lease_until=as_utc_or_none(job.lease_until),
        )
        return state.queue[job.run]

    def get(self, run_id: str) -> Job | None:
        return self._transaction.reading.queue.get(run_id)

    def claim(self, capacity: Capacity) -> tuple[Job, ...]:
        state = self._transaction.writing
        now = self.now()
        running = [job for job in state.queue.values() if _holds(job, now)]
        pools = _Room(capacity.pools, Counter(job.pool for job in running))
        pipelines = _Room(capacity.pipelines, Counter(job.pipeline for job in running))
        claimed: list[Job] = []
        for job in sorted((job for job in state.queue.values() if _is_due(job, now)), key=_rank):
            if len(claimed) >= capacity.jobs:
                break
            if not (pools.has(job.pool) and pipelines.has(job.pipeline)):
                continue
            pools.take(job.pool)
            pipelines.take(job.pipeline)
            claimed.append(
                replace(
                    job,
                    state=QueueState.CLAIMED,
                    owner=capacity.owner,
                    lease_until=now + capacity.lease,
                    fence=job.fence + 1,
                    attempt=job.attempt + 1,
                )
            )
        state.queue.update((job.run, job) for job in claimed)
        return tuple(claimed)

    def claimed(self) -> tuple[Job, ...]:
        jobs = self._transaction.reading.queue.values()
        return tuple(job for job in jobs if job.state is QueueState.CLAIMED)

    def lanes(self, state: QueueState) -> tuple[Lane, ...]:
        jobs = self._transaction.reading.queue.values()
        return tuple(sorted({Lane(it.pool, it.pipeline) for it in jobs if it.state is state}))

    def renew(self, owner: str, lease: timedelta) -> tuple[Job, ...]:
        state = self._transaction.writing
        until = self.now() + lease
        renewed = [
            replace(job, lease_until=until)
            for job in state.queue.values()
            if job.state is QueueState.CLAIMED and job.owner == owner
        ]
        state.queue.update((job.run, job) for job in renewed)
        return tuple(renewed)

    def put_back(self, lease: Lease, job: Job) -> bool:
        state = self._transaction.writing
        present = _under(state, lease)
        if present is None:
            return False
        state.queue[lease.run] = replace(
            present,
            state=job.state,
            ready_at=as_utc_or_none(job.ready_at),
            failures=job.failures,
            losses=job.losses,
            owner=None,
            lease_until=None,
        )
        return True

    def remove(self, *leases: Lease) -> int:
        state = self._transaction.writing
        removed = 0
        for lease in leases:
            present = _under(state, lease)
            if present is not None:
                self._take_out(state, present)
                removed += 1
        return removed

    def cancel(self, *run_ids: str) -> dict[str, QueueState]:
        state = self._transaction.writing
        jobs = [state.queue[run_id] for run_id in sorted(set(run_ids)) if run_id in state.queue]
        for job in jobs:
            if job.state is QueueState.CLAIMED:
                state.queue[job.run] = replace(job, cancel_requested=True)
        for job in jobs:
            if job.state is not QueueState.CLAIMED:
                self._take_out(state, job)
        return {job.run: job.state for job in jobs}

    def _take_out(self, state: MemoryState, job: Job) -> None:
        """Remove a job, and free the first that waits for its key once nobody has it."""
        del state.queue[job.run]
        state.progress.pop(job.run, None)
        if job.key is None:
            return
        others = [other for other in state.queue.values() if other.key == job.key]
        if not others or any(other.state is not QueueState.HELD for other in others):
            return
        freed = min(others, key=_rank)
        early = freed.ready_at is not None and freed.ready_at > self.now()
        state.queue[freed.run] = replace(
            freed, state=QueueState.WAITING if early else QueueState.READY
        )


class _Room:
    """How many more jobs of each name may run, by the limits of a capacity."""

    def __init__(self, limits: Mapping[str, int | None], running: Counter[str]) -> None:
        self._limits = limits
        self._running = running

    def has(self, name: str) -> bool:
        if name not in self._limits:
            return False
        limit = self._limits[name]
        return limit is None or self._running[name] < limit

    def take(self, name: str) -> None:
        self._running[name] += 1


def _rank(job: Job) -> tuple[datetime, str]:
    return job.ranked_at, job.run


def _holds(job: Job, now: datetime) -> bool:
    return job.state is QueueState.CLAIMED and job.lease_until is not None and job.lease_until > now


def _is_due(job: Job, now: datetime) -> bool:
    if job.state is QueueState.WAITING:
        return job.ready_at is None or job.ready_at <= now
    return job.state is QueueState.READY


def _under(state: MemoryState, lease: Lease) -> Job | None:
    """The job that is held under the lease, None when it is not the present one."""
    job = state.queue.get(lease.run)
    if job is None or job.state is not QueueState.CLAIMED or job.lease != lease:
        return None
    return job
