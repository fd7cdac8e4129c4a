"""Any bytes at all: a typed error, or every record accounted for; never another exception."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from market_spine.adapters.outbound.files import FileSource
from market_spine.domain.errors import SpineError
from market_spine.ports.sources import LINE, SourceResult

PSV = b"symbol|shares\n" + b"TRUE|1.10\nBRK.B|2\n" * 50
LOOKS_LIKE = st.sampled_from(
    [
        *(b"", b"a,b\n", b"[", b'{"a":', b"PAR1", b"PK\x03\x04", b"\x1f\x8b\x08"),
        *(b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0", b"\xef\xbb\xbf", b"\xff\xfe"),
        *(b"\xfe\xff", b"\xff\xfe\0\0"),
    ]
)


def parquet() -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"symbol": ["A", "B"] * 100, "shares": range(200)}).write_parquet(
        buffer, row_group_size=64
    )
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.psv", PSV)
        archive.writestr("b.psv", PSV)
    return buffer.getvalue()


WHOLE = {
    "psv": PSV,
    "gzip": gzip.compress(PSV, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress(PSV),
    "zip": zipped(),
    "parquet": parquet(),
    "json": json.dumps([{"symbol": "TRUE", "shares": 1.5}] * 100).encode(),
    "jsonl": b'{"symbol": "TRUE", "shares": 1.5}\n' * 100,
}


def read(content: bytes, **options: Any) -> SourceResult | None:
    """The result, None for a typed error."""
    try:
        return FileSource(content=io.BytesIO(content), name="any", **options).fetch()
    except SpineError:
        return None


@settings(max_examples=300, deadline=None)
@given(
    content=st.builds(lambda head, tail: head + tail, LOOKS_LIKE, st.binary(max_size=200)),
    format=st.sampled_from(["auto", "csv", "psv", "json", "jsonl", "parquet"]),
    encoding=st.sampled_from(["auto", "utf-8", "utf-16", "utf-16-be", "utf-32", "cp1252", "utf-7"]),
)
def test_arbitrary_bytes(content: bytes, format: str, encoding: str) -> None:
    result = read(content, format=format, encoding=encoding)
    if result is not None:
        assert result.rows == result.frame.height + result.malformed.height


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=10))
def test_every_line_of_json_lines_is_accounted_for(lines: list[bytes]) -> None:
    content = b'{"a": 1}\n' + b"\n".join(lines) + b'\n{"a": 2}'
    result = read(content, format="jsonl")
    assert result is not None
    found = [*result.frame[LINE], *result.malformed["line"]]
    assert sorted(found) == list(range(1, len(content.split(b"\n")) + 1))


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(st.sampled_from('ab|\n\r"é€𝄞\0'), max_size=30),
    damage=st.binary(max_size=3),
    encoding=st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp1252"]),
)
def test_every_line_of_another_encoding_is_accounted_for(
    text: str, damage: bytes, encoding: str
) -> None:
    body = text.encode(encoding, "replace")
    middle = len(body) // 8 * 4
    content = "a|b\n".encode(encoding) + body[:middle] + damage + body[middle:]
    result = read(content, format="psv", encoding=encoding)
    assert result is not None
    lines = content.decode(encoding, "replace").split("\n")[1:]
    # What follows the last line end is no line when it is empty; a CR alone there is data.
    if not lines[-1]:
        lines.pop()
        while lines and lines[-1] in {"", "\r"}:
            lines.pop()
    found = [*result.frame[LINE], *result.malformed["line"]]
    assert sorted(found) == list(range(2, len(lines) + 2))


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip", "parquet", "json"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_cut_off_file_is_never_taken_for_a_complete_one(kind: str, data: st.DataObject) -> None:
    whole = WHOLE[kind]
    cut = data.draw(st.integers(4, len(whole) - 1))
    assert read(whole[:cut]) is None


@pytest.mark.parametrize("kind", sorted(WHOLE.keys() - {"parquet"}))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_byte_gives_a_typed_error_or_records(kind: str, data: st.DataObject) -> None:
    _read_changed(kind, data)


# One damage in some thousands makes polars ask for 2^61 bytes, which ends the process: nothing in
# it can prevent that, and of a worker the run ends alone with its process. So these are the same
# ones each time.
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_changed_byte_of_parquet_gives_a_typed_error_or_records(data: st.DataObject) -> None:
    _read_changed("parquet", data)


def _read_changed(kind: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[kind])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    read(bytes(content))


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_byte_of_compressed_data_is_noticed(kind: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[kind])
    # The header of gzip holds a time stamp and flags that nothing depends on.
    place = data.draw(st.integers(12, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    result = read(bytes(content))
    assert result is None or result.digest == read(WHOLE[kind]).digest  # type: ignore[union-attr]
