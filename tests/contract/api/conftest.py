from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_process import ApiProcess

from market_spine.adapters.outbound.sql.store import SqlStore


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the schema and nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("schema") / "empty.db"
    store = SqlStore(f"sqlite:///{path}")
    store.upgrade()
    store.close()
    return path


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[ApiProcess]:
    """A server that the tests of one file share; they do not change what it holds."""
    database = shutil.copy(empty_database, tmp_path_factory.mktemp("api") / "shared.db")
    with ApiProcess(database) as running:
        running.add(*({"number": number} for number in range(1, 4)))
        yield running


@pytest.fixture
def new_database(tmp_path: Path, empty_database: Path) -> Callable[[str], Path]:
    """Makes an empty database of that name."""
    return lambda name: shutil.copy(empty_database, tmp_path / f"{name}.db")


@pytest.fixture
def own_api(new_database: Callable[[str], Path]) -> Iterator[ApiProcess]:
    """A server for one test alone, with an empty history."""
    with ApiProcess(new_database("own")) as running:
        yield running
