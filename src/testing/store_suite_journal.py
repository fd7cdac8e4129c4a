"""What every RunJournal has to keep: events, what runs say, and how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ..domain.errors import LoadError
from ..domain.queueing import Progress
from ..domain.runs import EventKind, Head, LogLine, RunEvent
from ..ports.storage import Store
from .store_suite_run_samples import (
    a_capacity,
    a_job,
    cancel,
    claim,
    put_back,
    remove,
    with_jobs,
    with_runs,
)
from .store_suite_samples import NOON, TEXTS, a_run

SECOND = timedelta(seconds=1)
LINE_BYTES = 2000


def an_event(run: str = "run-1", kind: EventKind = EventKind.SUBMITTED, **changes: Any) -> RunEvent:
    """An event of noon."""
    return RunEvent(run, kind, **{"at": NOON, **changes})


def a_line(number: int = 1, text: str = "hello", **changes: Any) -> LogLine:
    """A line that run-1 said at noon."""
    return LogLine(
        **{"run": "run-1", "at": NOON, "level": "INFO", **changes}, number=number, text=text
    )


class RunJournalSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use.

    A line takes at most 2000 bytes of UTF-8: of a longer one as many whole characters are kept as
    leave room for a trailing ``…``. A NUL and half a surrogate pair are made visible.
    """

    def test_an_event_comes_back_as_it_was_recorded(self, store: Store) -> None:
        event = an_event(
            kind=EventKind.CLAIMED,
            at=NOON + timedelta(microseconds=1),
            attempt=3,
            fence=2**40,
            owner="host/1/é",
            detail={"texts": list(TEXTS), "deep": {"n": 1, "f": 0.1, "no": None, "yes": True}},
        )
        with_runs(store, a_run())
        self._record(store, event, an_event())
        with store.read() as unit:
            found = unit.journal.events("run-1")
            assert list(unit.journal.events("unknown")) == []
        assert [replace(item, key=0) for item in found] == [event, an_event()]

    @pytest.mark.parametrize("kind", list(EventKind))
    def test_every_kind_of_event_is_kept(self, store: Store, kind: EventKind) -> None:
        with_runs(store, a_run())
        self._record(store, an_event(kind=kind))
        with store.read() as unit:
            assert [event.kind for event in unit.journal.events("run-1")] == [kind]

    def test_events_are_in_the_order_of_their_recording_not_of_their_time(
        self, store: Store
    ) -> None:
        with_runs(store, a_run("run-1"), a_run("run-2"))
        self._record(
            store,
            an_event(attempt=1, at=NOON + SECOND),
            an_event("run-2", attempt=2),
            an_event(attempt=3, at=NOON),
        )
        self._record(store, an_event("run-2", attempt=4, at=NOON - SECOND))
        self._record(store, an_event(attempt=5, at=NOON - SECOND))
        with store.read() as unit:
            for run, attempts in (("run-1", [1, 3, 5]), ("run-2", [2, 4])):
                events = unit.journal.events(run)
                assert [event.attempt for event in events] == attempts
                keys = [event.key for event in events]
                assert keys == sorted(set(keys))
                assert keys[0] > 0

    def test_what_the_caller_says_of_the_key_is_not_believed(self, store: Store) -> None:
        with_runs(store, a_run())
        self._record(store, an_event(key=77), an_event(key=77))
        with store.read() as unit:
            keys = [event.key for event in unit.journal.events("run-1")]
        assert len(set(keys)) == 2

    def test_events_are_read_on_from_any_of_them(self, store: Store) -> None:
        with_runs(store, a_run())
        self._record(store, *(an_event(attempt=number) for number in range(1, 8)))
        seen: list[int] = []
        after = 0
        with store.read() as unit:
            while page := unit.journal.events("run-1", after=after, limit=3):
                assert len(page) <= 3
                seen += [event.attempt for event in page]
                after = page[-1].key
            assert list(unit.journal.events("run-1", limit=0)) == []
        assert seen == [1, 2, 3, 4, 5, 6, 7]

    def test_events_of_any_zone_come_back_in_utc(self, store: Store) -> None:
        tokyo = datetime(2025, 12, 16, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=9)))
        with_runs(store, a_run())
        self._record(store, an_event(at=tokyo))
        with store.read() as unit:
            (found,) = unit.journal.events("run-1")
        assert found.at == tokyo
        assert found.at.utcoffset() == timedelta(0)

    def test_an_event_needs_its_run(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError):
            unit.journal.record([an_event("unknown")])

    def test_a_detail_that_is_no_json_is_refused(self, store: Store) -> None:
        with_runs(store, a_run())
        with store.write() as unit, pytest.raises(LoadError, match="run-1"):
            unit.journal.record([an_event(detail={"when": NOON})])

    def test_what_is_not_committed_did_not_happen(self, store: Store) -> None:
        with_runs(store, a_run())
        with store.write() as unit:
            unit.journal.record([an_event()])
            unit.journal.log([a_line()])
            assert len(unit.journal.events("run-1")) == len(unit.journal.lines("run-1")) == 1
        with store.read() as unit:
            assert list(unit.journal.events("run-1")) == []
            assert list(unit.journal.lines("run-1")) == []

    def test_nothing_is_recorded_where_there_is_nothing(self, store: Store) -> None:
        with store.write() as unit:
            unit.journal.record([])
            unit.journal.log([])
            assert unit.journal.progress([]) == {}
            unit.commit()

    def test_lines_come_back_as_they_were_said(self, store: Store) -> None:
        lines = [
            a_line(number, text, at=NOON - number * SECOND, level="WARNING")
            for number, text in enumerate(TEXTS, start=1)
        ]
        with_runs(store, a_run(), a_run("run-2"))
        self._log(store, *lines)
        self._log(store, a_line(1, "another", run="run-2"))
        with store.read() as unit:
            assert list(unit.journal.lines("run-1")) == lines
            assert [line.text for line in unit.journal.lines("run-2")] == ["another"]
            assert list(unit.journal.lines("unknown")) == []

    def test_lines_are_in_the_order_of_their_numbers(self, store: Store) -> None:
        with_runs(store, a_run())
        self._log(store, *(a_line(number) for number in (10, 9, 2)))
        self._log(store, a_line(100), a_line(1))
        with store.read() as unit:
            assert _numbers(unit.journal.lines("run-1")) == [1, 2, 9, 10, 100]
            assert _numbers(unit.journal.lines("run-1", after=2)) == [9, 10, 100]
            assert _numbers(unit.journal.lines("run-1", after=2, limit=2)) == [9, 10]
            assert _numbers(unit.journal.lines("run-1", after=100)) == []
            assert _numbers(unit.journal.lines("run-1", after=2**40)) == []

    def test_many_lines_are_logged_at_once(self, store: Store) -> None:
        with_runs(store, a_run())
        self._log(store, *(a_line(number, "x" * number) for number in range(1, 1501)))
        with store.read() as unit:
            assert _numbers(unit.journal.lines("run-1")) == list(range(1, 1001))
            rest = unit.journal.lines("run-1", after=1000)
        assert [len(line.text) for line in rest] == list(range(1001, 1501))

    @pytest.mark.parametrize(
        ("said", "kept"),
        [
            ("x" * LINE_BYTES, "x" * LINE_BYTES),
            ("é" * 1000, "é" * 1000),
            ("x" * 2001, "x" * 1997 + "…"),
            ("é" * 1001, "é" * 998 + "…"),
            ("x" + "é" * 1000, "x" + "é" * 998 + "…"),
            ("🚀" * 501, "🚀" * 499 + "…"),
            ("xx" + "🚀" * 500, "xx" + "🚀" * 498 + "…"),
            ("x" * 10_000_000, "x" * 1997 + "…"),
            ("a\0b\udcff", "a\\x00b\\udcff"),
            ("\0" * 600, "\\x00" * 499 + "\\…"),
        ],
        ids=range(10),
    )
    def test_a_line_has_a_length(self, store: Store, said: str, kept: str) -> None:
        with_runs(store, a_run())
        self._log(store, a_line(1, said))
        with store.read() as unit:
            (found,) = unit.journal.lines("run-1")
        assert found.text == kept
        assert len(found.text.encode()) <= LINE_BYTES

    def test_a_line_needs_its_run(self, store: Store) -> None:
        with_runs(store, a_run())
        with store.write() as unit, pytest.raises(LoadError):
            unit.journal.log([a_line(), a_line(run="unknown")])

    def test_two_lines_cannot_share_a_number(self, store: Store) -> None:
        with_runs(store, a_run())
        self._log(store, a_line(1, "first"))
        with store.write() as unit, pytest.raises(LoadError):
            unit.journal.log([a_line(1, "second")])
        with store.read() as unit:
            assert [line.text for line in unit.journal.lines("run-1")] == ["first"]

    def test_heads_tell_of_each_run_how_far_its_journal_goes(self, store: Store) -> None:
        with_runs(store, *(a_run(f"run-{number}") for number in range(1, 5)))
        self._record(store, an_event(), an_event("run-2"), an_event(), an_event("run-2"))
        self._log(store, *(a_line(number) for number in (7, 3, 40)), a_line(2, run="run-3"))
        asked = ("run-3", "run-1", "run-2", "run-4", "unknown", "run-1")
        with store.read() as unit:
            last = {run: unit.journal.events(run)[-1].key for run in ("run-1", "run-2")}
            assert dict(unit.journal.heads(asked)) == {
                "run-1": Head(last["run-1"], 40),
                "run-2": Head(last["run-2"], 0),
                "run-3": Head(0, 2),
                "run-4": Head(0, 0),
                "unknown": Head(0, 0),
            }
            assert dict(unit.journal.heads([])) == {}
            assert dict(unit.journal.heads({"run-4"})) == {"run-4": Head()}

    def test_a_head_moves_with_what_is_committed(self, store: Store) -> None:
        with_runs(store, a_run())
        self._record(store, an_event())
        with store.write() as unit:
            before = unit.journal.heads(["run-1"])["run-1"]
            unit.journal.record([an_event()])
            unit.journal.log([a_line(1), a_line(2)])
            within = unit.journal.heads(["run-1"])["run-1"]
            assert within.event > before.event
            assert (before.line, within.line) == (0, 2)
        with store.read() as unit:
            assert unit.journal.heads(["run-1"])["run-1"] == before

    def test_heads_of_many_runs_are_asked_at_once(self, store: Store) -> None:
        with_runs(store, a_run("run-1"), a_run("run-2"))
        self._log(store, a_line(5), a_line(6, run="run-2"))
        asked = ["run-1", *(f"unknown-{number}" for number in range(3000)), "run-2"]
        with store.read() as unit:
            heads = unit.journal.heads(asked)
        assert set(heads) == set(asked)
        assert {run: head for run, head in heads.items() if head != Head()} == {
            "run-1": Head(0, 5),
            "run-2": Head(0, 6),
        }

    def test_progress_is_what_was_noted_last(self, store: Store) -> None:
        with_jobs(store, a_job("run-1"), a_job("run-2"), a_job("run-3"))
        notes = [
            ("run-1", Progress("reading", 1, 10, "files")),
            ("run-2", Progress("rows of é", 2**40, None, "")),
            ("run-1", Progress("writing", 0, 2**40, "rows")),
        ]
        for run, progress in notes:
            self._note(store, run, progress)
        with store.read() as unit:
            found = unit.journal.progress(["run-1", "run-2", "run-3", "unknown"])
            assert dict(unit.journal.progress(["run-3"])) == {}
            assert set(unit.journal.progress(("run-2",))) == {"run-2"}
        assert dict(found) == {"run-1": notes[2][1], "run-2": notes[1][1]}

    @pytest.mark.parametrize("text", TEXTS)
    def test_progress_has_any_label(self, store: Store, text: str) -> None:
        with_jobs(store, a_job())
        self._note(store, "run-1", Progress(text, 1, 2, text))
        with store.read() as unit:
            assert dict(unit.journal.progress(["run-1"])) == {"run-1": Progress(text, 1, 2, text)}

    def test_progress_lasts_as_long_as_the_job(self, store: Store) -> None:
        with_jobs(store, a_job("run-1"), a_job("run-2"))
        first, second = claim(store)
        for run in ("run-1", "run-2"):
            self._note(store, run, Progress("rows", 5))
        assert remove(store, first.lease)
        assert put_back(store, second)
        assert cancel(store, "run-2") is not None
        with store.read() as unit:
            assert dict(unit.journal.progress(["run-1", "run-2"])) == {}

    def test_progress_of_a_run_that_is_not_queued_is_not_kept(self, store: Store) -> None:
        with_runs(store, a_run())
        self._note(store, "run-1", Progress("rows", 5))
        self._note(store, "unknown", Progress("rows", 5))
        with store.read() as unit:
            assert dict(unit.journal.progress(["run-1", "unknown"])) == {}
        with_jobs(store, a_job())
        with store.read() as unit:
            assert dict(unit.journal.progress(["run-1"])) == {}

    def test_progress_leaves_the_job_as_it_is(self, store: Store) -> None:
        with_jobs(store, a_job())
        (job,) = claim(store, a_capacity())
        self._note(store, "run-1", Progress("rows", 5))
        with store.read() as unit:
            assert unit.queue.get("run-1") == job

    def test_progress_of_many_runs_is_asked_at_once(self, store: Store) -> None:
        with_jobs(store, a_job())
        self._note(store, "run-1", Progress("rows", 5))
        asked = ["run-1", *(f"unknown-{number}" for number in range(3000))]
        with store.read() as unit:
            assert set(unit.journal.progress(asked)) == {"run-1"}

    def _record(self, store: Store, *events: RunEvent) -> None:
        with store.write() as unit:
            unit.journal.record(iter(events))
            unit.commit()

    def _log(self, store: Store, *lines: LogLine) -> None:
        with store.write() as unit:
            unit.journal.log(iter(lines))
            unit.commit()

    def _note(self, store: Store, run: str, progress: Progress) -> None:
        with store.write() as unit:
            unit.journal.note_progress(run, progress)
            unit.commit()


def _numbers(lines: Sequence[LogLine]) -> list[int]:
    return [line.number for line in lines]
