"""What every source has to do: subclass the suite to prove that yours does."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ..domain.errors import SpineError, ValidationError
from ..ports.sources import LINE, MALFORMED_SCHEMA, Source, SourceBatch


class SourceSuite:
    """The contract of :class:`Source`, as tests.

    A subclass whose name starts with ``Test`` overrides the fixtures: ``source`` is a source
    that has at least 5 records and reads the same whenever it is asked, ``records`` are its good
    records without their line, ``malformed`` the number of its malformed ones, ``broken`` is a
    source that cannot be read.
    """

    @pytest.fixture
    def source(self) -> Source:
        """A source of at least 5 records."""
        raise NotImplementedError("override the fixture source")

    @pytest.fixture
    def records(self) -> pl.DataFrame:
        """The good records of ``source``, without LINE."""
        raise NotImplementedError("override the fixture records")

    @pytest.fixture
    def malformed(self) -> int:
        """How many records of ``source`` are malformed."""
        return 0

    @pytest.fixture
    def broken(self) -> Source:
        """A source that cannot be read."""
        raise NotImplementedError("override the fixture broken")

    def test_description_is_plain_and_needs_no_reading(
        self, source: Source, broken: Source
    ) -> None:
        for described in (source.describe(), broken.describe()):
            assert described.type
            assert described.name
            assert json.loads(json.dumps(described.options)) == dict(described.options)

    def test_validation_accepts_what_can_be_read(self, source: Source) -> None:
        source.validate()
        assert source.fetch().rows

    def test_all_records_come_in_order(
        self, source: Source, records: pl.DataFrame, malformed: int
    ) -> None:
        batches = list(source.stream())
        assert_frame_equal(_frame(batches).drop(LINE), records, check_column_order=False)
        assert sum(batch.malformed.height for batch in batches) == malformed

    @pytest.mark.parametrize("batch_rows", [1, 2, 3, 1000])
    def test_batches_keep_to_their_size_and_lose_nothing(
        self, source: Source, records: pl.DataFrame, malformed: int, batch_rows: int
    ) -> None:
        batches = list(source.stream(batch_rows=batch_rows))
        assert all(1 <= batch.rows <= batch_rows for batch in batches)
        assert sum(batch.rows for batch in batches) == records.height + malformed
        assert_frame_equal(_frame(batches), _frame(list(source.stream())))

    def test_batches_have_their_columns_and_say_where_they_come_from(self, source: Source) -> None:
        for batch in source.stream(batch_rows=2):
            assert batch.frame.schema[LINE] == pl.Int64()
            assert dict(batch.malformed.schema) == MALFORMED_SCHEMA
            assert batch.origin

    def test_lines_tell_records_apart(self, source: Source) -> None:
        batches = list(source.stream(batch_rows=2))
        lines = [
            (batch.origin, line)
            for batch in batches
            for line in [*batch.frame[LINE], *batch.malformed["line"]]
        ]
        assert len(set(lines)) == len(lines)
        assert all(line >= 1 for _, line in lines)

    def test_the_tap_gets_the_same_bytes_however_they_are_read(self, source: Source) -> None:
        by_one, at_once = bytearray(), bytearray()
        for _ in source.stream(batch_rows=1, tap=by_one.extend):
            pass
        result = source.fetch(tap=at_once.extend)
        assert by_one == at_once
        assert result.bytes == len(at_once)
        assert result.digest == hashlib.sha256(at_once).hexdigest()

    def test_fetching_gives_what_streaming_gives(self, source: Source) -> None:
        result = source.fetch()
        batches = list(source.stream())
        assert_frame_equal(result.frame, _frame(batches))
        assert_frame_equal(result.malformed, pl.concat([batch.malformed for batch in batches]))
        assert result.rows == result.frame.height + result.malformed.height
        assert (result.type, result.name) == (source.describe().type, source.describe().name)
        assert result.fetched_at.utcoffset() == timedelta(0)

    def test_a_stream_left_early_does_no_harm(self, source: Source) -> None:
        whole = source.fetch()
        stream = source.stream(batch_rows=1)
        next(stream)
        del stream
        assert source.fetch().digest == whole.digest

    def test_batches_of_no_rows_are_refused(self, source: Source) -> None:
        with pytest.raises(ValidationError, match="0"):
            list(source.stream(batch_rows=0))

    def test_what_cannot_be_read_is_a_typed_error_with_a_hint(self, broken: Source) -> None:
        for read in (broken.validate, broken.fetch, lambda: list(broken.stream())):
            with pytest.raises(SpineError) as caught:
                read()
            assert caught.value.message
            assert caught.value.hint


def _frame(batches: list[SourceBatch]) -> pl.DataFrame:
    return pl.concat([batch.frame for batch in batches], how="diagonal")
