from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.captures import CaptureFilter
from market_spine.domain.errors import Category, LoadError
from market_spine.testing.store_suite_samples import a_capture, a_run, rows_of

ROWS = 20_000

WRITER = """
import sys
from dataclasses import replace
import polars as pl
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.testing.store_suite_samples import OTC, VOLUME, a_capture, one_row

url, name, segment, rounds, rows = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
store = SqlStore(url)
frame = pl.concat([one_row()] * rows).with_columns(
    pl.format("S{}", pl.int_range(pl.len())).alias("symbol")
)
print("ready", flush=True)
sys.stdin.readline()
for number in range(rounds):
    partition = replace(OTC, segment=segment)
    with store.write() as unit:
        unit.lock(partition)
        added = unit.captures.add(a_capture(f"{name}-{number}", partition=partition))
        unit.rows.replace(VOLUME, added.key, frame)
        unit.commit()
"""

CREATOR = """
import sys
from market_spine.adapters.outbound.sql.store import SqlStore

print("ready", flush=True)
for line in sys.stdin:
    store = SqlStore(line.strip())
    store.ensure_ready()
    print(store.status().current, flush=True)
    store.close()
"""

KILLED = """
import os, signal, sys
import polars as pl
from sqlalchemy import event
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.testing.store_suite_samples import VOLUME, a_capture, one_row, some_rejects

url, moment = sys.argv[1], sys.argv[2]
store = SqlStore(url)
engine = store._database.engine(Access.WRITE)
executed = []


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def count(*_):
    executed.append(1)
    if moment == str(len(executed)):
        die()


event.listen(engine, "after_cursor_execute", count)
if moment == "before commit":
    event.listen(engine, "commit", die)
frame = pl.concat([one_row()] * 200_000).with_columns(
    pl.format("S{}", pl.int_range(pl.len())).alias("symbol")
)
with store.write() as unit:
    added = unit.captures.add(a_capture("killed"))
    unit.rejects.replace(added.key, some_rejects(1))
    unit.rows.replace(VOLUME, added.key, frame)
    unit.commit()
if moment == "after commit":
    die()
print(len(executed))
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'spine.db'}"


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url)
    store.ensure_ready()
    with store.write() as unit:
        unit.runs.add(a_run())
        unit.commit()
    yield store
    store.close()


def test_processes_that_write_different_partitions_all_succeed(store: SqlStore, url: str) -> None:
    with ExitStack() as stack:
        writers = [
            stack.enter_context(_started(WRITER, url, segment, segment, "3", str(ROWS)))
            for segment in ("OTC", "T1", "T2")
        ]
        for writer in writers:
            _say(writer, "go")
        for writer in writers:
            assert writer.wait(120) == 0, writer.stderr and writer.stderr.read()
    with store.read() as unit:
        for segment in ("OTC", "T1", "T2"):
            found = unit.captures.list(CaptureFilter(segment=segment))
            assert [item.sequence for item in found] == [3, 2, 1]
            assert [rows_of(unit, item).height for item in found] == [ROWS] * 3


def test_processes_that_write_one_partition_take_turns(store: SqlStore, url: str) -> None:
    with ExitStack() as stack:
        writers = [
            stack.enter_context(_started(WRITER, url, name, "OTC", "20", "10")) for name in "ab"
        ]
        for writer in writers:
            _say(writer, "go")
        for writer in writers:
            assert writer.wait(120) == 0, writer.stderr and writer.stderr.read()
    with store.read() as unit:
        found = unit.captures.list(CaptureFilter())
    assert [item.sequence for item in found] == list(range(40, 0, -1))
    assert [item.supersedes for item in found] == [*(item.id for item in found[1:]), None]


def test_processes_that_create_one_store_all_find_it_ready(tmp_path: Path) -> None:
    with ExitStack() as stack:
        creators = [stack.enter_context(_started(CREATOR)) for _ in range(4)]
        for attempt in range(8):
            for creator in creators:
                _say(creator, f"sqlite:///{tmp_path / f'fresh{attempt}' / 'spine.db'}")
            assert [_hear(creator) for creator in creators] == ["True"] * 4


# 1 is BEGIN, then the capture, its rejects, the names and twenty chunks of rows.
@pytest.mark.parametrize(
    "moment", ["1", "3", "6", "9", "15", "24", "before commit", "after commit"]
)
def test_a_killed_load_leaves_nothing_or_everything(store: SqlStore, url: str, moment: str) -> None:
    with _started(KILLED, url, moment, wait=False) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, f"not killed: {output} {errors}"
    everything = moment == "after commit"
    with store.read() as unit:
        found = unit.captures.get("killed")
        assert (found is not None) is everything
        assert rows_of(unit, a_capture(key=1)).height == 200_000 * everything
    with _started(WRITER, url, "next", "OTC", "1", "10") as writer:
        _say(writer, "go")
        assert writer.wait(120) == 0, writer.stderr and writer.stderr.read()
    with store.read() as unit:
        (newest, *_) = unit.captures.list(CaptureFilter())
        assert newest.id == "next-0"
        assert newest.supersedes == ("killed" if everything else None)


def test_a_writer_gives_up_after_its_time_and_says_that_it_may_try_again(
    store: SqlStore, url: str
) -> None:
    impatient = SqlStore(url, ConnectionLimits(busy_timeout=0.05))
    with store.write() as unit:
        unit.runs.add(a_run("run-2"))
        with pytest.raises(LoadError, match=r"more than 0\.05 s") as caught, impatient.write():
            pytest.fail("two writers at once")
        with impatient.read() as reader:
            assert reader.runs.get("run-2") is None
        impatient.ensure_ready()
        unit.commit()
    assert caught.value.category is Category.TRANSIENT
    assert caught.value.retryable
    with impatient.write() as unit:
        assert unit.runs.get("run-2") is not None
    impatient.close()


@contextmanager
def _started(script: str, *arguments: str, wait: bool = True) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            if wait:
                assert _hear(process) == "ready"
            yield process
        finally:
            process.kill()


def _say(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout.readline().strip() or process.stderr.read()
