"""Who waits for what others hold, or is silent while it holds something, on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category, SpineError
from market_spine.domain.queueing import QueueState
from market_spine.testing.store_suite_run_samples import a_job
from market_spine.testing.store_suite_samples import a_run


@pytest.fixture
def store(postgres_url: str) -> Iterator[SqlStore]:
    made = SqlStore(postgres_url)
    made.ensure_ready()
    with made.write() as unit:
        unit.runs.add(a_run())
        unit.commit()
    yield made
    made.close()


def test_a_unit_waits_no_longer_than_it_says_for_what_another_one_holds(store: SqlStore) -> None:
    with store.write() as holder:
        holder.runs.hold("run-1")
        began = time.monotonic()
        with store.write() as unit:
            unit.limit_waiting(0.3)
            with pytest.raises(SpineError, match="kept locked") as caught:
                unit.runs.hold("run-1")

    assert caught.value.category is Category.TRANSIENT
    assert time.monotonic() - began < 20, "the usual patience is 30 s"


def test_the_server_ends_a_unit_that_is_silent_and_frees_what_it_held(store: SqlStore) -> None:
    with store.write() as silent:
        silent.limit_silence(0.3)
        silent.runs.hold("run-1")
        # It asks nothing more; meanwhile another one waits for what it holds, and gets it.
        with store.write() as unit:
            unit.limit_waiting(20)
            assert len(unit.runs.hold("run-1")) == 1
            unit.commit()
        with pytest.raises(SpineError) as caught:
            silent.runs.hold("run-1")

    assert caught.value.category is Category.DEPENDENCY
    assert caught.value.retryable


def test_a_job_that_another_one_is_changing_keeps_no_other_lease_from_being_renewed(
    store: SqlStore,
) -> None:
    with store.write() as unit:
        for name in ("run-2", "run-3"):
            unit.runs.add(a_run(name))
            job = a_job(name, state=QueueState.CLAIMED, owner="me", fence=1)
            unit.queue.add(replace(job, lease_until=unit.queue.now()))
        unit.commit()
    with store.write() as holder:
        holder.queue.cancel("run-2")  # marks it, and does not commit
        with store.write() as unit:
            now = unit.queue.now()
            renewed = unit.queue.renew("me", timedelta(minutes=1))
            unit.commit()

    assert {job.run for job in renewed} == {"run-2", "run-3"}, "both are still ours"
    with store.read() as unit:
        job = unit.queue.get("run-3")
    assert job is not None
    assert job.lease_until is not None
    assert job.lease_until > now + timedelta(seconds=50)
