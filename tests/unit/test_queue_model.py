"""The queue of runs against a simple model, over whatever order of calls hypothesis thinks of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from queue_machine import QueueMachine

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.ports.storage import Store
from market_spine.testing.memory_store import MemoryStore

# How fast this machine is at the moment is no matter here.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


class MemoryQueueMachine(QueueMachine):
    time_passes = True

    def make_store(self) -> Store:
        return MemoryStore(lambda: self.time)


class SqlQueueMachine(QueueMachine):
    """Each example has a copy of the empty database in ``folder``."""

    folder: ClassVar[Path]
    made: ClassVar[int] = 0

    def make_store(self) -> Store:
        type(self).made += 1
        path = self.folder / f"spine-{self.made}.db"
        shutil.copy(self.folder / "empty.db", path)
        self.sql = SqlStore(f"sqlite:///{path}")
        return self.sql

    def teardown(self) -> None:
        self.sql.close()


def test_the_queue_in_memory_is_as_the_model_says() -> None:
    run_state_machine_as_test(
        MemoryQueueMachine, settings=settings(PATIENT, max_examples=100, stateful_step_count=40)
    )


def test_the_queue_on_sqlite_is_as_the_model_says(tmp_path: Path) -> None:
    empty = SqlStore(f"sqlite:///{tmp_path / 'empty.db'}")
    empty.ensure_ready()
    empty.close()
    SqlQueueMachine.folder = tmp_path
    run_state_machine_as_test(
        SqlQueueMachine, settings=settings(PATIENT, max_examples=12, stateful_step_count=25)
    )
