"""What every store of rejects, quality results, manifest and lineage has to keep."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from ..domain.captures import LineageEdge, PartitionFilter, RejectFilter, Stage
from ..domain.errors import LoadError
from ..domain.quality import CheckStatus, Severity
from ..ports.storage import Store
from .store_suite_samples import (
    NOON,
    OTC,
    TEXTS,
    a_capture,
    a_check,
    a_run,
    an_entry,
    some_rejects,
    with_capture,
)

T1 = replace(OTC, segment="T1")


class RejectStoreSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_rejects_come_back_exactly_in_the_order_of_lines(self, store: Store) -> None:
        rejects = pl.DataFrame(
            {
                "line": range(len(TEXTS), 0, -1),
                "reason": [f"reason {number}" for number in range(len(TEXTS))],
                "detail": TEXTS,
                "raw": TEXTS[::-1],
            }
        )
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            assert unit.rejects.replace(capture.key, rejects) == len(TEXTS)
            unit.commit()
        with store.read() as unit:
            found = unit.rejects.list(RejectFilter(capture="one"))
        assert [(item.line, item.reason, item.detail, item.raw) for item in found] == list(
            rejects.sort("line").iter_rows()
        )
        assert {(item.capture, item.partition) for item in found} == {("one", OTC)}

    def test_text_of_any_length_is_kept_whole(self, store: Store) -> None:
        texts = ["x" * 500, "é" * 251, "z" * 2000, "é" * 1001, "y" * 100_000, ""]
        rejects = some_rejects(*range(1, 7)).with_columns(
            pl.Series("raw", texts), pl.Series("detail", texts[::-1])
        )
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rejects.replace(capture.key, rejects)
            found = unit.rejects.list(RejectFilter())
        assert [(item.detail, item.raw) for item in found] == list(
            zip(texts[::-1], texts, strict=True)
        )

    def test_a_nul_is_made_visible(self, store: Store) -> None:
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rejects.replace(capture.key, some_rejects(1, raw="a\0b|\0"))
            assert unit.rejects.list(RejectFilter())[0].raw == "a\\x00b|\\x00"

    def test_several_rejects_of_one_line_are_kept(self, store: Store) -> None:
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            assert unit.rejects.replace(capture.key, some_rejects(7, 7)) == 2
            assert len(unit.rejects.list(RejectFilter())) == 2

    def test_replacing_leaves_the_new_rejects_only(self, store: Store) -> None:
        one, two = with_capture(store, "one", "two")
        with store.write() as unit:
            unit.rejects.replace(two.key, some_rejects(9))
            for lines in ((1, 2, 3), (4,), (4,)):
                assert unit.rejects.replace(one.key, some_rejects(*lines)) == len(lines)
            kept = [(item.capture, item.line) for item in unit.rejects.list(RejectFilter())]
            assert kept == [("two", 9), ("one", 4)]
            assert unit.rejects.replace(one.key, some_rejects()) == 0
            assert unit.rejects.list(RejectFilter(capture="one")) == []

    def test_rejects_are_filtered(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        (other,) = with_capture(store, "other", partition=T1)
        with store.write() as unit:
            unit.runs.add(a_run("run-2"))
            unit.rejects.replace(
                one.key, some_rejects(1, 2).with_columns(pl.Series("reason", ["a", "b"]))
            )
            unit.rejects.replace(other.key, some_rejects(3))
            unit.manifest.link(
                [LineageEdge("run-2", "one", "INPUT"), LineageEdge("run-2", "other", "OUTPUT")]
            )
            unit.commit()
        expected = {
            RejectFilter(): [1, 2, 3],
            RejectFilter(reason="b"): [2],
            RejectFilter(segment="T1"): [3],
            RejectFilter(domain="unknown"): [],
            RejectFilter(period=OTC.period, capture="one"): [1, 2],
            RejectFilter(run="run-1"): [1, 2, 3],
            RejectFilter(run="run-2"): [3],
            RejectFilter(limit=2): [1, 2],
        }
        with store.read() as unit:
            found = {
                wanted: [item.line for item in unit.rejects.list(wanted)] for wanted in expected
            }
        assert found == expected

    def test_rejects_of_later_captures_were_not_known(self, store: Store) -> None:
        one, two = with_capture(store, "one", "two")
        with store.write() as unit:
            unit.rejects.replace(one.key, some_rejects(1))
            unit.rejects.replace(two.key, some_rejects(2))
            for moment, expected in (
                (NOON - timedelta(seconds=1), []),
                (NOON, [1]),
                (two.captured_at, [2, 1]),
            ):
                found = unit.rejects.list(RejectFilter(as_of=moment))
                assert [item.line for item in found] == expected

    def test_every_reject_is_listed_without_a_limit(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rejects.replace(one.key, some_rejects(*range(1, 12_346)))
            found = unit.rejects.list(RejectFilter(limit=None))
        assert [item.line for item in found] == list(range(1, 12_346))

    def test_a_reject_without_a_line_is_refused(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        with store.write() as unit, pytest.raises(LoadError):
            unit.rejects.replace(
                one.key, some_rejects(1).with_columns(pl.lit(None, pl.Int64).alias("line"))
            )


class QualityStoreSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_results_come_back_as_they_were_written(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        written = [
            a_check(one, f"check {status.value} {severity.value}", status=status, severity=severity)
            for status in CheckStatus
            for severity in Severity
        ]
        written += [
            a_check(one, "texts", message=text, observed=text, expected=None) for text in TEXTS
        ]
        with store.write() as unit:
            unit.quality.add(iter(written))
            unit.commit()
        with store.read() as unit:
            assert unit.quality.list(PartitionFilter()) == written

    def test_the_newest_run_comes_first_its_checks_in_their_order(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        with store.write() as unit:
            unit.runs.add(a_run("run-2"))
            unit.quality.add([a_check(one, "z"), a_check(one, "a")])
            unit.quality.add([a_check(one, "z", "run-2"), a_check(one, "b", "run-2")])
            unit.quality.add([a_check(one, "m")])
            found = unit.quality.list(PartitionFilter())
            assert [(item.run, item.result.check) for item in found] == [
                ("run-2", "z"),
                ("run-2", "b"),
                ("run-1", "z"),
                ("run-1", "a"),
                ("run-1", "m"),
            ]
            assert len(unit.quality.list(PartitionFilter(limit=3))) == 3
            assert len(unit.quality.list(PartitionFilter(run="run-2"))) == 2

    def test_results_are_of_captures_that_were_known(self, store: Store) -> None:
        one, two = with_capture(store, "one", "two")
        with store.write() as unit:
            unit.quality.add([a_check(one, "of one"), a_check(two, "of two")])
            then = unit.quality.list(PartitionFilter(as_of=NOON))
            assert [item.result.check for item in then] == ["of one"]
            assert unit.quality.list(PartitionFilter(capture="two"))[0].capture == "two"

    def test_what_was_noted_later_was_not_known(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        later = NOON + timedelta(hours=1)
        with store.write() as unit:
            unit.quality.add(
                [a_check(one, "early"), replace(a_check(one, "late"), checked_at=later)]
            )
            unit.manifest.record(an_entry(one))
            unit.manifest.record(an_entry(one, Stage.NORMALIZED, reached_at=later))
            for moment, checks, stages in (
                (NOON, ["early"], [Stage.CAPTURED]),
                (later, ["early", "late"], [Stage.CAPTURED, Stage.NORMALIZED]),
            ):
                wanted = PartitionFilter(as_of=moment)
                assert [item.result.check for item in unit.quality.list(wanted)] == checks
                assert [entry.stage for entry in unit.manifest.list(wanted)] == stages

    def test_a_result_needs_its_capture(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError, match="unknown"):
            unit.quality.add([a_check(a_capture("unknown"), "check")])


class ManifestStoreSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_entries_come_back_as_they_were_written(self, store: Store) -> None:
        one, two = with_capture(store, "one", "two")
        (other,) = with_capture(store, "other", partition=T1)
        written = [
            an_entry(two, Stage.CAPTURED, rows=2**40),
            an_entry(two, Stage.NORMALIZED, grade="F", blocked=True),
            an_entry(one, Stage.CAPTURED),
            an_entry(one, Stage.MEASURED, grade="A"),
            an_entry(other, Stage.CAPTURED),
        ]
        with store.write() as unit:
            for entry in reversed(written):
                unit.manifest.record(entry)
            unit.commit()
        with store.read() as unit:
            assert unit.manifest.list(PartitionFilter()) == written
            assert unit.manifest.list(PartitionFilter(segment="T1")) == written[4:]
            assert unit.manifest.list(PartitionFilter(as_of=NOON, segment="OTC")) == written[2:4]
            assert unit.manifest.list(PartitionFilter(limit=1)) == written[:1]
            assert unit.manifest.list(PartitionFilter(run="run-2")) == []

    def test_a_stage_is_noted_once_the_latest_way(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        later = an_entry(one, run="run-2", rows=9, reached_at=NOON + timedelta(seconds=1))
        with store.write() as unit:
            unit.runs.add(a_run("run-2"))
            unit.manifest.record(an_entry(one))
            unit.manifest.record(later)
            assert unit.manifest.list(PartitionFilter()) == [later]

    def test_a_withdrawn_stage_is_gone_and_the_others_stay(self, store: Store) -> None:
        one, two = with_capture(store, "one", "two")
        with store.write() as unit:
            for capture in (one, two):
                for stage in (Stage.CAPTURED, Stage.MEASURED):
                    unit.manifest.record(an_entry(capture, stage=stage))
            unit.manifest.withdraw(one.id, Stage.MEASURED)
            unit.manifest.withdraw(one.id, Stage.MEASURED)
            unit.manifest.withdraw(one.id, Stage.NORMALIZED)
            unit.commit()
        with store.read() as unit:
            left = {
                capture.id: [
                    e.stage for e in unit.manifest.list(PartitionFilter(capture=capture.id))
                ]
                for capture in (one, two)
            }
        assert left == {
            "one": [Stage.CAPTURED],
            "two": [Stage.CAPTURED, Stage.MEASURED],
        }

    def test_an_entry_needs_its_capture_and_run(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        with store.write() as unit:
            with pytest.raises(LoadError):
                unit.manifest.record(an_entry(a_capture("unknown")))
            with pytest.raises(LoadError):
                unit.manifest.record(an_entry(one, run="unknown"))

    def test_the_same_edge_twice_is_one(self, store: Store) -> None:
        with_capture(store, "one", "two")
        edges = [LineageEdge("run-1", "one", "INPUT"), LineageEdge("run-1", "one", "OUTPUT")]
        with store.write() as unit:
            unit.runs.add(a_run("run-2"))
            unit.manifest.link([*edges, *edges])
            unit.manifest.link(edge for edge in [*edges, LineageEdge("run-1", "two", "INPUT")])
            unit.manifest.link([])
            unit.manifest.link([LineageEdge("run-2", "one", "INPUT")])
            unit.commit()
        with store.read() as unit:
            assert unit.manifest.lineage("run-1") == [
                LineageEdge("run-1", "one", "INPUT", OTC),
                LineageEdge("run-1", "two", "INPUT", OTC),
                LineageEdge("run-1", "one", "OUTPUT", OTC),
            ]
            assert unit.manifest.lineage("unknown") == []
