"""What every RunQueue has to keep of leases: who lost one changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ..domain.queueing import Job, Lease, QueueState
from ..ports.storage import Store
from .store_suite_run_samples import (
    AT_ONCE,
    LONG,
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

HOUR = timedelta(hours=1)


class LeaseSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use, with a time that passes."""

    def test_a_job_ends_with_its_lease(self, store: Store) -> None:
        with_jobs(store, a_job("run-1"), a_job("run-2"))
        first, second = claim(store)
        assert remove(store, first.lease) is True
        assert job_of(store, "run-1") is None
        assert job_of(store, "run-2") == second
        assert remove(store, first.lease) is False

    def test_a_lease_that_ran_out_is_good_until_somebody_else_takes_the_job(
        self, store: Store
    ) -> None:
        with_jobs(store, a_job("run-1"), a_job("run-2"))
        first, second = claim(store, a_capacity(lease=AT_ONCE))
        assert remove(store, first.lease) is True
        assert put_back(store, second) is True

    def test_only_the_present_lease_lets_go_or_ends_a_job(self, store: Store) -> None:
        with_jobs(store, a_job("run-1"), a_job("run-2"))
        stale, other = claim(store)
        assert put_back(store, stale)
        (present,) = claim(store)
        self._are_refused(
            store,
            present,
            stale.lease,
            replace(present.lease, owner="there"),
            replace(present.lease, owner=""),
            replace(present.lease, fence=present.fence + 1),
            replace(present.lease, fence=0),
            Lease("unknown", "here", 1),
        )
        assert job_of(store, "run-2") == other
        assert remove(store, present.lease)

    def test_a_job_that_nobody_holds_is_not_ended_by_a_lease(self, store: Store) -> None:
        (fresh,) = with_jobs(store, a_job())
        self._are_refused(store, fresh, fresh.lease, Lease("run-1", "here", 0))
        (claimed,) = claim(store)
        assert put_back(store, claimed, state=QueueState.WAITING, ready_at=NOON)
        waiting = job_of(store, "run-1")
        assert waiting is not None
        self._are_refused(store, waiting, claimed.lease, waiting.lease)

    def test_a_removal_that_is_rolled_back_was_none(self, store: Store) -> None:
        with_jobs(store, a_job("run-1", key="k"), a_job("run-2", key="k"))
        (job,) = claim(store)
        with store.write() as unit:
            assert unit.queue.remove(job.lease)
            assert unit.queue.get("run-1") is None
        assert job_of(store, "run-1") == job
        assert states_of(store, "run-2") == [QueueState.HELD]

    def test_a_fence_only_rises(self, store: Store) -> None:
        with_jobs(store, a_job())
        fences = []
        for owner in ("here", "there", "here"):
            (job,) = claim(store, a_capacity(owner))
            fences.append((job.fence, job.attempt))
            assert put_back(store, job, fence=0, attempt=0)
        assert fences == [(1, 1), (2, 2), (3, 3)]
        back = job_of(store, "run-1")
        assert back is not None
        assert (back.fence, back.attempt) == (3, 3)

    def test_a_job_that_is_put_back_is_nobodys(self, store: Store) -> None:
        original = a_job(key="k", timeout=2.5, pool="default", priority=3)
        with_jobs(store, original)
        (job,) = claim(store)
        ready_at = NOON + timedelta(microseconds=5)
        back = a_job(
            state=QueueState.WAITING,
            ready_at=ready_at,
            failures=4,
            losses=5,
            # None of what follows is taken from the job that is put back.
            key="other",
            pool="other",
            timeout=None,
            ranked_at=NOON + HOUR,
            cancel_requested=True,
        )
        with store.write() as unit:
            assert unit.queue.put_back(job.lease, back) is True
            unit.commit()
        assert job_of(store, "run-1") == replace(
            original,
            state=QueueState.WAITING,
            ready_at=ready_at,
            failures=4,
            losses=5,
            fence=1,
            attempt=1,
        )

    def test_a_job_that_is_put_back_is_claimed_again_when_it_is_due(self, store: Store) -> None:
        with_jobs(store, a_job("run-1"), a_job("run-2"), a_job("run-3"))
        first, second, third = claim(store)
        with store.read() as unit:
            now = unit.queue.now()
        assert put_back(store, first, state=QueueState.WAITING, ready_at=now + HOUR)
        assert put_back(store, second, state=QueueState.WAITING, ready_at=now)
        assert put_back(store, third)
        assert claim_runs(store, a_capacity("there")) == ["run-2", "run-3"]

    def test_a_renewal_prolongs_all_leases_of_its_owner(self, store: Store) -> None:
        with_jobs(store, *(a_job(name) for name in "abcd"))
        claim(store, a_capacity("here", jobs=1))
        claim(store, a_capacity("here", jobs=1, lease=-HOUR))
        (other,) = claim(store, a_capacity("there", jobs=1))
        with store.write() as unit:
            before = unit.queue.now()
            renewed = sorted(unit.queue.renew("here", 2 * LONG), key=lambda job: job.run)
            after = unit.queue.now()
            unit.commit()
        assert [job.run for job in renewed] == ["a", "b"]
        for job in renewed:
            assert job.lease_until is not None
            assert before + 2 * LONG <= job.lease_until <= after + 2 * LONG
            assert job_of(store, job.run) == job
        assert job_of(store, "c") == other
        assert job_of(store, "d") == a_job("d")

    def test_a_renewal_tells_what_was_cancelled(self, store: Store) -> None:
        with_jobs(store, a_job("run-1"), a_job("run-2"))
        claim(store)
        assert cancel(store, "run-2") is QueueState.CLAIMED
        with store.write() as unit:
            renewed = {job.run: job.cancel_requested for job in unit.queue.renew("here", LONG)}
        assert renewed == {"run-1": False, "run-2": True}

    def test_a_renewal_does_not_bring_back_what_was_lost(self, store: Store) -> None:
        with_jobs(store, a_job("run-1"), a_job("run-2"))
        first, second = claim(store, a_capacity(lease=AT_ONCE))
        assert put_back(store, first)
        assert put_back(store, second)
        (taken,) = claim(store, a_capacity("there", jobs=1))
        with store.write() as unit:
            assert list(unit.queue.renew("here", LONG)) == []
            assert list(unit.queue.renew("unknown", LONG)) == []
            unit.commit()
        assert job_of(store, "run-1") == taken
        assert states_of(store, "run-2") == [QueueState.READY]

    def test_a_job_that_was_claimed_when_it_was_queued_has_a_lease(self, store: Store) -> None:
        job = with_claimed(store, "run-1", attached=True, fence=4, attempt=1)
        assert job_of(store, "run-1") == job
        assert claim_runs(store) == []
        self._are_refused(store, job, replace(job.lease, fence=3))
        assert remove(store, job.lease) is True

    @pytest.mark.parametrize(
        "state", [QueueState.READY, QueueState.WAITING, QueueState.HELD, QueueState.CLAIMED]
    )
    def test_cancelling_removes_what_nobody_holds_and_marks_the_rest(
        self, store: Store, state: QueueState
    ) -> None:
        with_jobs(store, a_job("other", key="k", ranked_at=NOON - HOUR))
        if state is QueueState.CLAIMED:
            with_claimed(store, "run-1")
        else:
            key = "k" if state is QueueState.HELD else None
            given = QueueState.READY if state is QueueState.HELD else state
            with_jobs(store, a_job("run-1", state=given, key=key, ready_at=NOON))
        before = job_of(store, "run-1")
        assert before is not None
        assert before.state is state
        assert cancel(store, "run-1") is state
        if state is QueueState.CLAIMED:
            marked = replace(before, cancel_requested=True)
            assert job_of(store, "run-1") == marked
            assert cancel(store, "run-1") is state
            assert job_of(store, "run-1") == marked
            assert remove(store, before.lease) is True
        assert cancel(store, "run-1") is None
        assert job_of(store, "run-1") is None
        assert states_of(store, "other") == [QueueState.READY]

    def test_cancelling_an_unknown_run_does_nothing(self, store: Store) -> None:
        assert cancel(store, "unknown") is None

    def test_a_wish_to_cancel_outlives_the_claim(self, store: Store) -> None:
        with_jobs(store, a_job())
        (job,) = claim(store)
        cancel(store, "run-1")
        assert put_back(store, job)
        (again,) = claim(store, a_capacity("there"))
        assert again.cancel_requested

    def _are_refused(self, store: Store, present: Job, *leases: Lease) -> None:
        """None of the leases removes the present job or puts it back, nor changes anything."""
        for lease in leases:
            assert remove(store, lease) is False
            with store.write() as unit:
                back = replace(present, state=QueueState.READY, failures=99, owner=None)
                assert unit.queue.put_back(lease, back) is False
                unit.commit()
            assert job_of(store, present.run) == present
