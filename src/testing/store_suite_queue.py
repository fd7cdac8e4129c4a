"""What every RunQueue has to keep of claims: their order, their limits, and their time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ..domain.errors import Category, LoadError
from ..domain.queueing import DEFAULT_POOL, Job, Lane, QueueState
from ..domain.retries import Retry
from ..ports.storage import Store
from .store_suite_run_samples import (
    AT_ONCE,
    LONG,
    PIPELINE,
    a_capacity,
    a_job,
    claim,
    claim_runs,
    job_of,
    states_of,
    wait_until,
    with_claimed,
    with_jobs,
    with_runs,
)
from .store_suite_samples import NOON, TEXTS, a_run

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def _lanes(store: Store) -> dict[QueueState, list[Lane]]:
    with store.read() as unit:
        return {state: list(unit.queue.lanes(state)) for state in QueueState}


class RunQueueSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use, with a time that passes."""

    def test_a_job_comes_back_as_it_was_written(self, store: Store) -> None:
        job = Job(
            run="run-1",
            pipeline="büro.refresh",
            ranked_at=NOON - timedelta(microseconds=1),
            state=QueueState.WAITING,
            pool="heavy",
            priority=-7,
            ready_at=NOON + timedelta(microseconds=1),
            key="finra.refresh/2025-11-10/é",
            attached=True,
            retry=Retry(5, 2.5, "fixed", 90.25, (Category.TRANSIENT, Category.RATE_LIMIT)),
            timeout=0.5,
            failures=2,
            losses=3,
            attempt=4,
            fence=5,
            owner="host/1/abc",
            lease_until=NOON + HOUR,
            cancel_requested=True,
        )
        assert with_jobs(store, job) == [job]
        assert job_of(store, "run-1") == job
        assert with_jobs(store, a_job("run-2")) == [a_job("run-2")]
        assert job_of(store, "run-2") == a_job("run-2")
        assert job_of(store, "unknown") is None

    def test_a_key_may_be_any_text(self, store: Store) -> None:
        texts = [text for text in TEXTS if text]
        with_jobs(store, *(a_job(f"run-{n}", key=text) for n, text in enumerate(texts)))
        with store.read() as unit:
            jobs = [unit.queue.get(f"run-{n}") for n in range(len(texts))]
        assert [job and (job.key, job.state) for job in jobs] == [
            (text, QueueState.READY) for text in texts
        ]

    def test_a_run_is_queued_once(self, store: Store) -> None:
        with_jobs(store, a_job())
        with store.write() as unit, pytest.raises(LoadError):
            unit.queue.add(a_job(pool="other"))
        assert job_of(store, "run-1") == a_job()

    def test_a_job_needs_its_run(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError):
            unit.queue.add(a_job("unknown"))

    def test_what_is_not_committed_is_not_queued(self, store: Store) -> None:
        with_runs(store, a_run())
        with store.write() as unit:
            unit.queue.add(a_job())
        assert job_of(store, "run-1") is None
        assert claim(store) == []

    def test_a_claim_gives_a_lease_and_raises_fence_and_attempt(self, store: Store) -> None:
        with_jobs(store, a_job(fence=7, attempt=2, failures=1, key="k", timeout=3.0))
        with store.write() as unit:
            before = unit.queue.now()
            (job,) = unit.queue.claim(a_capacity("there", lease=LONG))
            after = unit.queue.now()
            unit.commit()
        assert job.lease_until is not None
        assert before + LONG <= job.lease_until <= after + LONG
        assert job == a_job(
            fence=8,
            attempt=3,
            failures=1,
            key="k",
            timeout=3.0,
            state=QueueState.CLAIMED,
            owner="there",
            lease_until=job.lease_until,
        )
        assert job_of(store, "run-1") == job

    def test_jobs_are_claimed_in_the_order_of_their_rank_then_of_their_runs(
        self, store: Store
    ) -> None:
        with_jobs(
            store,
            a_job("e", ranked_at=NOON),
            a_job("c", ranked_at=NOON - timedelta(microseconds=1)),
            a_job("d", ranked_at=NOON),
            a_job("a", ranked_at=NOON + MINUTE, pool="other"),
            a_job("b", ranked_at=NOON - HOUR, pool="other"),
            a_job("f", ranked_at=NOON + HOUR, pipeline="q"),
            a_job("g", ranked_at=NOON, state=QueueState.WAITING, ready_at=NOON),
        )
        every = a_capacity(
            jobs=4, pools={DEFAULT_POOL: None, "other": None}, pipelines={"q": None, PIPELINE: None}
        )
        assert claim_runs(store, every) == ["b", "c", "d", "e"]
        assert claim_runs(store, every) == ["g", "a", "f"]

    def test_priority_counts_by_the_rank_only(self, store: Store) -> None:
        with_jobs(
            store,
            a_job("urgent", priority=1000, ranked_at=NOON),
            a_job("old", priority=-1000, ranked_at=NOON - MINUTE),
        )
        assert claim_runs(store) == ["old", "urgent"]

    def test_no_more_is_claimed_than_was_asked_for(self, store: Store) -> None:
        with_jobs(store, *(a_job(f"run-{n}") for n in range(5)))
        assert claim_runs(store, a_capacity(jobs=0)) == []
        assert claim_runs(store, a_capacity(jobs=2)) == ["run-0", "run-1"]
        assert claim_runs(store, a_capacity(jobs=1)) == ["run-2"]
        assert claim_runs(store, a_capacity(jobs=5)) == ["run-3", "run-4"]
        assert claim_runs(store) == []

    def test_one_unit_never_claims_a_job_twice(self, store: Store) -> None:
        with_jobs(store, a_job("run-1"), a_job("run-2"))
        with store.write() as unit:
            claimed = [
                [job.run for job in unit.queue.claim(a_capacity(jobs=1, lease=AT_ONCE))]
                for _ in range(3)
            ]
            unit.commit()
        assert claimed == [["run-1"], ["run-2"], []]

    def test_a_claim_that_is_rolled_back_was_none(self, store: Store) -> None:
        with_jobs(store, a_job())
        with store.write() as unit:
            assert len(unit.queue.claim(a_capacity())) == 1
        assert job_of(store, "run-1") == a_job()
        (job,) = claim(store)
        assert (job.fence, job.attempt) == (1, 1)

    def test_only_named_pools_and_pipelines_are_claimed(self, store: Store) -> None:
        with_jobs(
            store,
            a_job("a"),
            a_job("b", pool="heavy"),
            a_job("c", pipeline="q"),
            a_job("d", pipeline="q", pool="heavy"),
        )
        for nothing in (
            a_capacity(pipelines={}),
            a_capacity(pools={}),
            a_capacity(pipelines={"unknown": None}),
            a_capacity(pools={"unknown": None}),
        ):
            assert claim_runs(store, nothing) == []
        assert claim_runs(store, a_capacity(pools={"heavy": None})) == ["b"]
        assert claim_runs(store, a_capacity(pipelines={"q": None})) == ["c"]
        assert claim_runs(store) == ["a"]
        assert states_of(store, "d") == [QueueState.READY]

    def test_a_job_waits_until_it_is_due(self, store: Store) -> None:
        with store.read() as unit:
            now = unit.queue.now()
        due = now + timedelta(milliseconds=30)
        with_jobs(
            store,
            a_job("late", state=QueueState.WAITING, ready_at=now + HOUR),
            a_job("soon", state=QueueState.WAITING, ready_at=due, ranked_at=NOON + HOUR),
            a_job("due", state=QueueState.WAITING, ready_at=NOON),
        )
        assert "due" in claim_runs(store, a_capacity(jobs=1))
        claimed: list[str] = []

        def soon_is_claimed() -> bool:
            with store.write() as unit:
                claimed.extend(job.run for job in unit.queue.claim(a_capacity()))
                assert not claimed or unit.queue.now() >= due
                unit.commit()
            return bool(claimed)

        wait_until(soon_is_claimed)
        assert claimed == ["soon"]
        assert states_of(store, "late") == [QueueState.WAITING]

    @pytest.mark.parametrize("limited", ["pool", "pipeline"])
    def test_a_limit_counts_the_jobs_of_all_owners(self, store: Store, limited: str) -> None:
        with_jobs(store, *(a_job(f"run-{n}") for n in range(6)))

        def claims(owner: str, limit: int, jobs: int = 10) -> list[str]:
            wanted = (
                a_capacity(owner, jobs=jobs, pools={DEFAULT_POOL: limit})
                if limited == "pool"
                else a_capacity(owner, jobs=jobs, pipelines={PIPELINE: limit})
            )
            return claim_runs(store, wanted)

        assert claims("here", 0) == []
        assert claims("here", 3, jobs=1) == ["run-0"]
        assert claims("there", 3) == ["run-1", "run-2"]
        assert claims("here", 3) == []
        assert claims("here", 1) == [], "less is allowed than what runs"
        assert claims("here", 4) == ["run-3"]

    def test_the_limits_of_pool_and_of_pipeline_hold_together(self, store: Store) -> None:
        with_jobs(
            store,
            *(a_job(f"p-{n}", pipeline="p", pool="one") for n in range(3)),
            *(a_job(f"q-{n}", pipeline="q", pool="one", ranked_at=NOON + HOUR) for n in range(3)),
            *(a_job(f"r-{n}", pipeline="p", pool="two", ranked_at=NOON + MINUTE) for n in range(3)),
        )
        capacity = a_capacity(pools={"one": 3, "two": 5}, pipelines={"p": 2, "q": None})
        assert claim_runs(store, capacity) == ["p-0", "p-1", "q-0"]
        assert claim_runs(store, capacity) == []

    def test_what_exceeds_a_limit_is_passed_over_however_much_it_is(self, store: Store) -> None:
        with_jobs(
            store,
            *(a_job(f"full-{n:03}", pipeline="full") for n in range(150)),
            *(a_job(f"heavy-{n:03}", pool="heavy") for n in range(150)),
            a_job("last", ranked_at=NOON + HOUR),
        )
        capacity = a_capacity(
            jobs=3,
            pipelines={"full": 1, PIPELINE: None},
            pools={"heavy": 1, DEFAULT_POOL: None},
        )
        assert claim_runs(store, capacity) == ["full-000", "heavy-000", "last"]
        assert claim_runs(store, capacity) == []

    def test_a_lease_that_has_run_out_counts_no_more(self, store: Store) -> None:
        with_jobs(store, *(a_job(f"run-{n}") for n in range(4)))
        one = a_capacity(jobs=1, pools={DEFAULT_POOL: 1}, pipelines={PIPELINE: 1})
        assert claim_runs(store, replace(one, lease=AT_ONCE)) == ["run-0"]
        assert claim_runs(store, replace(one, lease=-HOUR)) == ["run-1"]
        assert claim_runs(store, one) == ["run-2"]
        assert claim_runs(store, one) == []

    def test_a_job_that_was_claimed_when_it_was_queued_counts(self, store: Store) -> None:
        with_claimed(store, "attached", attached=True)
        with_claimed(store, "gone", attached=True, lease=AT_ONCE)
        with_jobs(store, a_job("run-1"))
        assert claim_runs(store, a_capacity(pools={DEFAULT_POOL: 1})) == []
        assert claim_runs(store, a_capacity(pools={DEFAULT_POOL: 2})) == ["run-1"]

    def test_a_lease_that_has_run_out_is_no_free_job(self, store: Store) -> None:
        with_jobs(store, a_job())
        (first,) = claim(store, a_capacity(lease=AT_ONCE))
        assert claim_runs(store, a_capacity("there")) == []
        assert job_of(store, "run-1") == first

    def test_all_claimed_jobs_are_told_of(self, store: Store) -> None:
        with_jobs(store, *(a_job(name) for name in "abcd"))
        lost = claim(store, a_capacity(jobs=1, lease=-HOUR))
        held = claim(store, a_capacity("there", jobs=2))
        with store.read() as unit:
            assert sorted(unit.queue.claimed(), key=lambda job: job.run) == lost + held

    def test_lanes_are_told_by_the_state_of_their_jobs(self, store: Store) -> None:
        assert all(lanes == [] for lanes in _lanes(store).values())
        with_jobs(
            store,
            *(a_job(f"many-{n}", pool="b") for n in range(3)),
            a_job("first", pool="b", pipeline="a.other"),
            a_job("last", pool="b", pipeline="z.other"),
            a_job("later", pool="c", state=QueueState.WAITING, ready_at=NOON),
            a_job("holder", pool="a", key="same"),
            a_job("held", pool="d", pipeline="d.held", key="same"),
        )
        with_claimed(store, "mine", pool="e")
        assert _lanes(store) == {
            QueueState.READY: [
                Lane("a", PIPELINE),
                Lane("b", "a.other"),
                Lane("b", PIPELINE),
                Lane("b", "z.other"),
            ],
            QueueState.WAITING: [Lane("c", PIPELINE)],
            QueueState.HELD: [Lane("d", "d.held")],
            QueueState.CLAIMED: [Lane("e", PIPELINE)],
        }

    def test_a_lane_is_told_of_until_its_last_job_is_claimed(self, store: Store) -> None:
        with_jobs(store, *(a_job(f"run-{n}") for n in range(3)))
        claim(store, a_capacity(jobs=2))
        assert _lanes(store)[QueueState.READY] == [Lane(DEFAULT_POOL, PIPELINE)]
        claim(store, a_capacity(jobs=2))
        assert _lanes(store)[QueueState.READY] == []

    def test_the_time_is_of_today_and_goes_on_within_a_unit(self, store: Store) -> None:
        with store.read() as unit:
            first = unit.queue.now()
            wait_until(lambda: unit.queue.now() > first)
        with store.write() as unit:
            second = unit.queue.now()
            wait_until(lambda: unit.queue.now() > second)
        assert first.utcoffset() == timedelta(0)
        assert first < second
        assert abs(datetime.now(UTC) - second) < MINUTE
