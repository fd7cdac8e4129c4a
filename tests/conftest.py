"""What all tests share: suites whose failures are readable, and a real PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from postgres_server import URL_VARIABLE, OwnServer, own_schema, started_server
from sqlalchemy import URL, make_url

# How long an example takes says more of the machine than of the software.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# Before any of them is imported: pytest then shows what their asserts compared.
pytest.register_assert_rewrite("market_spine.testing")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """The server that all tests of this process share."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        yield make_url(given).set(drivername="postgresql+psycopg")
        return
    with started_server() as server:
        yield server.url


@pytest.fixture
def postgres_url(postgres_server: URL) -> Iterator[str]:
    """The URL of an empty schema of its own, dropped after the test."""
    with own_schema(postgres_server) as url:
        yield url


@pytest.fixture
def mortal_postgres() -> Iterator[OwnServer]:
    """A server of the test's own, which it may kill and start again."""
    with started_server() as server:
        yield server
