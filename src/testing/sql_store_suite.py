"""What every store on a SQL database has to keep beyond the port: alike on all of them."""

from __future__ import annotations

from contextlib import suppress

import pytest

from ..domain.captures import CaptureFilter, Partition
from ..domain.errors import Category, LoadError, SpineError
from ..domain.runs import RunFilter
from ..ports.storage import Store
from .store_suite_samples import OTC, VOLUME, a_capture, a_check, a_run, one_row, with_capture

_E = "\u00e9"  # one character, two bytes


class SqlStoreSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_after_a_swallowed_error_a_commit_keeps_all_else_or_says_that_it_kept_nothing(
        self, store: Store
    ) -> None:
        with store.write() as unit:
            unit.runs.add(a_run("run-1"))
            with suppress(SpineError):
                unit.runs.add(a_run("run-1"))
            try:
                unit.commit()
            except SpineError:
                kept = 0
            else:
                kept = 1
        with store.read() as unit:
            assert len(unit.runs.list(RunFilter())) == kept

    def test_what_the_database_complains_of_is_told_alike(self, store: Store) -> None:
        with_capture(store, "one")
        for wrong, fault in (
            (a_run("run-1"), "unique"),
            (a_run("run-2", parent="no such run"), "foreign_key"),
        ):
            with store.write() as unit, pytest.raises(LoadError) as refused:
                unit.runs.add(wrong)
            assert refused.value.context.metadata["fault"] == fault
            assert refused.value.category is Category.LOAD
            assert not refused.value.retryable

    @pytest.mark.parametrize(("text", "fits"), [(_E * 100, True), (_E * 100 + "x", False)])
    def test_lengths_are_counted_in_bytes(self, store: Store, text: str, fits: bool) -> None:
        with store.write() as unit:
            if fits:
                unit.runs.add(a_run(pipeline=text))
                unit.commit()
                return
            with pytest.raises(LoadError, match=r"runs\.pipeline takes 201 bytes") as refused:
                unit.runs.add(a_run(pipeline=text))
            assert refused.value.category is Category.VALIDATION

    def test_the_key_of_a_capture_has_a_length(self, store: Store) -> None:
        partition = Partition(OTC.domain, OTC.period, _E * 101)
        with store.write() as unit:
            unit.runs.add(a_run())
            with pytest.raises(LoadError, match=r"captures\.segment takes 202 bytes"):
                unit.captures.add(a_capture(partition=partition))
            assert unit.captures.list(CaptureFilter()) == []

    def test_a_code_in_a_row_has_a_length(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        with store.write() as unit:
            assert unit.rows.replace(VOLUME, one.key, one_row(_E * 40)) == 1
            with pytest.raises(LoadError, match="symbol takes 81 bytes"):
                unit.rows.replace(VOLUME, one.key, one_row(_E * 40 + "x"))

    def test_a_nul_is_refused_wherever_it_stands(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        with store.write() as unit:
            for write in (
                lambda: unit.runs.add(a_run("run-2", pipeline="a\0b")),
                lambda: unit.captures.add(a_capture("two", source_name="a\0b")),
                lambda: unit.quality.add([a_check(one, "check", message="a\0b")]),
            ):
                with pytest.raises(LoadError, match="NUL"):
                    write()

    def test_a_question_for_what_no_column_can_hold_finds_nothing(self, store: Store) -> None:
        (one,) = with_capture(store, "one")
        with store.read() as unit:
            assert unit.runs.list(RunFilter(pipeline="x" * 5000)) == []
            assert list(unit.rows.read(VOLUME, one.key, where={"symbol": "x" * 5000})) == []
