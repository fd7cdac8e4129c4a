"""The driver serves one thread at a time on a connection: the pool sees to it, and waits."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine, event

from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.testing.store_suite_samples import OTC, VOLUME, a_capture, a_run, one_row, rows_of

THREADS, UNITS = 8, 6
LIMITS = ConnectionLimits(pool_size=3, pool_timeout=60, busy_timeout=60)


class Watch:
    """Notes who uses which connection, and whether two ever did at once."""

    def __init__(self, engine: Engine) -> None:
        self.users: dict[int, int] = {}
        self.threads: Counter[int] = Counter()
        self.shared: list[int] = []
        self._guard = threading.Lock()
        event.listen(engine, "checkout", self._out)
        event.listen(engine, "checkin", self._in)
        event.listen(engine, "before_cursor_execute", self._used)

    def _out(self, driver: object, *_: object) -> None:
        with self._guard:
            if id(driver) in self.users:
                self.shared.append(id(driver))
            self.users[id(driver)] = threading.get_ident()

    def _in(self, driver: object, *_: object) -> None:
        with self._guard:
            self.users.pop(id(driver), None)

    def _used(self, connection: Any, *_: object) -> None:
        driver = connection.connection.driver_connection
        with self._guard:
            self.threads[threading.get_ident()] += 1
            if self.users.get(id(driver)) != threading.get_ident():
                self.shared.append(id(driver))


def test_many_threads_share_a_few_connections_one_at_a_time(db2_url: str) -> None:
    store = SqlStore(db2_url, LIMITS)
    store.ensure_ready()
    watches = [Watch(store._database.engine(access)) for access in (Access.READ, Access.WRITE)]
    with store.write() as unit:
        unit.runs.add(a_run())
        unit.commit()

    def work(thread: int) -> None:
        for number in range(UNITS):
            name = f"{thread}-{number}"
            with store.write() as unit:
                unit.lock(OTC)
                capture = unit.captures.add(a_capture(name))
                unit.rows.replace(VOLUME, capture.key, one_row(f"S{thread}{number}"))
                unit.commit()
            with store.read() as unit:
                found = unit.captures.get(name)
                assert found is not None
                assert rows_of(unit, found)["symbol"].to_list() == [f"S{thread}{number}"]

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work, thread) for thread in range(THREADS)]:
            done.result(timeout=120)
    for watch in watches:
        assert watch.shared == []
        assert len(watch.threads) >= THREADS
    with store._database.connect(Access.READ) as connection:
        sequences = connection.exec_driver_sql("SELECT sequence_no FROM captures").scalars().all()
    assert sorted(sequences) == list(range(1, THREADS * UNITS + 1))
    store.close()
