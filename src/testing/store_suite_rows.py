"""What every RowStore has to keep."""

from __future__ import annotations

import struct
from decimal import Decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ..domain.captures import Capture
from ..domain.errors import Category, ConfigurationError, LoadError, SpineError, ValidationError
from ..ports.storage import Store, UnitOfWork
from .store_suite_samples import TEXTS, VOLUME, one_row, rows_of, volume_rows, with_capture

MEASURES = "finra_otc_symbol_measures"
SHARES = "finra_otc_venue_share"

AWKWARD_NUMBERS = (
    0.1 + 0.2,
    1 / 3,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.0000000000000002,
    123456789.0,
    2.0**53 + 2,
    0.0,
)


class RowStoreSuite:
    """Subclasses give a fixture ``store``: a fresh one, ready for use."""

    def test_rows_come_back_exactly_in_the_order_of_their_key(self, store: Store) -> None:
        rows = volume_rows(
            ("ABRpD", "OTCN", "OTC LINK ATS", "ARBOR PFD D", "0.000001", 0),
            ("BRK.B", "ARCA", None, None, "999999999999.999999", 2**62),
            ("BRK.B", "OTCN", "OTC LINK ATS", "", "0", 1),
            ("TRUE", "OTCN", "", None, "12.5", 3),
            ("abrpd", "OTCN", "OTC LINK ATS", "lower case", "1000", 3),
        )
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            assert unit.rows.replace(VOLUME, capture.key, rows.sample(fraction=1, shuffle=True))
            unit.commit()
        with store.read() as unit:
            assert_frame_equal(rows_of(unit, capture), rows)

    def test_text_survives_whatever_it_is(self, store: Store) -> None:
        symbols = sorted({text for text in TEXTS if text.strip()}, key=str.encode)
        rows = volume_rows(
            *((text, "OTCN", text, text[::-1], "1", 1) for text in symbols),
            *((f"~{n}", "OTCN", text, None, "1", 1) for n, text in enumerate(TEXTS[:9])),
        )
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(VOLUME, capture.key, rows)
            unit.commit()
        with store.read() as unit:
            assert_frame_equal(rows_of(unit, capture), rows.sort("symbol"))

    def test_names_of_any_length_survive(self, store: Store) -> None:
        long = [letter * size for letter, size in (("a", 999), ("é", 501), ("x", 70_000))]
        rows = volume_rows(*((f"S{n}", "M", name, name, "1", 1) for n, name in enumerate(long)))
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(VOLUME, capture.key, rows)
            unit.commit()
        with store.read() as unit:
            assert_frame_equal(rows_of(unit, capture), rows)

    def test_numbers_survive_to_the_last_bit(self, store: Store) -> None:
        rows = measure_rows(AWKWARD_NUMBERS)
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(MEASURES, capture.key, rows)
            unit.commit()
        with store.read() as unit:
            found = rows_of(unit, capture, MEASURES)
        assert_frame_equal(found, rows, check_exact=True)
        assert [struct.pack("<d", number) for number in found["hhi"]] == [
            struct.pack("<d", number) for number in AWKWARD_NUMBERS
        ]

    def test_minus_zero_is_zero(self, store: Store) -> None:
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(MEASURES, capture.key, measure_rows((-0.0,)))
            assert str(rows_of(unit, capture, MEASURES)["hhi"][0]) == "0.0"

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_what_is_no_number_is_refused(self, store: Store, number: float) -> None:
        (capture,) = with_capture(store, "one")
        with store.write() as unit, pytest.raises(LoadError, match="finite"):
            unit.rows.replace(MEASURES, capture.key, measure_rows((number,)))

    def test_every_table_keeps_its_columns_and_nulls(self, store: Store) -> None:
        shares = pl.DataFrame(
            {
                "mpid": ["ARCA", "OTCN"],
                "venue_name": ["ARCA", None],
                "total_shares": [Decimal("1.5"), Decimal(0)],
                "total_trades": [1, 0],
                "symbol_count": [1, 1],
                "share": [1.0, None],
                "rank": [1, 2],
            },
            schema_overrides={"total_shares": pl.Decimal(18, 6)},
        )
        measures = measure_rows((0.5,)).with_columns(
            pl.lit(None, pl.Float64).alias("score"),
            pl.lit(None, pl.String).alias("top_venue"),
            pl.lit(None, pl.Int64).alias("sessions"),
        )
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(SHARES, capture.key, shares)
            unit.rows.replace(MEASURES, capture.key, measures)
            unit.commit()
        with store.read() as unit:
            assert_frame_equal(rows_of(unit, capture, SHARES), shares)
            assert_frame_equal(rows_of(unit, capture, MEASURES), measures)

    def test_replacing_leaves_the_new_rows_only(self, store: Store) -> None:
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            for rows in (one_row("A"), one_row("B", "2"), one_row("B", "2")):
                assert unit.rows.replace(VOLUME, capture.key, rows) == 1
            unit.commit()
        with store.write() as unit:
            assert_frame_equal(rows_of(unit, capture), one_row("B", "2"))
            assert unit.rows.replace(VOLUME, capture.key, one_row().clear()) == 0
            unit.commit()
        with store.read() as unit:
            assert list(unit.rows.read(VOLUME, capture.key)) == []

    def test_replacing_one_table_leaves_the_names_of_another(self, store: Store) -> None:
        (capture,) = with_capture(store, "one")
        measures = measure_rows((0.5,))
        with store.write() as unit:
            unit.rows.replace(VOLUME, capture.key, one_row())
            unit.rows.replace(MEASURES, capture.key, measures)
            unit.rows.replace(VOLUME, capture.key, one_row("Z"))
            unit.commit()
        with store.read() as unit:
            assert_frame_equal(rows_of(unit, capture, MEASURES), measures)
            assert_frame_equal(rows_of(unit, capture), one_row("Z"))

    def test_captures_do_not_share_rows(self, store: Store) -> None:
        one, two = with_capture(store, "one", "two")
        with store.write() as unit:
            unit.rows.replace(VOLUME, one.key, one_row("A"))
            unit.rows.replace(VOLUME, two.key, one_row("A", "2"))
            unit.rows.replace(VOLUME, one.key, one_row("A", "3"))
            unit.commit()
        with store.read() as unit:
            assert_frame_equal(rows_of(unit, one), one_row("A", "3"))
            assert_frame_equal(rows_of(unit, two), one_row("A", "2"))

    def test_columns_are_chosen_in_the_order_asked(self, store: Store) -> None:
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(VOLUME, capture.key, one_row())
            (found,) = unit.rows.read(
                VOLUME, capture.key, columns=["shares", "issue_name", "symbol"]
            )
        assert_frame_equal(found, one_row().select("shares", "issue_name", "symbol"))

    def test_rows_are_picked_by_text_of_the_key(self, store: Store) -> None:
        rows = volume_rows(
            ("A", "X", "x", "a", "1", 1),
            ("A", "Y", "y", "a", "2", 1),
            ("a", "X", "x", "lower", "3", 1),
            ("O'N\\%", "X", "x", "odd", "4", 1),
        ).sort("symbol", "mpid")
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(VOLUME, capture.key, rows)
            for where in ({"symbol": "A"}, {"mpid": "X"}, {"symbol": "A", "mpid": "Y"}):
                found = list(unit.rows.read(VOLUME, capture.key, where=where))
                assert_frame_equal(pl.concat(found), rows.filter(**where))
            (found_odd,) = unit.rows.read(
                VOLUME, capture.key, where={"symbol": "O'N\\%"}, columns=["shares"]
            )
            assert found_odd["shares"].to_list() == [Decimal(4)]
            assert list(unit.rows.read(VOLUME, capture.key, where={"symbol": "%"})) == []

    @pytest.mark.parametrize("batch_rows", [1, 100, 1000, 12_345, 100_000])
    def test_batches_miss_and_repeat_nothing(self, store: Store, batch_rows: int) -> None:
        rows = pl.concat([one_row()] * 2_345).with_columns(
            pl.format("S{}", pl.int_range(pl.len()) + 10_000).alias("symbol"),
            pl.format("name {}", pl.int_range(pl.len()) // 2).alias("issue_name"),
        )
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            assert unit.rows.replace(VOLUME, capture.key, rows) == rows.height
            unit.commit()
        with store.read() as unit:
            batches = list(unit.rows.read(VOLUME, capture.key, batch_rows=batch_rows))
        assert [batch.height for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)
        assert_frame_equal(pl.concat(batches), rows)

    def test_duplicate_keys_are_refused(self, store: Store) -> None:
        (capture,) = with_capture(store, "one")
        with store.write() as unit, pytest.raises(LoadError):
            unit.rows.replace(VOLUME, capture.key, pl.concat([one_row(), one_row()]))

    def test_rows_of_an_unknown_capture_are_refused(self, store: Store) -> None:
        with store.write() as unit, pytest.raises(LoadError):
            unit.rows.replace(VOLUME, 12345, one_row())

    def test_frames_that_are_not_as_declared_are_refused(self, store: Store) -> None:
        row = one_row()
        wrong = {
            "missing": row.drop("trades"),
            "unknown": row.with_columns(pl.lit(1).alias("more")),
            "null in the key": row.with_columns(pl.lit(None, pl.String).alias("symbol")),
            "null where required": row.with_columns(pl.lit(None, pl.Int64).alias("trades")),
            "float for decimal": row.with_columns(pl.col("shares").cast(pl.Float64)),
            "NUL in a name": row.with_columns(pl.lit("a\0b").alias("issue_name")),
            "text for number": row.with_columns(pl.col("trades").cast(pl.String)),
            "out of range": row.with_columns(
                pl.lit("1000000000000").cast(pl.Decimal(38, 6)).alias("shares")
            ),
        }
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            for label, rows in wrong.items():
                assert _is_refused(unit, capture, rows), f"{label} was accepted"

    def test_asking_for_what_is_not_declared_is_refused(self, store: Store) -> None:
        (capture,) = with_capture(store, "one")
        with store.read() as unit:
            with pytest.raises(ConfigurationError, match="nothing_like_it"):
                list(unit.rows.read("nothing_like_it", capture.key))
            with pytest.raises(ValidationError, match="volume"):
                list(unit.rows.read(VOLUME, capture.key, columns=["volume"]))
            with pytest.raises(ValidationError, match="trades"):
                list(unit.rows.read(VOLUME, capture.key, where={"trades": "1"}))

    def test_reading_on_after_the_unit_is_over_is_an_error(self, store: Store) -> None:
        (capture,) = with_capture(store, "one")
        rows = volume_rows(*((f"S{n}", "M", "v", "i", "1", 1) for n in range(9)))
        with store.write() as unit:
            unit.rows.replace(VOLUME, capture.key, rows)
            unit.commit()
        with store.read() as unit:
            batches = unit.rows.read(VOLUME, capture.key, batch_rows=2)
            assert next(batches).height == 2
        with pytest.raises(SpineError, match="over"):
            next(batches)


def _is_refused(unit: UnitOfWork, capture: Capture, rows: pl.DataFrame) -> bool:
    try:
        unit.rows.replace(VOLUME, capture.key, rows)
    except LoadError as error:
        return error.category is Category.VALIDATION
    return False


def measure_rows(numbers: tuple[float, ...]) -> pl.DataFrame:
    """Rows of finra_otc_symbol_measures with these numbers in every column of fractions."""
    count = len(numbers)
    whole = pl.Series([1] * count, dtype=pl.Int64)
    return pl.DataFrame(
        {
            "symbol": [f"S{number:03}" for number in range(count)],
            "issue_name": ["APPLE"] * count,
            "total_shares": pl.Series([Decimal("1.000001")] * count, dtype=pl.Decimal(18, 6)),
            "total_trades": whole,
            "venue_count": whole,
            "avg_trade_size": numbers,
            "top_venue": ["OTCN"] * count,
            "top_venue_share": numbers,
            "hhi": numbers,
            "effective_venues": numbers,
            "sessions": whole,
            "shares_per_session": numbers,
            "score": numbers,
        }
    )
