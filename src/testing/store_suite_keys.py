"""What every RunQueue has to keep of keys: of the jobs with one, one is done at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ..domain.queueing import QueueState
from ..ports.storage import Store
from .store_suite_run_samples import (
    AT_ONCE,
    a_capacity,
    a_job,
    cancel,
    claim,
    claim_runs,
    job_of,
    put_back,
    remove,
    states_of,
    with_claimed,
    with_jobs,
)
from .store_suite_samples import NOON

HELD, READY, WAITING, CLAIMED = (
    QueueState.HELD,
    QueueState.READY,
    QueueState.WAITING,
    QueueState.CLAIMED,
)
HOUR = timedelta(hours=1)


class KeySuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use, with a time that passes."""

    def test_jobs_of_a_key_are_done_one_after_the_other(self, store: Store) -> None:
        queued = with_jobs(store, *(a_job(name, key="k") for name in "abcd"))
        assert [job.state for job in queued] == [READY, HELD, HELD, HELD]
        assert queued[1:] == [job_of(store, name) for name in "bcd"]
        done = []
        for _ in range(4):
            (job,) = claim(store)
            assert claim_runs(store, a_capacity("there")) == []
            assert remove(store, job.lease)
            done.append(job.run)
        assert done == ["a", "b", "c", "d"]
        assert states_of(store, *"abcd") == [None] * 4

    def test_the_first_by_rank_then_by_run_is_freed(self, store: Store) -> None:
        with_jobs(
            store,
            a_job("first", key="k"),
            a_job("d", key="k", ranked_at=NOON + HOUR),
            a_job("c", key="k"),
            a_job("b", key="k"),
            a_job("a", key="k", ranked_at=NOON + timedelta(microseconds=1)),
        )
        (first,) = claim(store)
        assert remove(store, first.lease)
        assert states_of(store, *"abcd") == [HELD, READY, HELD, HELD]
        assert job_of(store, "b") == a_job("b", key="k")
        order = []
        while jobs := claim(store):
            order += [job.run for job in jobs]
            assert remove(store, jobs[0].lease)
        assert order == ["b", "c", "a", "d"]

    def test_keys_do_not_hinder_each_other(self, store: Store) -> None:
        with_jobs(
            store,
            a_job("a", key="k"),
            a_job("b", key="K"),
            a_job("c", key="k "),
            a_job("d"),
            a_job("e"),
            a_job("f", key="k", pipeline="q", pool="other"),
        )
        assert states_of(store, *"abcdef") == [READY] * 5 + [HELD]
        assert claim_runs(store) == ["a", "b", "c", "d", "e"]

    def test_a_waiting_job_has_its_key(self, store: Store) -> None:
        with store.read() as unit:
            later = unit.queue.now() + HOUR
        with_jobs(store, a_job("a", key="k", state=WAITING, ready_at=later), a_job("b", key="k"))
        assert states_of(store, "a", "b") == [WAITING, HELD]
        assert claim_runs(store) == []

    def test_a_key_is_free_after_the_last_job(self, store: Store) -> None:
        with_jobs(store, a_job("a", key="k"))
        (job,) = claim(store)
        assert remove(store, job.lease)
        (queued,) = with_jobs(store, a_job("b", key="k"))
        assert queued.state is READY

    def test_a_lease_that_has_run_out_keeps_its_key(self, store: Store) -> None:
        with_jobs(store, a_job("a", key="k"))
        claim(store, a_capacity(lease=AT_ONCE))
        (queued,) = with_jobs(store, a_job("b", key="k"))
        assert queued.state is HELD
        assert claim_runs(store) == []

    def test_a_job_that_is_put_back_keeps_its_key(self, store: Store) -> None:
        with_jobs(store, a_job("b", key="k"), a_job("a", key="k", ranked_at=NOON - HOUR))
        (job,) = claim(store)
        with store.read() as unit:
            later = unit.queue.now() + HOUR
        for state, ready_at in ((READY, None), (WAITING, NOON), (WAITING, later)):
            assert put_back(store, job, state=state, ready_at=ready_at)
            assert states_of(store, "a", "b") == [HELD, state]
            if ready_at != later:
                (job,) = claim(store)
                assert job.run == "b"
        assert claim_runs(store) == []

    def test_a_cancelled_job_gives_its_key_to_the_next(self, store: Store) -> None:
        with store.read() as unit:
            later = unit.queue.now() + HOUR
        with_jobs(store, a_job("a", key="k"), a_job("b", key="k"), a_job("c", key="k"))
        with_jobs(store, a_job("w", key="l", state=WAITING, ready_at=later), a_job("x", key="l"))
        assert cancel(store, "a") is READY
        assert states_of(store, "a", "b", "c") == [None, READY, HELD]
        assert cancel(store, "w") is WAITING
        assert states_of(store, "w", "x") == [None, READY]

    def test_cancelling_a_held_job_frees_nothing(self, store: Store) -> None:
        with_jobs(store, *(a_job(name, key="k") for name in "abc"))
        assert cancel(store, "b") is HELD
        assert states_of(store, "a", "b", "c") == [READY, None, HELD]
        (job,) = claim(store)
        assert remove(store, job.lease)
        assert states_of(store, "c") == [READY]

    def test_a_claimed_job_that_is_cancelled_keeps_its_key(self, store: Store) -> None:
        with_jobs(store, a_job("a", key="k"), a_job("b", key="k"))
        (job,) = claim(store)
        assert cancel(store, "a") is CLAIMED
        assert states_of(store, "a", "b") == [CLAIMED, HELD]
        assert remove(store, job.lease)
        assert states_of(store, "b") == [READY]

    def test_a_job_that_is_queued_as_claimed_is_taken_as_it_is(self, store: Store) -> None:
        with_jobs(store, a_job("a", key="k"), a_job("b", key="k"))
        attached = with_claimed(store, "c", key="k", attached=True)
        assert attached.state is CLAIMED
        assert job_of(store, "c") == attached
        assert states_of(store, "a", "b") == [READY, HELD]
        (queued,) = with_jobs(store, a_job("d", key="k"))
        assert queued.state is HELD

    def test_a_key_is_free_only_when_all_who_have_it_are_gone(self, store: Store) -> None:
        first = with_claimed(store, "a", key="k")
        second = with_claimed(store, "b", key="k")
        with_jobs(store, a_job("c", key="k"), a_job("d", key="k"))
        assert states_of(store, "c", "d") == [HELD, HELD]
        assert remove(store, first.lease)
        assert states_of(store, "c", "d") == [HELD, HELD]
        assert put_back(store, second)
        assert states_of(store, "b", "c", "d") == [READY, HELD, HELD]
        assert cancel(store, "b") is READY
        assert states_of(store, "c", "d") == [READY, HELD]

    def test_a_job_that_is_freed_before_it_is_due_waits_on(self, store: Store) -> None:
        with store.read() as unit:
            later = unit.queue.now() + HOUR
        (first, *_) = with_jobs(
            store,
            a_job("a", key="k"),
            a_job("b", key="k", state=WAITING, ready_at=later),
            a_job("c", key="k", ranked_at=NOON + HOUR),
        )
        (job,) = claim(store)
        assert job.run == first.run
        assert remove(store, job.lease)
        assert states_of(store, "b", "c") == [WAITING, HELD]
        assert claim_runs(store) == []
        assert job_of(store, "b") == a_job("b", key="k", state=WAITING, ready_at=later)

    def test_keys_are_kept_within_one_unit(self, store: Store) -> None:
        with_jobs(store, a_job("a", key="k"), a_job("b", key="k"))
        with store.write() as unit:
            done = []
            while jobs := unit.queue.claim(a_capacity()):
                assert len(jobs) == 1
                assert unit.queue.remove(jobs[0].lease)
                done.append(jobs[0].run)
        assert done == ["a", "b"]
        assert states_of(store, "a", "b") == [READY, HELD]

    def test_a_stale_lease_frees_nothing(self, store: Store) -> None:
        with_jobs(store, a_job("a", key="k"), a_job("b", key="k"))
        (job,) = claim(store)
        assert not remove(store, replace(job.lease, fence=job.fence + 1))
        assert states_of(store, "a", "b") == [CLAIMED, HELD]
