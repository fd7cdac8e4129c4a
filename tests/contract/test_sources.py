from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard

from market_spine.adapters.outbound.files import FileSource
from market_spine.adapters.outbound.sources import RetryingSource
from market_spine.domain.errors import SourceError
from market_spine.ports.sources import Source
from market_spine.testing.memory_source import MemorySource
from market_spine.testing.source_suite import SourceSuite

RECORDS = pl.DataFrame(
    {
        "symbol": ["TRUE", "1E5", "NULL", "007", "nan", "BRK.B"],
        "shares": ["1.10", "1.25E9", "0", None, "5", "6"],
    }
)
PSV = "symbol|shares\nTRUE|1.10\n1E5|1.25E9\nNULL|0\n007|\nnan|5\nBRK.B|6\n"
MESSY = "symbol|shares\nTRUE|1.10\n1|2|3\n1E5|1.25E9\nNULL|0\n\n007|\nnan|5\n\0|1\nBRK.B|6\n"
JSONL = """{"symbol": "TRUE", "shares": 1.10}
{"symbol": "1E5", "shares": 1.25E9}
{"symbol": "NULL", "shares": 0}
{"symbol": "007"}
{"symbol": "nan", "shares": "5"}
{"symbol": "BRK.B", "shares": 6}
"""
JSON = "[" + ",".join(JSONL.splitlines()) + "]"


def parquet() -> bytes:
    buffer = io.BytesIO()
    RECORDS.write_parquet(buffer, row_group_size=2)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    lines = PSV.splitlines()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.psv", "\n".join([lines[0], *lines[4:]]))
        archive.writestr("a.psv", "\n".join(lines[:4]))
    return buffer.getvalue()


CONTENTS: dict[str, Callable[[], bytes]] = {
    "weekly.psv": PSV.encode,
    "weekly.csv": lambda: PSV.replace("|", ",").encode("utf-8-sig"),
    "quoted.csv": lambda: PSV.replace("TRUE", '"TRUE"').replace("|", ",").encode(),
    "utf16.tsv": lambda: PSV.replace("|", "\t").encode("utf-16"),
    "weekly.psv.gz": lambda: gzip.compress(PSV.encode()),
    "weekly.psv.zst": lambda: zstandard.compress(PSV.encode()),
    "weekly.zip": zipped,
    "weekly.json": JSON.encode,
    "weekly.jsonl": JSONL.encode,
    "weekly.parquet": parquet,
    "weekly.parquet.gz": lambda: gzip.compress(parquet()),
}


class TestMemorySource(SourceSuite):
    @pytest.fixture
    def records(self) -> pl.DataFrame:
        return RECORDS

    @pytest.fixture
    def source(self) -> Source:
        return MemorySource(RECORDS.head(4), RECORDS.tail(2))

    @pytest.fixture
    def broken(self) -> Source:
        return MemorySource(error=SourceError("it is gone", hint="look for it"))


@pytest.mark.parametrize("name", CONTENTS)
class TestFileSource(SourceSuite):
    @pytest.fixture
    def records(self) -> pl.DataFrame:
        return RECORDS

    @pytest.fixture
    def source(self, tmp_path: Path, name: str) -> Source:
        path = tmp_path / name
        path.write_bytes(CONTENTS[name]())
        return FileSource(path)

    @pytest.fixture
    def broken(self, tmp_path: Path, name: str) -> Source:
        path = tmp_path / name
        path.write_bytes(b"")
        return FileSource(path)


class TestFileSourceOfMalformedRecords(SourceSuite):
    @pytest.fixture
    def records(self) -> pl.DataFrame:
        return RECORDS

    @pytest.fixture
    def malformed(self) -> int:
        return 3

    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        path = tmp_path / "messy.psv"
        path.write_text(MESSY)
        return FileSource(path)

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Source:
        return FileSource(tmp_path / "missing.psv")


class TestFileSourceOfManyFiles(SourceSuite):
    @pytest.fixture
    def records(self) -> pl.DataFrame:
        return RECORDS

    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        lines = PSV.splitlines(keepends=True)
        (tmp_path / "1.psv").write_text("".join(lines[:3]))
        (tmp_path / "2.psv").write_text("".join([lines[0], *lines[3:]]))
        return FileSource(tmp_path / "*.psv")

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Source:
        return FileSource(tmp_path / "nowhere" / "*.psv")


class TestFileSourceOfContent(SourceSuite):
    @pytest.fixture
    def records(self) -> pl.DataFrame:
        return RECORDS

    @pytest.fixture
    def source(self) -> Source:
        return FileSource(content=io.BytesIO(PSV.encode()), name="weekly.psv")

    @pytest.fixture
    def broken(self) -> Source:
        return FileSource(content=io.BytesIO(b""), name="weekly.psv")


class TestRetryingSource(TestFileSourceOfMalformedRecords):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        path = tmp_path / "messy.psv"
        path.write_text(MESSY)
        return RetryingSource(FileSource(path), 3, 0, lambda _: None)
