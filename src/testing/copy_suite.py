"""What both sides of a copy have to keep, for adapters to prove themselves by."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ..domain.errors import ConfigurationError, LoadError, SpineError
from ..ports.store_copy import Claim, CopySource, CopyTable, CopyTarget, TableReader

AnotherHand = Callable[[], CopyTarget]


class CopySuite:
    """Subclass it as ``Test...`` and give fixtures.

    ``source``: a store with rows, some of them linked to a row that comes later in its table, and
    a table that refers to one with links. ``use``: adds rows to it. ``another_hand``: gives
    targets, all on the same database, which has nothing in it. ``copied``: that database as a
    source.
    """

    def test_rows_come_in_one_order_whatever_the_size(self, source: CopySource) -> None:
        with source.snapshot() as reader:
            assert reader.tables()
            for table in reader.tables():
                ones = list(reader.frames(table.name, 1))
                assert all(frame.height == 1 for frame in ones)
                whole = _whole(reader, table)
                assert whole.height == reader.count(table.name) == len(ones)
                if ones:
                    assert_frame_equal(pl.concat(ones), whole)

    def test_a_table_comes_after_those_it_refers_to(
        self, source: CopySource, another_hand: AnotherHand
    ) -> None:
        target = another_hand()
        target.claim()
        with source.snapshot() as reader:
            for table in reader.tables():  # foreign keys would refuse another order
                for frame in reader.frames(table.name, 2):
                    target.append(table, frame)

    def test_a_snapshot_stays_while_the_store_is_used(
        self, source: CopySource, use: Callable[[], None]
    ) -> None:
        with source.snapshot() as reader:
            before = {table.name: reader.count(table.name) for table in reader.tables()}
            use()
            after = {table.name: _whole(reader, table).height for table in reader.tables()}
            assert not reader.one_moment or after == before
        with source.snapshot() as reader:
            now = {table.name: reader.count(table.name) for table in reader.tables()}
        assert now != before

    def test_a_database_with_nothing_in_it_is_new(self, another_hand: AnotherHand) -> None:
        target = another_hand()
        assert target.claim() is Claim.NEW
        with target.contents() as contents:
            assert [contents.count(table.name) for table in contents.tables()] == [0] * len(
                contents.tables()
            )

    def test_the_database_of_the_source_is_never_claimed(
        self, source: CopySource, another_hand: AnotherHand, copied: CopySource
    ) -> None:
        target = another_hand()
        with source.snapshot() as reader:
            assert target.claim(apart_from=reader) is Claim.NEW
        with target.finishing():
            pass  # the store is empty yet, and may be claimed
        for filled in (False, True):
            if filled:
                _fill(source, another_hand())
            with copied.snapshot() as reader, pytest.raises(ConfigurationError, match="same data"):
                another_hand().claim(apart_from=reader)
            with copied.snapshot():
                pass  # it is a store still
        with source.snapshot() as reader:
            assert another_hand().claim(apart_from=reader) is Claim.OCCUPIED

    def test_what_is_claimed_is_no_store(
        self, another_hand: AnotherHand, copied: CopySource
    ) -> None:
        another_hand().claim()
        with pytest.raises(ConfigurationError) as refused, copied.snapshot():
            pass
        assert "unfinished copy" in refused.value.message
        assert "spine db copy" in str(refused.value.hint)

    def test_what_is_finished_is_the_same_store(
        self, source: CopySource, another_hand: AnotherHand, copied: CopySource
    ) -> None:
        target = another_hand()
        target.claim()
        _copy(source, target)
        with target.finishing() as contents:
            _assert_same(source, contents)
        with copied.snapshot() as reader:
            _assert_same(source, reader)

    def test_links_stay_null_until_they_are_filled_in(
        self, source: CopySource, another_hand: AnotherHand
    ) -> None:
        target = another_hand()
        target.claim()
        with source.snapshot() as reader:
            tables = reader.tables()
            table = next(table for table in tables if table.links)
            for item in tables[: tables.index(table) + 1]:
                for frame in reader.frames(item.name, 2):
                    target.append(item, frame)
            whole = _whole(reader, table)
            linked = whole.filter(pl.any_horizontal(pl.col(table.links).is_not_null()))
            assert linked.height, "the sample has no link"
            with target.contents() as contents:
                found = _whole(contents, table)
            assert_frame_equal(found.drop(table.links), whole.drop(table.links))
            assert found.select(pl.col(table.links).is_null().all()).row(0) == (True,) * len(
                table.links
            )
            target.link(table, linked)
            target.link(table, linked)  # a repeat changes nothing
            with target.contents() as contents:
                assert_frame_equal(_whole(contents, table), whole)

    def test_rows_are_appended_all_or_none(
        self, source: CopySource, another_hand: AnotherHand
    ) -> None:
        target = another_hand()
        target.claim()
        with source.snapshot() as reader:
            table = next(item for item in reader.tables() if reader.count(item.name) > 1)
            whole = _whole(reader, table)
        target.append(table, whole.tail(1))
        with pytest.raises(SpineError):
            target.append(table, whole)
        with target.contents() as contents:
            assert contents.count(table.name) == 1

    def test_a_second_claim_takes_the_target_away(
        self, source: CopySource, another_hand: AnotherHand
    ) -> None:
        first, second = another_hand(), another_hand()
        assert first.claim() is Claim.NEW
        assert second.claim() is Claim.UNFINISHED
        with source.snapshot() as reader:
            table = reader.tables()[0]
            linked = next(table for table in reader.tables() if table.links)
            whole = _whole(reader, linked)
        for write in (
            lambda: first.append(linked, whole),
            lambda: first.clear(table.name),
            lambda: first.link(linked, whole),
            lambda: first.finishing().__enter__(),
        ):
            with pytest.raises(LoadError, match="another process"):
                write()
        _copy(source, second)
        with second.finishing() as contents:
            _assert_same(source, contents)

    def test_what_fails_at_the_end_stays_unfinished(
        self, source: CopySource, another_hand: AnotherHand
    ) -> None:
        target = another_hand()
        target.claim()
        _copy(source, target)

        def fail() -> None:
            with target.finishing():
                raise RuntimeError("both sides differ")

        with pytest.raises(RuntimeError, match="differ"):
            fail()
        assert another_hand().claim() is Claim.UNFINISHED

    def test_clearing_takes_along_what_refers_to_it(
        self, source: CopySource, another_hand: AnotherHand
    ) -> None:
        target = another_hand()
        target.claim()
        _copy(source, target)
        with source.snapshot() as reader:
            tables = reader.tables()
            table = next(table for table in tables if table.links)
            before = {item.name: reader.count(item.name) for item in tables}
        target.clear(table.name)
        with target.contents() as contents:
            left = {name: contents.count(name) for name in before}
        assert left[table.name] == 0
        emptied = {name for name in before if before[name] and not left[name]}
        assert len(emptied) > 1, "nothing refers to it, or it was left"
        assert any(left.values()), "tables that do not refer to it are left"
        assert all(left[name] in (0, before[name]) for name in before)
        _copy(source, target, skip={name for name, rows in left.items() if rows})
        with target.finishing() as contents:
            _assert_same(source, contents)

    def test_a_store_in_use_is_left_as_it_is(
        self, source: CopySource, another_hand: AnotherHand, copied: CopySource
    ) -> None:
        target = another_hand()
        target.claim()
        _copy(source, target)
        with target.finishing():
            pass
        late = another_hand()
        assert late.claim() is Claim.OCCUPIED
        with source.snapshot() as reader:
            table = reader.tables()[0]
            whole = _whole(reader, table)
        for hand in (target, late):
            with pytest.raises(LoadError):
                hand.append(table, whole)
            with pytest.raises(LoadError):
                hand.clear(table.name)
        with copied.snapshot() as reader:
            _assert_same(source, reader)


def _whole(reader: TableReader, table: CopyTable) -> pl.DataFrame:
    frames = list(reader.frames(table.name, 1_000))
    return pl.concat(frames) if frames else pl.DataFrame()


def _copy(source: CopySource, target: CopyTarget, skip: set[str] | None = None) -> None:
    with source.snapshot() as reader:
        for table in reader.tables():
            if table.name in (skip or ()):
                continue
            for frame in reader.frames(table.name, 3):
                target.append(table, frame)
            for frame in reader.frames(table.name, 3):
                if table.links:
                    target.link(table, frame)


def _fill(source: CopySource, target: CopyTarget) -> None:
    target.claim()
    _copy(source, target)
    with target.finishing():
        pass


def _assert_same(source: CopySource, reader: TableReader) -> None:
    with source.snapshot() as given:
        assert reader.tables() == given.tables()
        for table in given.tables():
            assert_frame_equal(_whole(reader, table), _whole(given, table))
