"""The life of a run: every change of its state, in the transaction of whoever makes it.

Locks are taken from the top: a backfill, then a workflow's run, then what is inside it. All
times are the store's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ..domain.errors import (
    LoadError,
    SpineError,
)
from ..domain.queueing import Capacity, Job, Lease, QueueState
from ..domain.runs import EventKind, Run, RunEvent, RunState
from ..ports.runtime import Chance, Processes
from ..ports.storage import UnitOfWork
from .cancellation import Cancellation, live_parts
from .progression import Held, Progression
from .run_endings import cancelled, lease_lost, vanished
from .run_events import event_of_end, event_of_job
from .submissions import Prepared

log = logging.getLogger(__name__)

MOST_LOSSES = 10
"""So often the process of a run may vanish before the run itself is taken for the reason."""

_QUICK = 10.0
"""Seconds between two statements of a change of a run; whoever is silent for longer is stopped."""
_LONGEST_PAUSE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that was taken, and the run that it stands for."""

    job: Job
    run: Run


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What may become of a run. Each method is a part of the caller's unit of work."""

    progression: Progression
    processes: Processes
    chance: Chance

    @property
    def _cancellation(self) -> Cancellation:
        return Cancellation(self.progression)

    def submit(self, unit: UnitOfWork, item: Prepared, *, request: str | None = None) -> Run:
        """Queue a run that no process holds; a workflow's steps are queued instead of it."""
        at = unit.queue.now()
        run = replace(item.run, created_at=at)
        unit.runs.add(run, request=request)
        unit.journal.record([RunEvent(run.id, EventKind.SUBMITTED, at)])
        if item.plan is None:
            # Ranked by the store's time, whatever the clock says of the process that asks.
            unit.queue.add(_moved(item.job, at - item.run.created_at))
        else:
            self.progression.begin(unit, run)
        return run

    def begin(self, unit: UnitOfWork, item: Prepared, owner: str, lease: timedelta) -> Job:
        """Store a run that its process executes itself: claimed from its first moment on."""
        at = unit.queue.now()
        job = replace(
            item.job,
            state=QueueState.CLAIMED,
            ranked_at=at,
            owner=owner,
            attempt=1,
            fence=1,
            lease_until=at + lease,
        )
        run = replace(
            item.run,
            state=RunState.RUNNING,
            created_at=at,
            started_at=at,
            owner=owner,
            attempt=1,
        )
        unit.runs.add(run)
        unit.queue.add(job)
        unit.journal.record(
            [
                RunEvent(run.id, EventKind.SUBMITTED, at),
                RunEvent(run.id, EventKind.CLAIMED, at, 1, 1, owner),
            ]
        )
        if item.plan is not None:
            self.progression.begin(unit, run)
        return job

    def claim(self, unit: UnitOfWork, capacity: Capacity) -> Sequence[Claim]:
        """Take what a worker has room for; its runs are RUNNING from now on."""
        unit.limit_silence(_QUICK)
        jobs = unit.queue.claim(capacity)
        if not jobs:
            return ()
        at = unit.queue.now()
        unit.runs.begin([job.run for job in jobs], owner=capacity.owner, at=at)
        runs = {run.id: run for run in unit.runs.find([job.run for job in jobs])}
        claims: list[Claim] = []
        for job in jobs:
            run = runs.get(job.run)
            if run is not None and run.state is RunState.RUNNING:
                claims.append(Claim(job, run))
            else:  # there must be none
                log.error("job of run %s has outlived it, and is removed", job.run)
                unit.queue.remove(job.lease)
        unit.journal.record(event_of_job(claim.job, EventKind.CLAIMED, at) for claim in claims)
        self.progression.begin_above(unit, [claim.run for claim in claims], capacity.owner, at)
        return claims

    def finish(self, unit: UnitOfWork, lease: Lease, run: Run) -> Run:
        """Write the final outcome of a claimed run, and go on with what waits for it.

        Raises a LeaseLostError when another process holds the run, or it is final already.
        """
        [ended] = self.finish_all(unit, [(lease, run)])
        return ended

    def finish_all(self, unit: UnitOfWork, ended: Sequence[tuple[Lease, Run]]) -> Sequence[Run]:
        """Write the final outcomes of claimed runs, and go on with what waits for them.

        Raises a LeaseLostError when another process holds one of them, or it is final already:
        nothing that was written in ``unit`` may be committed then.
        """
        unit.limit_silence(_QUICK)
        held = self.progression.hold_above(unit, [run for _, run in ended])
        leases = [lease for lease, _ in ended]
        if unit.queue.remove(*leases) != len(leases):
            raise lease_lost(", ".join(lease.run for lease in leases))
        return self._close(unit, ended, held)

    def fail(self, unit: UnitOfWork, lease: Lease, run: Run) -> Run:
        """End a claimed run with its error, unless it was cancelled or is to be tried again.

        Raises as :meth:`finish` does.
        """
        unit.limit_silence(_QUICK)
        held = self.progression.hold_above(unit, [run])
        job = _present(unit, lease)
        error = run.error
        assert error is not None  # noqa: S101  # a run fails for a reason
        if not job.cancel_requested:
            again = self._again(job, error)
            if again is not None:
                return self._retry_later(unit, *again, run)
        if not unit.queue.remove(lease):
            raise lease_lost(lease.run)
        state = RunState.CANCELLED if job.cancel_requested else RunState.FAILED
        [ended] = self._close(unit, [(lease, replace(run, state=state))], held)
        return ended

    def release(self, unit: UnitOfWork, lease: Lease, *, lost: bool = False) -> bool:
        """Give a claimed run back undone, so that another process takes it at once.

        ``lost`` counts it among those whose process vanished. False when the lease was lost. A run
        that is attached or to be cancelled ends instead.
        """
        if lost:
            return self._let_go(unit, lease, EventKind.LEASE_LOST, losses=1)
        return self._let_go(unit, lease, EventKind.RELEASED, losses=0)

    def take_back(self, unit: UnitOfWork, lease: Lease) -> bool:
        """Take a run back from a process that has vanished; False when it has not.

        Raises a LeaseLostError when another process is first.
        """
        return self._let_go(unit, lease, EventKind.LEASE_LOST, losses=1, unless_alive=True)

    def is_vanished(self, job: Job, at: datetime) -> bool:
        """Whether nobody holds a claimed job any more."""
        if job.lease_until is None or job.lease_until < at:
            return True
        return job.owner is not None and not self.processes.alive(job.owner)

    def cancel(self, unit: UnitOfWork, run_id: str) -> Run | None:
        """Ask for a run to be cancelled, with all that is inside it; the run as it stands then.

        What waits is cancelled at once; what is executed is told, and ends when its process has
        noticed. None when there is no such run; a final run stays as it is.
        """
        found = unit.runs.get(run_id)
        if found is None:
            return None
        unit.limit_silence(_QUICK)
        self.progression.hold_above(unit, [found])
        self._cancellation.cancel(unit, found)
        return unit.runs.get(run_id)

    def release_tree(self, unit: UnitOfWork, run_id: str) -> None:
        """End all that is live of a run that was cancelled, and that no process executes."""
        run = _held_live(unit, run_id)
        if run is None:
            return
        for part in live_parts(unit, run_id):
            self.release_tree(unit, part.id)
        job = unit.queue.get(run_id)
        if job is not None and job.state is QueueState.CLAIMED and run.plan is None:
            self._let_go(unit, job.lease, EventKind.RELEASED, losses=0)

    # What the changes above have in common

    def _close(
        self, unit: UnitOfWork, ended: Sequence[tuple[Lease, Run]], held: Held | None = None
    ) -> Sequence[Run]:
        """Write the outcomes of runs whose jobs are gone."""
        at = unit.queue.now()
        runs = [replace(run, finished_at=at) for _, run in ended]
        if unit.runs.finish(*runs) != len(runs):
            raise lease_lost(", ".join(run.id for run in runs))
        unit.journal.record(
            event_of_end(run, at, lease) for (lease, _), run in zip(ended, runs, strict=True)
        )
        self._abandon_parts(unit, [run.id for run in runs], at)
        self.progression.after(unit, runs, held)
        return runs

    def _again(self, job: Job, error: SpineError) -> tuple[Job, float] | None:
        """The job for another attempt, and the seconds until then; None when there is none.

        That the store was away is no failure of the run's own: it costs none of its attempts.
        """
        if isinstance(error, LoadError) and error.retryable and not job.attached:
            lost = job.losses + 1
            pause = self.chance.draw() * min(_LONGEST_PAUSE, 2.0**lost)
            return (replace(job, losses=lost), pause) if lost <= MOST_LOSSES else None
        failures = job.failures + 1
        wait = job.retry.wait(error, failures, self.chance.draw())
        return None if wait is None else (replace(job, failures=failures), wait)

    def _retry_later(self, unit: UnitOfWork, job: Job, pause: float, run: Run) -> Run:
        at = unit.queue.now()
        due = at + timedelta(seconds=pause)
        waiting = replace(
            job, state=QueueState.WAITING if pause else QueueState.READY, ready_at=due
        )
        assert run.error is not None  # noqa: S101  # as the caller has seen
        detail = {
            "error": run.error.to_dict(),
            "pause": pause,
            "due": due.isoformat(),
            "attempts": job.retry.attempts,
        }
        self._back(unit, job.lease, waiting, EventKind.RETRY_SCHEDULED, detail)
        return self._unless_cancelled(unit, run)

    def _let_go(
        self,
        unit: UnitOfWork,
        lease: Lease,
        kind: EventKind,
        *,
        losses: int,
        unless_alive: bool = False,
    ) -> bool:
        """Give a job back to the queue, or end it when no one is to do it again."""
        unit.limit_silence(_QUICK)
        run = unit.runs.get(lease.run)
        if run is None:
            return False
        self.progression.hold_above(unit, [run])
        job = unit.queue.get(lease.run)
        if job is None or job.state is not QueueState.CLAIMED or job.lease != lease:
            return False
        if unless_alive and not self.is_vanished(job, unit.queue.now()):
            return False  # it was renewed meanwhile
        lost = job.losses + losses
        if not job.attached and not job.cancel_requested and lost <= MOST_LOSSES:
            waiting = replace(job, state=QueueState.READY, ready_at=None, losses=lost)
            self._back(unit, lease, waiting, kind, {"losses": lost})
            self._unless_cancelled(unit, run)
            return True
        if not unit.queue.remove(lease):
            return False
        unit.journal.record([event_of_job(job, kind, unit.queue.now())])
        if job.cancel_requested:
            ended = replace(
                run, state=RunState.CANCELLED, error=cancelled(run.id, run.pipeline, run.step)
            )
        else:
            ended = replace(run, state=RunState.FAILED, error=vanished(run, job, lost))
        # Its steps have no other process either.
        self._abandon_parts(unit, [run.id], unit.queue.now())
        self._close(unit, [(lease, ended)])
        return True

    def _unless_cancelled(self, unit: UnitOfWork, run: Run) -> Run:
        """The run that was put back, ended when somebody has asked for that meanwhile."""
        job = unit.queue.get(run.id)
        if job is not None and job.cancel_requested and self._cancellation.end_waiting(unit, run):
            return replace(run, state=RunState.CANCELLED)
        return replace(run, state=RunState.PENDING, finished_at=None)

    def _back(
        self,
        unit: UnitOfWork,
        lease: Lease,
        job: Job,
        kind: EventKind,
        detail: Mapping[str, Any],
    ) -> None:
        if not unit.queue.put_back(lease, job) or not unit.runs.put_back(lease.run):
            raise lease_lost(lease.run)
        at = unit.queue.now()
        unit.journal.record([event_of_job(replace(job, owner=lease.owner), kind, at, detail)])
        self._abandon_parts(unit, [lease.run], at)

    def _abandon_parts(self, unit: UnitOfWork, run_ids: Sequence[str], at: datetime) -> None:
        """End what is left live inside runs whose process executes them no more."""
        for run_id in unit.runs.having_live_parts(run_ids):
            self._abandon_parts_of(unit, run_id, at)

    def _abandon_parts_of(self, unit: UnitOfWork, run_id: str, at: datetime) -> None:
        for part in live_parts(unit, run_id):
            job = unit.queue.get(part.id)
            if job is not None and job.state is QueueState.CLAIMED:
                unit.queue.remove(job.lease)
            else:
                unit.queue.cancel(part.id)
            state = RunState.FAILED if part.state is RunState.RUNNING else RunState.CANCELLED
            error = vanished(part, job, 1)
            ended = replace(part, state=state, finished_at=at, error=error)
            if unit.runs.finish(ended):
                unit.journal.record([event_of_end(ended, at)])
            self._abandon_parts_of(unit, part.id, at)


def _held_live(unit: UnitOfWork, run_id: str) -> Run | None:
    """The run, held; None when it is final, or not there."""
    return next((run for run in unit.runs.hold(run_id) if not run.state.final), None)


def _present(unit: UnitOfWork, lease: Lease) -> Job:
    job = unit.queue.get(lease.run)
    if job is None or job.state is not QueueState.CLAIMED or job.lease != lease:
        raise lease_lost(lease.run)
    return job


def _moved(job: Job, by: timedelta) -> Job:
    ready = None if job.ready_at is None else job.ready_at + by
    return replace(job, ranked_at=job.ranked_at + by, ready_at=ready)
