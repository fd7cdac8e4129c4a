from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_process import ApiProcess


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """A server that the tests of one file share; they do not change what it holds."""
    with ApiProcess(tmp_path_factory.mktemp("api") / "log") as running:
        running.add(*({"number": number} for number in range(1, 4)))
        yield running


@pytest.fixture
def own_api(tmp_path: Path) -> Iterator[ApiProcess]:
    """A server for one test alone, with an empty history."""
    with ApiProcess(tmp_path / "log") as running:
        yield running
