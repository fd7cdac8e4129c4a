"""Runs in the store: what they are, how they wait and are held, what happened to them.

All of it is part of the unit of work: a change of a run, its place in the queue and the event
that tells of it commit together. Every change restates what it goes out from, and says by its
answer whether that still held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ..domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from ..domain.queueing import Capacity, Job, Lane, Lease, Progress, QueueState
from ..domain.run_statistics import Purged, StatisticsFilter, StatisticsReport
from ..domain.runs import Head, LogLine, Place, Run, RunEvent, RunFilter, RunState, StepCount


class RunStore(Protocol):
    """Runs and their states."""

    def add(self, *runs: Run, request: str | None = None) -> None:
        """Raises a LoadError for an id that is there already, and for a ``request`` that is.

        ``request`` is the id by which :class:`RunFilter` finds the first of the runs again. A
        parent comes before its parts.
        """
        ...

    def get(self, run_id: str) -> Run | None: ...

    def find(self, run_ids: Collection[str]) -> Sequence[Run]:
        """Those of the runs that are there, by ascending id."""
        ...

    def places(self, run_ids: Collection[str]) -> Sequence[Place]:
        """Where those of the runs stand that are there, in no order. It never changes."""
        ...

    def list(self, wanted: RunFilter) -> Sequence[Run]:
        """Newest first (descending id), or oldest first (ascending id)."""
        ...

    def parts(self, parents: Collection[str], state: RunState | None = None) -> Sequence[Run]:
        """All runs that are directly inside the parents, by ascending id; those in ``state`` only.

        Without ``state`` whatever they are in.
        """
        ...

    def begin(self, run_ids: Collection[str], *, owner: str, at: datetime) -> int:
        """PENDING to RUNNING, ``attempt`` one more; how many were PENDING.

        ``started_at`` becomes ``at`` unless it was begun before.
        """
        ...

    def put_back(self, run_id: str) -> bool:
        """RUNNING to PENDING, with no owner; False when it was not RUNNING."""
        ...

    def finish(self, *runs: Run) -> int:
        """Write the outcomes of those of the runs that are still live; how many that were.

        Written are state, owner, times of start and finish, metrics, warnings, error, output and
        partition.
        """
        ...

    def request_cancel(self, run_ids: Collection[str], at: datetime) -> int:
        """Note that runs are to be cancelled; how many are live and were not asked before."""
        ...

    def hold(self, *run_ids: str) -> Sequence[Run]:
        """Those of the runs that are there, by ascending id, held until the transaction ends.

        Nobody else holds or changes them meanwhile.
        """
        ...

    def having_live_parts(self, run_ids: Collection[str]) -> Sequence[str]:
        """Those of the runs that are the parent of a live run."""
        ...

    def steps(self, *parents: str) -> Sequence[StepCount]:
        """How many runs of each step of each parent there are in which state."""
        ...


class RunQueue(Protocol):
    """Live runs that a process executes or is to execute; gone when their run is final."""

    def now(self) -> datetime:
        """The store's time: the only one by which leases are judged. Aware, UTC."""
        ...

    def add(self, *jobs: Job) -> Sequence[Job]:
        """Queue them; those answered are HELD when another live job has the same key.

        A job that is CLAIMED is taken as it is, whatever else has its key.
        """
        ...

    def get(self, run_id: str) -> Job | None: ...

    def claim(self, capacity: Capacity) -> Sequence[Job]:
        """Take jobs that are READY (or WAITING and due), in the order of ``ranked_at`` and run.

        Each answered job is CLAIMED with fence and attempt one more, and a lease from now on.
        Limits of pools and pipelines count the jobs whose lease holds; what exceeds one is passed
        over, not waited for. Costs the same however many jobs there are.
        """
        ...

    def claimed(self) -> Sequence[Job]:
        """All jobs that are CLAIMED, also those whose lease has run out."""
        ...

    def lanes(self, state: QueueState) -> Sequence[Lane]:
        """The lanes that have a job in the state, in their order.

        Costs the same however many jobs there are of a lane.
        """
        ...

    def renew(self, owner: str, lease: timedelta) -> Sequence[Job]:
        """Prolong all leases of ``owner`` from now on; its jobs, as they stand now.

        One that another transaction is changing may keep the lease it has: the rest does not wait.
        """
        ...

    def put_back(self, lease: Lease, job: Job) -> bool:
        """Let go of a claim: state, ``ready_at``, failures and losses become those of ``job``.

        False when the lease is not the present one. The job keeps its key from others.
        """
        ...

    def remove(self, *leases: Lease) -> int:
        """End claims with their jobs; how many of the leases were the present ones.

        The first HELD job of each key becomes READY. Whoever finishes a run does this first: it is
        what a process that lost its lease cannot do.
        """
        ...

    def cancel(self, *run_ids: str) -> Mapping[str, QueueState]:
        """Remove the jobs, or mark those that are CLAIMED; by run the states they were in.

        Runs without a job are left out. The first HELD job of each key that is free now becomes
        READY.
        """
        ...


