"""The example of a source of one's own passes the suite that it is shown with, and runs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from market_spine import Source
from market_spine.testing.source_suite import SourceSuite

EXAMPLES = Path(__file__).parents[2] / "examples"


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("own_source", EXAMPLES / "own_source.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestPrices(SourceSuite):
    @pytest.fixture
    def source(self) -> Source:
        made: Source = example().Prices(["AAA", "BBB"])
        return made

    @pytest.fixture
    def records(self) -> pl.DataFrame:
        prices: dict[str, list[str]] = example().PRICES
        rows = [(symbol, price) for symbol, found in prices.items() for price in found]
        return pl.DataFrame(rows, schema=["symbol", "price"], orient="row")

    @pytest.fixture
    def broken(self) -> Source:
        made: Source = example().Prices(["NONE"])
        return made


def test_its_pipeline_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("spine"),
            *("run", "example.average_price", "-p", "symbols=AAA,BBB", "--json"),
        ],
        cwd=EXAMPLES,
        env={**os.environ, "SPINE_MODULES": "own_source", "SPINE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    metrics = json.loads(done.stdout)["metrics"]
    assert (metrics["rows_read"], metrics["AAA"], metrics["BBB"]) == (6, 11.0, 7.0)
