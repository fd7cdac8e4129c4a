"""What every CaptureStore has to keep."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from ..domain.captures import Capture, CaptureFilter, Partition, Stage
from ..domain.errors import LoadError
from ..ports.storage import Store, UnitOfWork
from .store_suite_samples import NOON, OTC, TEXTS, WEEK, a_capture, a_run, an_entry, with_capture

HOUR = timedelta(hours=1)
T1 = replace(OTC, segment="T1")
NEXT_WEEK = replace(OTC, period=WEEK + timedelta(days=7))


class CaptureStoreSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_a_capture_comes_back_as_it_was_written(self, store: Store) -> None:
        (stored,) = with_capture(
            store,
            "cap-1",
            source_updated_on=None,
            source_name=TEXTS[6],
            source_options={"delimiter": "|", "note": TEXTS[3], "empty": ""},
            bytes=2**40,
            rows_read=3,
            rows_accepted=2,
            rows_rejected=1,
        )
        assert stored.key > 0
        with store.read() as unit:
            assert unit.captures.get("cap-1") == stored
            assert unit.captures.get("unknown") is None

    def test_captures_of_a_partition_are_counted_and_chained(self, store: Store) -> None:
        first, second, third = with_capture(store, "one", "two", "three")
        (other,) = with_capture(store, "other", partition=T1)
        assert [item.sequence for item in (first, second, third, other)] == [1, 2, 3, 1]
        assert [item.supersedes for item in (first, second, third, other)] == [
            None,
            "one",
            "two",
            None,
        ]
        assert len({item.key for item in (first, second, third, other)}) == 4

    def test_what_the_caller_says_of_sequence_is_not_believed(self, store: Store) -> None:
        (stored,) = with_capture(store, "one", sequence=7, supersedes="nothing", key=99)
        assert (stored.sequence, stored.supersedes) == (1, None)

    def test_time_of_captures_never_goes_back(self, store: Store) -> None:
        (first,) = with_capture(store, "one")
        (second,) = with_capture(store, "two", captured_at=NOON - HOUR)
        (same,) = with_capture(store, "three", captured_at=second.captured_at)
        assert first.captured_at == NOON
        assert second.captured_at == NOON + timedelta(microseconds=1)
        assert same.captured_at == second.captured_at
        with store.read() as unit:
            known = unit.captures.list(CaptureFilter(as_of=NOON, latest_only=True))
        assert [item.id for item in known] == ["one"]

    def test_two_captures_cannot_share_an_id(self, store: Store) -> None:
        with_capture(store, "one")
        with store.write() as unit, pytest.raises(LoadError):
            unit.captures.add(a_capture("one", partition=T1))

    def test_a_capture_needs_its_run(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError):
            unit.captures.add(a_capture(run="unknown"))

    def test_counts_are_recorded(self, store: Store) -> None:
        (stored,) = with_capture(store, "one")
        with store.write() as unit:
            unit.captures.record_counts(stored.key, read=10, accepted=9, rejected=1)
            unit.commit()
        with store.read() as unit:
            found = unit.captures.get("one")
        assert found == replace(stored, rows_read=10, rows_accepted=9, rows_rejected=1)

    def test_counts_of_an_unknown_capture_are_refused(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError):
            unit.captures.record_counts(12345, read=1, accepted=1, rejected=0)

    def test_captures_are_listed_by_partition_newest_first(self, store: Store) -> None:
        with_capture(store, "a1", "a2")
        with_capture(store, "t1", partition=T1)
        with_capture(store, "n1", partition=NEXT_WEEK)
        with store.read() as unit:
            assert _ids(unit, CaptureFilter()) == ["n1", "a2", "a1", "t1"]
            assert _ids(unit, CaptureFilter(limit=2)) == ["n1", "a2"]

    def test_captures_are_filtered(self, store: Store) -> None:
        with_capture(store, "a1", "a2")
        with_capture(store, "t1", partition=T1, digest="digest of a1")
        with_capture(store, "n1", partition=NEXT_WEEK)
        with_capture(store, "x1", partition=Partition("prices", WEEK, "OTC"))
        expected = {
            CaptureFilter(domain="prices"): ["x1"],
            CaptureFilter(segment="T1"): ["t1"],
            CaptureFilter(first_period=NEXT_WEEK.period): ["n1"],
            CaptureFilter(last_period=WEEK, domain=OTC.domain): ["a2", "a1", "t1"],
            CaptureFilter(first_period=date(2025, 11, 11), last_period=date(2025, 11, 16)): [],
            CaptureFilter(digest="digest of a1"): ["a1", "t1"],
            CaptureFilter(digest="digest of a1", segment="OTC"): ["a1"],
            CaptureFilter(latest_only=True, domain=OTC.domain): ["n1", "a2", "t1"],
        }
        with store.read() as unit:
            assert {wanted: _ids(unit, wanted) for wanted in expected} == expected

    def test_as_of_answers_from_what_was_known_then(self, store: Store) -> None:
        with_capture(store, "one", "two", "three")
        expected = {
            NOON - timedelta(microseconds=1): [],
            NOON: ["one"],
            NOON + HOUR - timedelta(microseconds=1): ["one"],
            NOON + HOUR: ["two"],
            NOON + 9 * HOUR: ["three"],
        }
        with store.read() as unit:
            found = {
                moment: _ids(unit, CaptureFilter(as_of=moment, latest_only=True))
                for moment in expected
            }
        assert found == expected

    def test_the_newest_is_sought_among_what_the_other_conditions_keep(self, store: Store) -> None:
        one, two, three = with_capture(store, "one", "two", "three")
        with store.write() as unit:
            for capture, blocked in ((one, False), (two, False), (three, True)):
                unit.manifest.record(an_entry(capture, Stage.MEASURED, blocked=blocked))
            unit.manifest.record(an_entry(three, Stage.NORMALIZED))
            unit.commit()
        measured = CaptureFilter(stage=Stage.MEASURED, latest_only=True)
        expected = {
            measured: ["two"],
            replace(measured, latest_only=False): ["two", "one"],
            replace(measured, stage=Stage.NORMALIZED): ["three"],
            replace(measured, stage=Stage.CAPTURED): [],
            replace(measured, as_of=NOON): ["one"],
            replace(measured, digest="digest of one"): ["one"],
            replace(measured, digest="digest of three"): [],
            CaptureFilter(latest_only=True): ["three"],
        }
        with store.read() as unit:
            assert {wanted: _ids(unit, wanted) for wanted in expected} == expected

    def test_a_stage_that_was_reached_later_was_not_known(self, store: Store) -> None:
        one, two = with_capture(store, "one", "two")
        late = two.captured_at + timedelta(hours=1)
        with store.write() as unit:
            unit.manifest.record(an_entry(one, Stage.MEASURED, reached_at=one.captured_at))
            unit.manifest.record(an_entry(two, Stage.MEASURED, reached_at=late))
            wanted = CaptureFilter(stage=Stage.MEASURED, latest_only=True)
            assert _ids(unit, replace(wanted, as_of=two.captured_at)) == ["one"]
            assert _ids(unit, replace(wanted, as_of=late)) == ["two"]

    def test_a_stage_counts_again_once_it_is_no_longer_blocked(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        for blocked, expected in ((True, []), (False, ["one"]), (True, [])):
            with store.write() as unit:
                unit.manifest.record(an_entry(one, Stage.MEASURED, blocked=blocked))
                unit.commit()
            with store.read() as unit:
                assert _ids(unit, CaptureFilter(stage=Stage.MEASURED)) == expected

    def test_what_one_unit_adds_the_same_unit_sees(self, store: Store) -> None:
        with store.write() as unit:
            unit.runs.add(a_run())
            first: Capture = unit.captures.add(a_capture("one"))
            second = unit.captures.add(a_capture("two"))
            assert unit.captures.get("one") == first
            assert second.supersedes == "one"


def _ids(unit: UnitOfWork, wanted: CaptureFilter) -> list[str]:
    return [capture.id for capture in unit.captures.list(wanted)]
