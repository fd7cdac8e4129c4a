"""What a store that tells of what is queued has to promise."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from ..domain.queueing import QueueState
from ..ports.storage import Store
from .store_suite_run_samples import a_job, claim, put_back, remove, with_jobs

LONGEST = 20.0
"""Seconds after which it is taken not to ring."""
SILENCE = 0.5
LATER = datetime(2999, 1, 1, tzinfo=UTC)


class BellSuite:
    """Subclasses give a fixture ``store`` that is a QueueBell as well."""

    def test_it_rings_for_what_others_queue(self, store: Store) -> None:
        with _Ear(store) as ear:
            with_jobs(store, a_job("run-1"))
            ear.wait("a job was queued")
            (job,) = claim(store)
            ear.forget()
            put_back(store, job)
            ear.wait("a job was given back")

    def test_it_rings_when_a_key_is_passed_on(self, store: Store) -> None:
        with_jobs(store, a_job("run-1", key="k"), a_job("run-2", key="k"))
        (job,) = claim(store)
        with _Ear(store) as ear:
            assert remove(store, job.lease)
            ear.wait("a held job was freed")

    def test_what_was_rolled_back_is_not_counted_on(self, store: Store) -> None:
        with_jobs(store, a_job("run-1", state=QueueState.WAITING))
        with _Ear(store) as ear:
            with store.write() as unit:
                unit.queue.cancel("run-1")
            with_jobs(store, a_job("run-2"))
            ear.wait("a job was queued after something was rolled back")

    def test_nobody_is_called_who_listens_no_more(self, store: Store) -> None:
        with _Ear(store) as ear:
            pass
        ear.forget()
        with _Ear(store) as other:
            with_jobs(store, a_job("run-1"))
            other.wait("a job was queued")
        assert not ear.rung


class _Ear:
    """Listens, beginning with silence: what was told of the past is forgotten."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._event = threading.Event()
        self._listening = store.listening(self._event.set)  # type: ignore[attr-defined]  # both at once

    def __enter__(self) -> _Ear:
        self._listening.__enter__()
        with_jobs(
            self._store, a_job(f"marker-{id(self)}", state=QueueState.WAITING, ready_at=LATER)
        )
        while self._event.wait(SILENCE):
            self._event.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.__exit__(None, None, None)

    @property
    def rung(self) -> bool:
        return self._event.is_set()

    def forget(self) -> None:
        self._event.clear()

    def wait(self, what: str) -> None:
        assert self._event.wait(LONGEST), f"{what}, and nothing was heard of it"
