from __future__ import annotations

import gzip
import hashlib
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from market_spine.adapters.outbound.files import FileSource
from market_spine.domain.errors import SourceError, ValidationError
from market_spine.ports.sources import LINE

FRAME = pl.DataFrame(
    {
        "symbol": ["TRUE", "007", None],
        "week": [date(2025, 11, 10), None, date(2025, 11, 17)],
        "shares": [Decimal("1.10"), Decimal("2.50"), None],
        "trades": [1, 2, 3],
    }
)


def write(path: Path, frame: pl.DataFrame, *, group: int = 2) -> Path:
    frame.write_parquet(path, row_group_size=group)
    return path


def test_types_and_rows_stay_and_lines_count_rows(tmp_path: Path) -> None:
    result = FileSource(write(tmp_path / "weekly.parquet", FRAME)).fetch()
    assert result.frame.drop(LINE).equals(FRAME)
    assert result.frame.drop(LINE).schema == FRAME.schema
    assert result.frame[LINE].to_list() == [1, 2, 3]
    assert result.delimiter is None


def test_the_tap_gets_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "weekly.parquet", FRAME)
    result = FileSource(path).fetch()
    assert result.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert result.bytes == path.stat().st_size


def test_content_is_recognised_without_its_name(tmp_path: Path) -> None:
    content = write(tmp_path / "weekly.bin", FRAME).read_bytes()
    for packed in (content, gzip.compress(content)):
        source = FileSource(content=io.BytesIO(packed), name="weekly")
        assert source.fetch().frame.drop(LINE).equals(FRAME)
        assert source.resolved_options is not None
        assert source.resolved_options["format"] == "parquet"


def test_batches_have_the_wanted_rows_in_order(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": range(10_000)})
    source = FileSource(write(tmp_path / "weekly.parquet", frame, group=3_000))
    batches = list(source.stream(batch_rows=2_500))
    assert [batch.rows for batch in batches] == [2_500] * 4
    assert pl.concat([batch.frame for batch in batches])["n"].to_list() == list(range(10_000))


def test_no_rows_are_no_batches_of_known_columns(tmp_path: Path) -> None:
    source = FileSource(write(tmp_path / "weekly.parquet", FRAME.clear()))
    assert list(source.stream()) == []
    assert source.fetch().frame.schema == {**FRAME.schema, LINE: pl.Int64}


@pytest.mark.parametrize("keep", [4, 50, -1, -8, -100])
def test_a_cut_off_file_is_refused_on_validation(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path / "weekly.parquet", FRAME)
    path.write_bytes(path.read_bytes()[:keep])
    source = FileSource(path)
    for work in (source.validate, source.fetch):
        with pytest.raises(SourceError, match="no complete Parquet") as caught:
            work()
        assert caught.value.hint


def test_columns_are_checked_like_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "weekly.parquet", FRAME)
    with pytest.raises(ValidationError, match="lacks mpid"):
        FileSource(path, columns=["symbol", "mpid"]).validate()
    with pytest.raises(ValidationError, match=LINE):
        FileSource(write(path, FRAME.with_columns(pl.lit(1).alias(LINE)))).fetch()


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "weekly.parquet", FRAME)
    stream = FileSource(path).stream(batch_rows=1)
    next(stream)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(SourceError, match="was changed") as caught:
        list(stream)
    assert caught.value.retryable


def test_a_name_like_a_pattern_is_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "weekly[1].parquet", FRAME)
    assert FileSource(path).fetch().rows == FRAME.height
