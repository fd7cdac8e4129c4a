"""Jobs, claims and threads that the suites of runs and of their queue share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ..domain.queueing import DEFAULT_POOL, Capacity, Job, Lease, QueueState
from ..domain.runs import Run, RunState
from ..ports.storage import Store
from .store_suite_samples import NOON, a_run

PIPELINE = "finra.refresh"
LONG = timedelta(minutes=10)
"""A lease that outlasts any test."""
AT_ONCE = timedelta(0)
"""A lease that has run out as soon as it is given."""
PATIENCE = 60.0
"""Seconds after which what should have happened will not."""


def a_job(run: str = "run-1", **changes: Any) -> Job:
    """A job that is READY and was queued at noon."""
    return Job(**{"run": run, "pipeline": PIPELINE, "ranked_at": NOON, **changes})


def a_capacity(
    owner: str = "here",
    *,
    jobs: int = 10,
    lease: timedelta = LONG,
    pipelines: Mapping[str, int | None] | None = None,
    pools: Mapping[str, int | None] | None = None,
) -> Capacity:
    """Room for ten jobs of the one pipeline in the default pool, without limits."""
    return Capacity(
        owner,
        jobs,
        lease,
        {PIPELINE: None} if pipelines is None else pipelines,
        {DEFAULT_POOL: None} if pools is None else pools,
    )


def with_runs(store: Store, *runs: Run) -> None:
    """Commit runs, all in one unit of work."""
    with store.write() as unit:
        for run in runs:
            unit.runs.add(run)
        unit.commit()


def with_jobs(store: Store, *jobs: Job) -> list[Job]:
    """Commit jobs, each with its run where that is missing; they come back as they were queued."""
    with store.write() as unit:
        queued: list[Job] = []
        for job in jobs:
            if unit.runs.get(job.run) is None:
                claimed = job.state is QueueState.CLAIMED
                state = RunState.RUNNING if claimed else RunState.PENDING
                unit.runs.add(a_run(job.run, pipeline=job.pipeline, state=state))
            queued.extend(unit.queue.add(job))
        unit.commit()
    return queued


def with_claimed(store: Store, run: str, *, lease: timedelta = LONG, **changes: Any) -> Job:
    """Commit a job that was CLAIMED by ``here`` when it was made; as it was queued."""
    with store.read() as unit:
        until = unit.queue.now() + lease
    values = {
        "state": QueueState.CLAIMED,
        "owner": "here",
        "fence": 1,
        "attempt": 1,
        "lease_until": until,
        **changes,
    }
    (queued,) = with_jobs(store, a_job(run, **values))
    return queued


def claim(store: Store, capacity: Capacity | None = None) -> list[Job]:
    """Claim and commit."""
    with store.write() as unit:
        claimed = list(unit.queue.claim(capacity or a_capacity()))
        unit.commit()
    return claimed


def claim_runs(store: Store, capacity: Capacity | None = None) -> list[str]:
    """Claim and commit; the ids of the claimed runs."""
    return [job.run for job in claim(store, capacity)]


def remove(store: Store, *leases: Lease) -> bool:
    """Remove and commit; whether all of the leases were the present ones."""
    with store.write() as unit:
        removed = unit.queue.remove(*leases)
        unit.commit()
    return removed == len(leases)


def put_back(store: Store, job: Job, **changes: Any) -> bool:
    """Put a claimed job back as READY, with ``changes``, and commit."""
    back = replace(job, **{"state": QueueState.READY, **changes})
    with store.write() as unit:
        done = unit.queue.put_back(job.lease, back)
        unit.commit()
    return done


def cancel(store: Store, run: str) -> QueueState | None:
    """Cancel and commit."""
    with store.write() as unit:
        states = unit.queue.cancel(run)
        unit.commit()
    return states.get(run)


def job_of(store: Store, run: str) -> Job | None:
    """The job of a run as it is committed."""
    with store.read() as unit:
        return unit.queue.get(run)


def states_of(store: Store, *runs: str) -> list[QueueState | None]:
    """Where the runs stand in the queue, None for those that are not there."""
    with store.read() as unit:
        jobs = [unit.queue.get(run) for run in runs]
    return [None if job is None else job.state for job in jobs]


def wait_until(happened: Callable[[], bool]) -> None:
    """Ask again until it has happened; an AssertionError when it does not."""
    patience = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < patience, "it did not happen"


def in_threads(*works: Callable[[], None]) -> None:
    """Let all begin at the same moment, and end; raises what the first of them raised."""
    barrier = threading.Barrier(len(works))
    failures: list[BaseException] = []

    def begin(work: Callable[[], None]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:  # it is raised again below
            failures.append(error)

    threads = [threading.Thread(target=begin, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
    if failures:
        raise failures[0]
    assert not any(thread.is_alive() for thread in threads), "a thread did not end"
