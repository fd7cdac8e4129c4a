from __future__ import annotations

import datetime as dt
import random
import struct
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_spine.domain.table_digest import TableDigest

SCHEMA = {
    "key": pl.Int64(),
    "text": pl.String(),
    "other": pl.String(),
    "amount": pl.Decimal(18, 6),
    "number": pl.Float64(),
    "day": pl.Date(),
    "moment": pl.Datetime("us"),
}
VALUES: dict[str, st.SearchStrategy[object]] = {
    "key": st.integers(-(2**63), 2**63 - 1),
    "text": st.text(max_size=4),
    "other": st.text(max_size=4),
    "amount": st.integers(-(10**18) + 1, 10**18 - 1).map(lambda n: Decimal(n).scaleb(-6)),
    "number": st.floats(allow_nan=False),
    "day": st.dates(),
    "moment": st.datetimes(),
}
ROWS = st.lists(
    st.tuples(*(st.none() | values for values in VALUES.values())), min_size=1, max_size=6
)


def _frame(rows: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _exact(value: object) -> object:
    return struct.pack("d", value) if isinstance(value, float) else value


@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 4))
def test_neither_order_nor_batches_matter(
    rows: list[tuple[object, ...]], chance: random.Random, size: int
) -> None:
    shuffled = chance.sample(rows, len(rows))
    digest = TableDigest.of([_frame(rows)])
    assert TableDigest.of(_frame(shuffled).iter_slices(size)) == digest
    assert digest.rows == len(rows)
    assert len(str(digest)) == 32


@given(ROWS, st.data())
def test_any_other_value_shows(rows: list[tuple[object, ...]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, len(SCHEMA) - 1))
    before = rows[place][column]
    value = data.draw(st.none() | list(VALUES.values())[column])
    changed = [list(row) for row in rows]
    changed[place][column] = value
    same = TableDigest.of([_frame([tuple(row) for row in changed])]) == TableDigest.of(
        [_frame(rows)]
    )
    assert same == (_exact(value) == _exact(before))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([(1, "a", None), (2, "b", None)], [(1, "b", None), (2, "a", None)]),
        ([(1, "a", "b")], [(1, "b", "a")]),
        ([(1, "ab", "c")], [(1, "a", "bc")]),
        ([(1, "", None)], [(1, None, "")]),
        ([(0, None, None)], [(None, None, None)]),
        ([(1, "a", None)], [(1, "a", None), (1, "a", None)]),
        ([(1, "a", None)] * 2, [(1, "a", None)] * 4),
        ([], [(None, None, None)]),
    ],
)
def test_what_a_weak_sum_would_take_for_the_same(
    one: list[tuple[object, ...]], other: list[tuple[object, ...]]
) -> None:
    def digest(rows: list[tuple[object, ...]]) -> TableDigest:
        return TableDigest.of([_frame([(*row, None, None, None, None) for row in rows])])

    assert digest(one) != digest(other)


def test_the_two_halves_are_sums_of_their_own() -> None:
    """One that follows from the other would leave 64 bits of the 128."""
    digests = [TableDigest.of([pl.DataFrame({"x": [n]})]).sums for n in range(500)]
    assert len({first for first, _ in digests}) == len({second for _, second in digests}) == 500
    assert len({(second - first) % 2**64 for first, second in digests}) == 500
    assert len({second ^ first for first, second in digests}) == 500


def test_numbers_are_told_apart_by_their_bits() -> None:
    numbers = [0.0, -0.0, 5e-324, 0.1 + 0.2, 0.3, 1.0, float("nan"), float("inf"), None]
    found = {
        str(TableDigest.of([pl.DataFrame({"x": [number]}, schema={"x": pl.Float64})]))
        for number in numbers
    }
    assert len(found) == len(numbers)


def test_many_rows_do_not_overflow() -> None:
    frame = pl.select(key=pl.int_range(300_000), day=pl.lit(dt.date(2025, 1, 1)))
    digest = TableDigest.of([frame])
    assert digest == TableDigest.of(frame.reverse().iter_slices(77_777))
    assert digest != TableDigest.of([frame.with_columns(pl.col("key") + 1)])
