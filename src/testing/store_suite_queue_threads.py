"""What every RunQueue has to keep when many ask it at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ..domain.errors import Category, LoadError
from ..domain.queueing import DEFAULT_POOL, Capacity, Job, QueueState
from ..ports.storage import Store
from .store_suite_run_samples import (
    LONG,
    PATIENCE,
    PIPELINE,
    a_capacity,
    a_job,
    cancel,
    claim,
    in_threads,
    job_of,
    put_back,
    remove,
    with_jobs,
    with_runs,
)
from .store_suite_samples import a_run

T = TypeVar("T")


class QueueThreadsSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use by many threads.

    A store may end a unit of work for another one's sake, or because it has waited too long: it is
    done again.
    """

    threads = 8
    """How many ask at once: enough to get into each other's way."""

    def test_each_job_is_claimed_once_and_limits_hold(self, store: Store) -> None:
        pipelines = [PIPELINE, "second"]
        jobs = [a_job(f"run-{n:03}", pipeline=pipelines[n % 2]) for n in range(50)]
        with_jobs(store, *jobs)
        held = _Held()

        def work(owner: str) -> None:
            capacity = a_capacity(
                owner, jobs=3, pools={DEFAULT_POOL: 4}, pipelines={PIPELINE: 3, "second": None}
            )
            while held.ended() < len(jobs):
                _work_or_rest(store, capacity, held)

        in_threads(*(partial(work, f"owner-{n}") for n in range(self.threads)))
        assert held.times == {job.run: 1 for job in jobs}
        assert held.most[DEFAULT_POOL] <= 4
        assert held.most[PIPELINE] <= 3
        assert all(job_of(store, job.run) is None for job in jobs)

    def test_of_jobs_that_are_queued_at_once_one_gets_the_key(self, store: Store) -> None:
        runs = [f"run-{n}" for n in range(self.threads)]
        with_runs(store, *(a_run(run) for run in runs))

        def add(run: str) -> None:
            _again(lambda: with_jobs(store, a_job(run, key="k")))

        in_threads(*(partial(add, run) for run in runs))
        with store.read() as unit:
            jobs = [unit.queue.get(run) for run in runs]
        assert Counter(job.state for job in jobs if job is not None) == {
            QueueState.READY: 1,
            QueueState.HELD: self.threads - 1,
        }

    def test_a_key_is_passed_on_while_others_queue_for_it(self, store: Store) -> None:
        rounds = 4
        held = _Held()

        def work(owner: str) -> None:
            capacity = a_capacity(owner)
            for number in range(rounds):
                add = partial(with_jobs, store, a_job(f"{owner}-{number}", key="k"))
                _again(add, held)
                _work(store, capacity, held)
            while held.ended() < self.threads * rounds:
                _work_or_rest(store, capacity, held)

        in_threads(*(partial(work, f"owner-{n}") for n in range(self.threads)))
        assert len(held.times) == self.threads * rounds
        assert set(held.times.values()) == {1}
        assert held.most["k"] == 1

    def test_a_job_is_ended_or_taken_away_but_not_both(self, store: Store) -> None:
        for number in range(5):
            with_jobs(store, a_job(f"run-{number}"))
            (job,) = claim(store)
            answers: list[tuple[str, bool]] = []
            end = partial(_tell, answers, "ended", partial(remove, store, job.lease))
            take_away = partial(_tell, answers, "taken away", partial(put_back, store, job))
            in_threads(end, take_away, end, take_away)
            (won,) = [what for what, answer in answers if answer]
            assert (job_of(store, job.run) is None) is (won == "ended")
            cancel(store, job.run)

    def test_a_job_is_cancelled_or_claimed_but_not_lost(self, store: Store) -> None:
        for number in range(5):
            run = f"run-{number}"
            with_jobs(store, a_job(run))
            states: list[tuple[str, QueueState | None]] = []
            claims: list[tuple[str, list[Job]]] = []
            in_threads(
                partial(_tell, states, run, partial(cancel, store, run)),
                partial(_tell, claims, run, partial(claim, store)),
            )
            ((_, state),) = states
            ((_, claimed),) = claims
            assert state is not None
            left = job_of(store, run)
            if not claimed:
                assert state is not QueueState.CLAIMED
                assert left is None
                continue
            assert state is QueueState.CLAIMED
            assert left is not None
            assert left.cancel_requested
            assert remove(store, left.lease)


class _Held:
    """Who holds what as the threads know it, which is never more than what the store says."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Counter[str] = Counter()
        self._ended = 0
        self._patience = time.monotonic() + PATIENCE
        self.most: Counter[str] = Counter()
        self.times: Counter[str] = Counter()

    def take(self, job: Job) -> None:
        with self._lock:
            self.times[job.run] += 1
            for name in filter(None, (job.pool, job.pipeline, job.key)):
                self._now[name] += 1
                self.most[name] = max(self.most[name], self._now[name])

    def let_go(self, job: Job) -> None:
        with self._lock:
            self._ended += 1
            self._patience = time.monotonic() + PATIENCE
            for name in filter(None, (job.pool, job.pipeline, job.key)):
                self._now[name] -= 1

    def ended(self) -> int:
        """How many jobs have ended; an AssertionError when none has for too long."""
        with self._lock:
            assert time.monotonic() < self._patience, f"no more than {self._ended} jobs were done"
            return self._ended


def _work_or_rest(store: Store, capacity: Capacity, held: _Held) -> None:
    """As a worker, which leaves the store alone for a while when there was nothing."""
    if not _work(store, capacity, held):
        time.sleep(0.01)


def _work(store: Store, capacity: Capacity, held: _Held) -> int:
    """Claim what there is, renew it as a worker does, and end it; how many jobs that were."""
    jobs = _again(lambda: claim(store, capacity), held)
    for job in jobs:
        held.take(job)
    if jobs:
        renewed = _again(lambda: _renew(store, capacity.owner), held)
        assert {job.run for job in renewed} == {job.run for job in jobs}
    for job in jobs:
        held.let_go(job)
        assert _again(partial(remove, store, job.lease), held) is True
    return len(jobs)


def _renew(store: Store, owner: str) -> list[Job]:
    with store.write() as unit:
        renewed = list(unit.queue.renew(owner, LONG))
        unit.commit()
    return renewed


def _tell(answers: list[tuple[str, T]], what: str, work: Callable[[], T]) -> None:
    answers.append((what, _again(work)))


def _again(work: Callable[[], T], held: _Held | None = None) -> T:
    """Do the work, and again when it was ended for another one's sake, while others get on."""
    held = held or _Held()
    while True:
        try:
            return work()
        except LoadError as error:
            # Who has waited as long as it may, while others went first, waits again as well.
            if error.category is not Category.TRANSIENT:
                raise
            held.ended()