class RunJournal(Protocol):
    """What happened to runs, what they said, and how far they are."""

    def record(self, events: Iterable[RunEvent]) -> None:
        """Append events; ``key`` is given by the store."""
        ...

    def events(self, run_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[RunEvent]:
        """Events of a run with a key beyond ``after``, in the order in which they happened."""
        ...

    def log(self, lines: Iterable[LogLine]) -> None: ...

    def lines(self, run_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[LogLine]:
        """Lines of a run with a number beyond ``after``, in their order."""
        ...

    def heads(self, run_ids: Collection[str]) -> Mapping[str, Head]:
        """How far the journal of each of the runs goes; 0 where there is nothing.

        Costs no more however much a run has said: whoever follows many runs asks it first.
        """
        ...

    def note_progress(self, run_id: str, progress: Progress) -> None:
        """Replace what is known; nothing happens for a run that is not in the queue."""
        ...

    def progress(self, run_ids: Collection[str]) -> Mapping[str, Progress]:
        """How far those of the runs are that have told it."""
        ...


class RunHistory(Protocol):
    """All runs together."""

    def statistics(self, wanted: StatisticsFilter) -> StatisticsReport: ...

    def purge(self, before: datetime, limit: int) -> Purged:
        """Delete at most ``limit`` runs that were finished before, with all that belongs to them.

        Never a live run, nor one with parts that are left. A run that data refers to is kept, but
        its events and log are deleted. What is answered is 0 for runs, events and lines when
        nothing is left to delete.
        """
        ...


class BackfillStore(Protocol):
    """Backfills and their partitions."""

    def add(
        self, backfill: Backfill, parts: Iterable[BackfillPart], *, request: str | None = None
    ) -> None:
        """Raises a LoadError for an id that is there already, and for a ``request`` that is.

        ``request`` is the id by which :meth:`find_request` finds the backfill again.
        """
        ...

    def get(self, backfill_id: str) -> Backfill | None: ...

    def find_request(self, request: str) -> Backfill | None:
        """The backfill that was added under the request id."""
        ...

    def hold(self, backfill_id: str) -> Backfill | None:
        """The backfill, held until the transaction ends."""
        ...

    def list(
        self,
        *,
        pipeline: str | None = None,
        state: BackfillState | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Sequence[Backfill]:
        """Newest first (descending id), from the one after ``before`` on."""
        ...

    def change(
        self,
        backfill_id: str,
        *,
        expected: Collection[BackfillState],
        state: BackfillState,
        finished_at: datetime | None = None,
        max_active: int | None = None,
    ) -> bool:
        """Change the state, and ``max_active`` unless it is None.

        False when it was in none of the ``expected`` states.
        """
        ...

    def counts(self, backfill_id: str) -> Mapping[PartState, int]:
        """How many partitions are in which state; states without any are left out."""
        ...

    def parts(
        self,
        backfill_id: str,
        *,
        states: Collection[PartState] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[BackfillPart]:
        """Partitions with a number beyond ``after``, by number; all states when none is named."""
        ...

    def change_parts(self, *changed: BackfillPart, expected: PartState) -> int:
        """Write the state and the run of partitions; how many of them were as ``expected``.

        One that was in another state stays as it is.
        """
        ...
