from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
import zstandard

from market_spine.adapters.outbound.files import FileSource
from market_spine.domain.errors import SourceError, ValidationError
from market_spine.ports.sources import SourceResult

PSV = b"symbol|shares\nTRUE|1\nBRK.B|2\n"
MORE = b"symbol|shares\n007|3\n"


class OneWay(io.RawIOBase):
    """A stream that cannot go back, as from a pipe, and that gives a few bytes at a time."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._content.read(min(size, 7))


def read(content: bytes, name: str = "weekly.psv") -> SourceResult:
    return FileSource(content=io.BytesIO(content), name=name).fetch()


def zip_of(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


COMPRESSED = {
    "plain": PSV,
    "gzip": gzip.compress(PSV),
    "gzip of two members": gzip.compress(PSV[:20]) + gzip.compress(PSV[20:]),
    "zstd": zstandard.compress(PSV),
    "zstd of two frames": zstandard.compress(PSV[:20]) + zstandard.compress(PSV[20:]),
    "zstd without size": zstandard.ZstdCompressor(write_content_size=False).compress(PSV),
    "zip": zip_of({"a.psv": PSV}),
    "zip, stored": zip_of({"a.psv": PSV}, zipfile.ZIP_STORED),
    "zip, bzip2": zip_of({"a.psv": PSV}, zipfile.ZIP_BZIP2),
    "zip, lzma": zip_of({"a.psv": PSV}, zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("name", ["weekly.psv", "weekly.gz", "weekly"])
def test_compression_is_told_by_content_not_by_name(kind: str, name: str) -> None:
    result = read(COMPRESSED[kind], name)
    assert result.frame["symbol"].to_list() == ["TRUE", "BRK.B"]
    assert (result.bytes, result.digest) == (len(PSV), read(PSV).digest)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_stream_that_cannot_go_back_is_read_once(kind: str) -> None:
    stream = OneWay(COMPRESSED[kind])
    source = FileSource(content=stream, name="weekly")  # type: ignore[arg-type]  # raw is enough
    source.validate()
    assert source.fetch().frame["symbol"].to_list() == ["TRUE", "BRK.B"]
    with pytest.raises(SourceError, match="read twice"):
        source.fetch()


def test_a_zip_is_all_its_files_in_the_order_of_their_names() -> None:
    content = zip_of({"b.psv": MORE, "folder/": b"", "folder/a.psv": MORE, "a.psv": PSV})
    tapped = bytearray()
    source = FileSource(content=io.BytesIO(content), name="weekly.zip")
    batches = list(source.stream(tap=tapped.extend))
    assert [batch.origin for batch in batches] == [
        "weekly.zip:a.psv",
        "weekly.zip:b.psv",
        "weekly.zip:folder/a.psv",
    ]
    assert tapped == PSV + MORE + MORE
    assert source.resolved_options is None


def test_large_content_passes_whole() -> None:
    large = PSV + b"".join(b"S%d|%d\n" % (number, number) for number in range(300_000))
    for compressed in (gzip.compress(large, 1), zstandard.compress(large), zip_of({"a": large})):
        result = read(compressed)
        assert (result.rows, result.bytes) == (300_002, len(large))


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
def test_a_cut_off_file_says_where_it_broke_off(kind: str) -> None:
    with pytest.raises(SourceError, match=r"weekly\.psv is") as caught:
        read(COMPRESSED[kind][:-6])
    assert "again" in str(caught.value.hint)
    assert caught.value.context.metadata["file"] == "weekly.psv"


def test_a_bomb_is_decompressed_piece_by_piece() -> None:
    bomb = zstandard.compress(PSV + b"\n" * (256 << 20))
    assert len(bomb) < 100_000
    assert read(bomb).rows == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\x00\x00", "xz"),
        (zip_of({}), "without any file"),
        (zip_of({"folder/": b""}), "without any file"),
        (b"PK\x03\x04 is no zip", "no readable zip"),
    ],
)
def test_what_cannot_be_unpacked_is_named(content: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        read(content)
    assert caught.value.hint


def test_an_encrypted_zip_is_named() -> None:
    content = bytearray(zip_of({"a.psv": PSV}, zipfile.ZIP_STORED))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(SourceError, match="encrypted"):
        read(bytes(content))


def test_an_empty_file_inside_is_an_empty_file() -> None:
    for content in (gzip.compress(b""), zstandard.compress(b""), zip_of({"a.psv": b""})):
        with pytest.raises(ValidationError, match="empty"):
            read(content)


def test_a_file_that_is_no_file_leaves_no_handle_open(tmp_path: Path) -> None:
    path = tmp_path / "weekly.psv.gz"
    path.write_bytes(gzip.compress(PSV)[:-6])
    for _ in range(2000):
        with pytest.raises(SourceError):
            FileSource(path).fetch()
