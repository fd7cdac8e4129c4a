"""Live runs as they wait and are held.

Every change restates in its statement what it goes out from; the number of rows says whether that
still held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from ....domain.queueing import Capacity, Job, Lane, Lease, QueueState
from .queue_claims import claim
from .queue_lanes import lanes_of
from .queue_locks import lock_key
from .queue_rows import JOB_COLUMNS, job_of, key_digest, row_of
from .schema_runs import RUN_QUEUE
from .some_ids import IDS, among, some_at_a_time
from .transaction import SqlTransaction

_CLAIMED = QueueState.CLAIMED.value
_HELD = QueueState.HELD.value
_HAVING_THE_KEY = [QueueState.READY.value, QueueState.WAITING.value, _CLAIMED]

_QUEUED = RUN_QUEUE.c
_JOBS = select(*JOB_COLUMNS)
_ONE = _JOBS.where(_QUEUED.run_id == bindparam("run"))
_CLAIMS = _JOBS.where(_QUEUED.queue_state == _CLAIMED).order_by(_QUEUED.run_id)
_HELD_BY_OWNER = (_QUEUED.owner_id == bindparam("owner"), _QUEUED.queue_state == _CLAIMED)
_IDS_OF_OWNER = select(_QUEUED.run_id).where(*_HELD_BY_OWNER)
_OF_OWNER = _JOBS.where(*_HELD_BY_OWNER)
_RENEW = update(RUN_QUEUE).where(among(_QUEUED.run_id), *_HELD_BY_OWNER)
_HELD_BY_LEASES = (
    among(_QUEUED.run_id),
    _QUEUED.queue_state == _CLAIMED,
    _QUEUED.fence_no == bindparam("fence"),
    _QUEUED.owner_id == bindparam("owner"),
)
_PUT_BACK = update(RUN_QUEUE).where(*_HELD_BY_LEASES)
_REMOVE = delete(RUN_QUEUE).where(*_HELD_BY_LEASES)
_SOME = _JOBS.where(among(_QUEUED.run_id)).order_by(_QUEUED.run_id)
_SAME = update(RUN_QUEUE).where(among(_QUEUED.run_id)).values(queue_state=_QUEUED.queue_state)
_MARK_CANCELLED = update(RUN_QUEUE).where(among(_QUEUED.run_id), _QUEUED.queue_state == _CLAIMED)
_REMOVE_WAITING = delete(RUN_QUEUE).where(among(_QUEUED.run_id), _QUEUED.queue_state != _CLAIMED)
_FREE = update(RUN_QUEUE).where(_QUEUED.run_id == bindparam("run"), _QUEUED.queue_state == _HELD)
_KEYS = select(_QUEUED.run_id, _QUEUED.job_key_digest).where(
    among(_QUEUED.run_id), _QUEUED.job_key_digest.is_not(None)
)
_KEYS_IN_USE = select(_QUEUED.job_key_digest).where(among(_QUEUED.job_key_digest)).distinct()
_OF_KEY = _JOBS.where(
    _QUEUED.job_key_digest == bindparam("digest"), _QUEUED.queue_state == bindparam("state")
).order_by(_QUEUED.ranked_at, _QUEUED.run_id)


class SqlRunQueue:
    """The queue in one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction
        self._rung = False

    def now(self) -> datetime:
        return self._transaction.dialect.now(self._transaction.reading)

    def add(self, *jobs: Job) -> Sequence[Job]:
        free = (row_of(job) for job in jobs if job.key is None)
        self._transaction.insert_many(RUN_QUEUE, free)
        digests = {job.key: key_digest(job.key) for job in jobs if job.key is not None}
        self._lock(digests.values())
        queued = [job if job.key is None else self._with_key(job, digests[job.key]) for job in jobs]
        if any(job.state is QueueState.READY for job in queued):
            self._ring()
        return queued

    def _with_key(self, job: Job, digest: str) -> Job:
        if job.state is not QueueState.CLAIMED:
            job = replace(job, state=self._state_of_new(job, digest))
        self._transaction.write(insert(RUN_QUEUE), row_of(job))
        return job

    def get(self, run_id: str) -> Job | None:
        found = self._transaction.rows(_ONE, {"run": run_id})
        return job_of(found[0]) if found else None

    def claim(self, capacity: Capacity) -> Sequence[Job]:
        return claim(self._transaction, capacity)

    def claimed(self) -> Sequence[Job]:
        found = self._transaction.rows(self._transaction.dialect.at_a_glance(_CLAIMS))
        return [job_of(row) for row in found]

    def lanes(self, state: QueueState) -> Sequence[Lane]:
        return lanes_of(self._transaction, state)

    def renew(self, owner: str, lease: timedelta) -> Sequence[Job]:
        _ = self._transaction.writing  # what only reads is refused whatever it finds
        of_owner = {"owner": owner}
        until = {"lease_until": self.now() + lease, **of_owner}
        # What another transaction is changing is passed over: it must not keep the rest waiting.
        free = self._transaction.rows(self._transaction.dialect.not_held(_IDS_OF_OWNER), of_owner)
        for some in some_at_a_time([row.run_id for row in free]):
            self._transaction.write(_RENEW, {**until, IDS: some})
        return [job_of(row) for row in self._transaction.rows(_OF_OWNER, of_owner)]

    def put_back(self, lease: Lease, job: Job) -> bool:
        back = {
            "queue_state": job.state.value,
            "ready_at": job.ready_at,
            "failures": job.failures,
            "losses": job.losses,
            "owner_id": None,
            "lease_until": None,
            **_held_by([lease], [lease.run]),
        }
        if job.state is QueueState.READY:
            self._ring()
        return self._transaction.write(_PUT_BACK, back).rowcount == 1

    def remove(self, *leases: Lease) -> int:
        keys = self._lock_keys_of([lease.run for lease in leases])
        removed = 0
        # Each of a key by itself: what is removed decides whether the key is passed on.
        for lease in leases:
            if (digest := keys.get(lease.run)) is not None and self._delete([lease]):
                self._pass_on(digest)
                removed += 1
        alike: dict[tuple[str, int], list[Lease]] = {}
        for lease in leases:
            if lease.run not in keys:
                alike.setdefault((lease.owner, lease.fence), []).append(lease)
        return removed + sum(self._delete(some) for some in alike.values())

    def _delete(self, leases: list[Lease]) -> int:
        """Delete the jobs of leases that differ in their runs only."""
        deleted = 0
        for some in some_at_a_time([lease.run for lease in leases]):
            deleted += self._transaction.write(_REMOVE, _held_by(leases, some)).rowcount
        return deleted

    def cancel(self, *run_ids: str) -> Mapping[str, QueueState]:
        keys = self._lock_keys_of(run_ids)
        states: dict[str, QueueState] = {}
        for some in some_at_a_time(run_ids):
            # Held, so that what each of them is does not change before it is acted upon.
            jobs = map(job_of, self._transaction.hold(_SOME, _SAME, {IDS: some}))
            found = {job.run: job.state for job in jobs}
            claimed = [run for run, state in found.items() if state is QueueState.CLAIMED]
            if claimed:
                self._transaction.write(_MARK_CANCELLED, {"cancel_requested": 1, IDS: claimed})
            waiting = [run for run in found if run not in set(claimed)]
            if waiting:
                self._transaction.write(_REMOVE_WAITING, {IDS: waiting})
            states |= found
        gone = {run for run, state in states.items() if state is not QueueState.CLAIMED}
        self._pass_on_all({digest for run, digest in keys.items() if run in gone})
        return states

    def _pass_on_all(self, digests: Collection[str]) -> None:
        for some in some_at_a_time(digests):
            for row in self._transaction.rows(_KEYS_IN_USE, {IDS: some}):
                self._pass_on(row.job_key_digest)

    def _state_of_new(self, job: Job, digest: str) -> QueueState:
        if self._is_had(digest):
            return QueueState.HELD
        return self._freed(job) if job.state is QueueState.HELD else job.state

    def _lock_keys_of(self, run_ids: Collection[str]) -> dict[str, str]:
        """The digests of those jobs' keys that have one, locked; the key of a job never changes."""
        # Also where there is no job: what only reads is refused whatever it finds.
        _ = self._transaction.writing
        keys: dict[str, str] = {}
        for some in some_at_a_time(run_ids):
            having = self._transaction.rows(_KEYS, {IDS: some})
            keys.update((run_id, digest) for run_id, digest in having)
        self._lock(keys.values())
        return keys

    def _lock(self, digests: Iterable[str]) -> None:
        for digest in sorted(set(digests)):
            lock_key(self._transaction, digest)

    def _is_had(self, digest: str) -> bool:
        """Whether a job that is not held has the key."""
        # One question for each state, in the order of the index: it ends at the first entry.
        return any(self._first_of_key(digest, state) for state in _HAVING_THE_KEY)

    def _first_of_key(self, digest: str, state: str) -> Sequence[Any]:
        first = self._transaction.dialect.first(_OF_KEY, 1)
        return self._transaction.rows(first, {"digest": digest, "state": state})

    def _pass_on(self, digest: str) -> None:
        """Let the first of the held jobs have the key, unless another one has it still."""
        if self._is_had(digest):
            return
        for row in self._first_of_key(digest, _HELD):
            freed = {"queue_state": self._freed(job_of(row)).value}
            self._transaction.write(_FREE, {**freed, "run": row.run_id})
            self._ring()

    def _ring(self) -> None:
        """Once for a transaction is enough."""
        if not self._rung:
            self._rung = True
            self._transaction.dialect.ring(self._transaction.writing)

    def _freed(self, job: Job) -> QueueState:
        """What a held job becomes: one that was to wait still does, until it is due."""
        waits = job.ready_at is not None and job.ready_at > self.now()
        return QueueState.WAITING if waits else QueueState.READY


def _held_by(alike: Sequence[Lease], run_ids: list[str]) -> dict[str, Any]:
    """What statements about leases are given, which differ in their runs only."""
    return {"fence": alike[0].fence, "owner": alike[0].owner, IDS: run_ids}
