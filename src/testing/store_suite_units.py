"""What every unit of work has to keep: all or nothing, a snapshot, and an end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar, Protocol

import pytest
from polars.testing import assert_frame_equal

from ..domain.backfills import BackfillState, PartState
from ..domain.captures import (
    Capture,
    CaptureFilter,
    LineageEdge,
    PartitionFilter,
    RejectFilter,
)
from ..domain.errors import Category, SpineError
from ..domain.queueing import Progress
from ..domain.run_statistics import StatisticsFilter
from ..domain.runs import EventKind, LogLine, Run, RunEvent, RunFilter, RunState
from ..ports.storage import Store, StoreAdmin, UnitOfWork
from .store_suite_backfills import a_backfill, a_part
from .store_suite_run_samples import LONG, a_capacity, a_job
from .store_suite_samples import (
    NOON,
    OTC,
    VOLUME,
    a_capture,
    a_check,
    a_run,
    an_entry,
    one_row,
    rows_of,
    some_rejects,
    with_capture,
)

ALL = (1,) * 12
NOTHING = (0,) * 12


class ManagedStore(Store, StoreAdmin, Protocol):
    """A store together with its schema."""


class UnitOfWorkSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use.

    They say ``snapshot_reads = False`` for a database without snapshots: its readers see what is
    committed, as of each statement, and may have to wait for writers.
    """

    snapshot_reads: ClassVar[bool] = True

    def test_everything_commits_together(self, store: Store) -> None:
        with store.write() as unit:
            capture = _write_everything(unit)
            unit.commit()
        with store.read() as unit:
            assert _what_is_there(unit, capture) == ALL

    def test_without_commit_nothing_stays(self, store: Store) -> None:
        with store.write() as unit:
            capture = _write_everything(unit)
            assert _what_is_there(unit, capture) == ALL
        with store.read() as unit:
            assert _what_is_there(unit, capture) == NOTHING

    def test_after_an_error_nothing_stays(self, store: Store) -> None:
        written: list[Capture] = []

        def fail() -> None:
            with store.write() as unit:
                written.append(_write_everything(unit))
                raise RuntimeError("power cut")

        with pytest.raises(RuntimeError, match="power cut"):
            fail()
        with store.read() as unit:
            assert _what_is_there(unit, written[0]) == NOTHING

    def test_a_failed_unit_does_not_harm_the_next(self, store: Store) -> None:
        with_capture(store, "one")
        with store.write() as unit:
            unit.runs.add(a_run("run-2"))
            with pytest.raises(SpineError):
                unit.runs.add(a_run("run-2"))
        with store.write() as unit:
            unit.runs.add(a_run("run-2"))
            unit.commit()

    def test_a_reader_never_sees_what_is_not_committed(self, store: Store) -> None:
        with store.write() as writer:
            writer.runs.add(a_run())
            with store.read() as reader:
                if self.snapshot_reads:
                    assert reader.runs.get("run-1") is None
                else:
                    assert _seen_or_waited(reader) is None
            writer.commit()
        with store.read() as reader:
            assert reader.runs.get("run-1") is not None

    def test_a_reader_sees_one_moment(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(VOLUME, one.key, one_row("OLD"))
            unit.commit()
        with store.read() as reader:
            with store.write() as writer:
                writer.rows.replace(VOLUME, one.key, one_row("NEW"))
                writer.runs.add(a_run("run-2"))
                writer.captures.add(a_capture("two"))
                if self.snapshot_reads:
                    assert_frame_equal(rows_of(reader, one), one_row("OLD"))
                writer.commit()
            # Without snapshots the moment is that of each statement.
            seen = one_row("OLD" if self.snapshot_reads else "NEW")
            assert_frame_equal(rows_of(reader, one), seen)
            assert (reader.runs.get("run-2") is None) is self.snapshot_reads
            known = [item.id for item in reader.captures.list(CaptureFilter())]
            assert known == (["one"] if self.snapshot_reads else ["two", "one"])
        with store.read() as reader:
            assert_frame_equal(rows_of(reader, one), one_row("NEW"))
            assert reader.runs.get("run-2") is not None

    def test_the_moment_of_a_reader_is_when_it_begins(self, store: Store) -> None:
        with store.read() as reader:
            with store.write() as writer:
                writer.runs.add(a_run())
                writer.commit()
            seen = [run.id for run in reader.runs.list(RunFilter())]
            assert seen == ([] if self.snapshot_reads else ["run-1"])

    def test_a_reader_cannot_write(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        writes: list[Callable[[UnitOfWork], object]] = [
            lambda unit: unit.runs.add(a_run("run-2")),
            lambda unit: unit.runs.finish(a_run(state=RunState.FAILED)),
            lambda unit: unit.runs.begin(["run-1"], owner="here", at=NOON),
            lambda unit: unit.runs.put_back("run-1"),
            lambda unit: unit.runs.request_cancel(["run-1"], NOON),
            lambda unit: unit.runs.hold("run-1"),
            lambda unit: unit.queue.add(a_job()),
            lambda unit: unit.queue.claim(a_capacity()),
            lambda unit: unit.queue.renew("here", LONG),
            lambda unit: unit.queue.put_back(a_job().lease, a_job()),
            lambda unit: unit.queue.remove(a_job().lease),
            lambda unit: unit.queue.cancel("run-1"),
            lambda unit: unit.journal.record([RunEvent("run-1", EventKind.CLAIMED, NOON)]),
            lambda unit: unit.journal.log([LogLine("run-1", 1, NOON, "INFO", "hello")]),
            lambda unit: unit.journal.note_progress("run-1", Progress("rows")),
            lambda unit: unit.history.purge(NOON, 1),
            lambda unit: unit.backfills.add(a_backfill(), []),
            lambda unit: unit.backfills.hold("fill-1"),
            lambda unit: unit.backfills.change(
                "fill-1", expected=list(BackfillState), state=BackfillState.PAUSED
            ),
            lambda unit: unit.backfills.change_parts(a_part(1), expected=PartState.ACTIVE),
            lambda unit: unit.captures.add(a_capture("two")),
            lambda unit: unit.captures.record_counts(one.key, read=1, accepted=1, rejected=0),
            lambda unit: unit.rows.replace(VOLUME, one.key, one_row()),
            lambda unit: unit.rejects.replace(one.key, some_rejects(1)),
            lambda unit: unit.quality.add([a_check(one, "check")]),
            lambda unit: unit.manifest.record(an_entry(one)),
            lambda unit: unit.manifest.link([LineageEdge("run-1", "one", "INPUT")]),
            lambda unit: unit.lock(OTC),
            lambda unit: unit.commit(),
        ]
        with store.read() as unit:
            for write in writes:
                with pytest.raises(SpineError, match="only reads"):
                    write(unit)

    def test_a_unit_that_was_left_is_over(self, store: Store) -> None:
        with store.write() as left:
            left.runs.add(a_run())
        with store.write() as committed:
            committed.runs.add(a_run())
            committed.commit()
            with pytest.raises(SpineError, match="over"):
                committed.runs.add(a_run("run-2"))
        with store.read() as read:
            pass
        uses: list[Callable[[UnitOfWork], object]] = [
            lambda unit: unit.runs.get("run-1"),
            lambda unit: unit.runs.add(a_run("run-2")),
            lambda unit: unit.captures.list(CaptureFilter()),
            lambda unit: unit.queue.now(),
            lambda unit: unit.queue.get("run-1"),
            lambda unit: unit.journal.events("run-1"),
            lambda unit: unit.history.statistics(StatisticsFilter()),
            lambda unit: unit.backfills.get("fill-1"),
            lambda unit: unit.commit(),
        ]
        for unit in (left, committed, read):
            for use in uses:
                with pytest.raises(SpineError, match="over"):
                    use(unit)

    def test_limits_of_a_unit_end_with_it(self, store: Store) -> None:
        with store.write() as unit:
            unit.limit_waiting(0.2)
            unit.limit_silence(0.2)
            unit.runs.add(a_run())
            unit.commit()
        with store.write() as unit:
            began = unit.queue.now()
            while (unit.queue.now() - began).total_seconds() < 0.5:
                """Time passes, and the limits are not those of this one."""
            unit.runs.add(a_run("run-2"))
            unit.commit()
        with store.read() as unit, pytest.raises(SpineError):
            unit.limit_waiting(1)
        with store.read() as unit, pytest.raises(SpineError):
            unit.limit_silence(1)

    def test_writers_take_turns(self, store: Store) -> None:
        with store.write() as unit:
            unit.runs.add(a_run())
            unit.commit()
        failures: list[BaseException] = []

        def add(number: int) -> None:
            try:
                with store.write() as unit:
                    unit.lock(OTC)
                    unit.captures.add(a_capture(f"cap-{number}"))
                    unit.commit()
            except SpineError as error:
                failures.append(error)

        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        with store.read() as unit:
            found = unit.captures.list(CaptureFilter())
        assert [item.sequence for item in found] == list(range(8, 0, -1))
        assert [item.supersedes for item in found] == [*(item.id for item in found[1:]), None]
        times = [item.captured_at for item in found]
        assert times == sorted(times, reverse=True)


class StoreAdminSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_a_ready_store_is_at_the_expected_revision(self, store: ManagedStore) -> None:
        status = store.status()
        assert status.current
        assert status.revision == status.expected_revision
        assert status.latency >= 0

    def test_getting_ready_again_keeps_everything(self, store: ManagedStore) -> None:
        with_capture(store, "one")
        store.ensure_ready()
        assert store.upgrade().current
        store.ensure_ready()
        with store.read() as unit:
            assert unit.captures.get("one") is not None


def _seen_or_waited(reader: UnitOfWork) -> Run | None:
    """What a reader sees of run-1; None also where it waited in vain for whoever writes it."""
    try:
        return reader.runs.get("run-1")
    except SpineError as error:
        if error.category is not Category.TRANSIENT:
            raise
        return None


def _write_everything(unit: UnitOfWork) -> Capture:
    unit.runs.add(a_run())
    capture = unit.captures.add(a_capture("one"))
    unit.rows.replace(VOLUME, capture.key, one_row())
    unit.rejects.replace(capture.key, some_rejects(1))
    unit.quality.add([a_check(capture, "check")])
    unit.manifest.record(an_entry(capture))
    unit.manifest.link([LineageEdge("run-1", "one", "OUTPUT")])
    unit.queue.add(a_job())
    unit.journal.record([RunEvent("run-1", EventKind.SUBMITTED, NOON)])
    unit.journal.log([LogLine("run-1", 1, NOON, "INFO", "hello")])
    unit.journal.note_progress("run-1", Progress("rows", 1))
    unit.backfills.add(a_backfill(), [a_part(1)])
    return capture


def _what_is_there(unit: UnitOfWork, capture: Capture) -> tuple[int, ...]:
    return (
        len(unit.runs.list(RunFilter())),
        len(unit.captures.list(CaptureFilter())),
        rows_of(unit, capture).height,
        len(unit.rejects.list(RejectFilter())),
        len(unit.quality.list(PartitionFilter())),
        len(unit.manifest.list(PartitionFilter())),
        len(unit.manifest.lineage("run-1")),
        0 if unit.queue.get("run-1") is None else 1,
        len(unit.journal.events("run-1")),
        len(unit.journal.lines("run-1")),
        len(unit.journal.progress(["run-1"])),
        len(unit.backfills.parts("fill-1")),
    )
