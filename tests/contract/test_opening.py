"""Opening sources, finding files, showing progress: real adapters and fakes promise the same."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from market_spine.adapters.inbound.cli.progress import (
    TerminalProgress,
)
from market_spine.adapters.outbound.files.source import FileSource
from market_spine.adapters.outbound.sources.registry import SourceRegistry
from market_spine.adapters.outbound.sources.retrying_sources import (
    RetryingSources,
)
from market_spine.adapters.outbound.system.finder import LocalFileFinder
from market_spine.ports.sources import source_type_of
from market_spine.testing.memory_opening import (
    MemoryFileFinder,
    MemorySources,
    RecordedProgress,
)
from market_spine.testing.memory_source import MemorySource
from market_spine.testing.opening_suite import (
    FileFinderSuite,
    ProgressSuite,
    SourcesSuite,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b.csv").write_text("x\n1\n2\n3\n")
    (tmp_path / "a.psv.gz").write_bytes(gzip.compress(b"x|y\n1|2\n"))
    (tmp_path / ".hidden.csv").write_text("x\n1\n")
    (tmp_path / "notes.xlsx").touch()
    (tmp_path / "inner.csv").mkdir()
    return tmp_path


def registry() -> SourceRegistry:
    kind = source_type_of(FileSource)
    assert kind is not None
    return SourceRegistry([kind])


class TestSourceRegistry(SourcesSuite):
    @pytest.fixture
    def sources(self) -> SourceRegistry:
        return registry()

    @pytest.fixture
    def options(self, folder: Path) -> dict[str, Any]:
        return {"path": folder / "b.csv"}


class TestRetryingSources(SourcesSuite):
    @pytest.fixture(params=[1, 3])
    def sources(self, request: pytest.FixtureRequest) -> RetryingSources:
        return RetryingSources(registry(), request.param, 0.0, lambda _seconds: None)

    @pytest.fixture
    def options(self, folder: Path) -> dict[str, Any]:
        return {"path": folder / "b.csv"}


class TestMemorySources(SourcesSuite):
    @pytest.fixture
    def sources(self) -> MemorySources:
        rows = pl.DataFrame({"x": ["1", "2", "3"]})
        return MemorySources({"file": lambda: MemorySource(rows)}, takes=["path"])

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"path": "b.csv"}


class TestLocalFileFinder(FileFinderSuite):
    @pytest.fixture
    def finder(self) -> LocalFileFinder:
        return LocalFileFinder()


class TestMemoryFileFinder(FileFinderSuite):
    @pytest.fixture
    def finder(self, folder: Path) -> MemoryFileFinder:
        return MemoryFileFinder(*(folder / name for name in ("b.csv", "a.psv.gz", ".hidden.csv")))


class TestTerminalProgress(ProgressSuite):
    @pytest.fixture(params=[True, False])
    def progress(self, request: pytest.FixtureRequest) -> TerminalProgress:
        return TerminalProgress(enabled=request.param)


class TestRecordedProgress(ProgressSuite):
    @pytest.fixture
    def progress(self) -> RecordedProgress:
        return RecordedProgress()


@pytest.mark.parametrize("suite", [SourcesSuite, FileFinderSuite, ProgressSuite])
def test_each_suite_has_cases(suite: type) -> None:
    assert len([name for name in dir(suite) if name.startswith("test_")]) > 1
