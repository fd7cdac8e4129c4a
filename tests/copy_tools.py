"""What the tests of copies share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from market_spine.adapters.outbound.sql.copying import SqlCopySource, SqlCopyTarget
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.adapters.outbound.system.runtime import SystemClock
from market_spine.application.copy_store import CopyReport, CopyStore
from market_spine.testing.copy_sample import fill_store


class Watching:
    """Progress that tells every step, ``copying TABLE`` or rows done, to ``told``."""

    def __init__(self, told: Callable[[str | int], None] = lambda step: None) -> None:
        self._told = told

    @contextmanager
    def task(self, label: str, *, total: int | None = None, unit: str = "") -> Iterator[Watching]:
        yield self

    def advance(self, amount: int = 1) -> None:
        self._told(amount)

    def describe(self, text: str) -> None:
        self._told(text)


def copy(source: str, target: str, *, batch_rows: int = 7, progress: Any = None) -> CopyReport:
    """A copy of the real store, in this process."""
    reading, writing = SqlCopySource(source), SqlCopyTarget(target)
    try:
        made = CopyStore(reading, writing, SystemClock(), progress or Watching())
        return made(batch_rows=batch_rows)
    finally:
        reading.close()
        writing.close()


@contextmanager
def opened(url: str) -> Iterator[SqlStore]:
    """The store of a URL, closed behind."""
    store = SqlStore(url)
    try:
        store.ensure_ready()
        yield store
    finally:
        store.close()


def filled(url: str, *, captures: int = 3) -> str:
    """The URL, with the sample in its store."""
    with opened(url) as store:
        fill_store(store, captures=captures)
    return url


def everything(url: str) -> dict[str, pl.DataFrame]:
    """All rows of all tables of a store."""
    source = SqlCopySource(url)
    try:
        with source.snapshot() as reader:
            return {
                table.name: pl.concat(frames) if frames else pl.DataFrame()
                for table in reader.tables()
                for frames in [list(reader.frames(table.name, 10_000))]
            }
    finally:
        source.close()


def assert_same(target: str, source: str) -> None:
    """Both stores hold the same rows, value for value."""
    wanted, found = everything(source), everything(target)
    assert found.keys() == wanted.keys()
    assert sum(frame.height for frame in wanted.values()), "there was nothing to copy"
    for name, frame in wanted.items():
        assert_frame_equal(found[name], frame)


def digests(report: CopyReport) -> dict[str, tuple[int, str]]:
    """Rows and digest of each table."""
    return {table.name: (table.rows, table.digest) for table in report.tables}
