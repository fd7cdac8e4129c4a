"""A source over PostgreSQL that is left, interrupted or late lets go of what it held there."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

import pytest
from beside_postgres import Run, beside
from sqlalchemy import make_url

from market_spine.adapters.outbound.databases import DatabaseSource
from market_spine.domain.errors import Category, SourceError, ValidationError


@pytest.fixture
def run(postgres_url: str) -> Iterator[Run]:
    with beside(postgres_url) as execute:
        yield execute


def named(url: str, name: str) -> str:
    return make_url(url).update_query_dict({"application_name": name}).render_as_string(False)


ENDLESS = "select generate_series(1, 100000000) as n, repeat('x', 1000) as t"


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def gone(run: Run, name: str) -> Callable[[], bool]:
    query = "select count(*) from pg_stat_activity where application_name = %s"
    return lambda: run(query, name) == [(0,)]


@pytest.mark.parametrize("key", [None, ["n"]])
def test_a_stream_left_early_frees_its_connection(
    postgres_url: str, run: Run, key: list[str] | None
) -> None:
    query = ENDLESS.replace("100000000", "30000") if key else ENDLESS
    source = DatabaseSource(named(postgres_url, "left early"), query=query, key=key)
    stream = source.stream(batch_rows=10)
    next(stream)
    assert not gone(run, "left early")()
    stream.close()  # type: ignore[attr-defined]
    until(gone(run, "left early"))


def test_an_exception_of_the_reader_frees_the_connection(postgres_url: str, run: Run) -> None:
    def explode(_: bytes) -> None:
        raise RuntimeError("no room")

    source = DatabaseSource(named(postgres_url, "exploding"), query=ENDLESS)
    with pytest.raises(RuntimeError, match="no room"):
        list(source.stream(tap=explode))
    until(gone(run, "exploding"))
    with contextlib.suppress(RuntimeError):
        for _ in source.stream(batch_rows=10):
            raise RuntimeError
    until(gone(run, "exploding"))


class TerminatedError(Exception):
    """What a service's own handler of a signal raises; the driver takes no notice of it."""


SLEEPING = "select pg_sleep(60)"
SORTING = "select n from generate_series(1, 1000000000) n order by -n limit 1"


@pytest.mark.parametrize("query", [SLEEPING, SORTING, ENDLESS])
@pytest.mark.parametrize("raised", [KeyboardInterrupt, TerminatedError])
def test_a_signal_ends_the_statement_at_the_server(
    postgres_url: str, run: Run, query: str, raised: type[BaseException]
) -> None:
    def interrupted(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise raised

    source = DatabaseSource(named(postgres_url, "interrupted"), query=query)
    before = signal.signal(signal.SIGALRM, interrupted)
    started = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(raised):
            for _ in source.stream():
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    until(gone(run, "interrupted"), 10)
    assert time.monotonic() - started < 20


def test_a_stream_left_while_the_server_works_on_ends_the_statement(
    postgres_url: str, run: Run
) -> None:
    """A closed connection alone would be noticed only where the next row is sent."""
    rows = "select n::text, repeat('x', 1000) as t from generate_series(1, 30000) n"
    query = f"{rows} union all select pg_sleep(60)::text, ''"
    stream = DatabaseSource(named(postgres_url, "left at work"), query=query).stream(batch_rows=10)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    until(gone(run, "left at work"), 10)


def test_a_statement_that_takes_too_long_is_ended_by_the_server(
    postgres_url: str, run: Run
) -> None:
    url = named(postgres_url, "too long")
    with pytest.raises(SourceError, match=r"0\.2 seconds") as caught:
        DatabaseSource(url, query="select pg_sleep(60)", timeout=0.2).fetch()
    assert caught.value.category is Category.TIMEOUT
    assert caught.value.hint
    until(gone(run, "too long"))


def test_validation_does_not_run_the_query(postgres_url: str) -> None:
    DatabaseSource(postgres_url, query="select pg_sleep(60)", timeout=5).validate()
    late = DatabaseSource(postgres_url, query="select 1 / count(*) from pg_class where false")
    late.validate()
    with pytest.raises(ValidationError, match="division by zero"):
        late.fetch()


def test_an_error_half_way_is_no_end(postgres_url: str) -> None:
    query = "select 1000000 / (20000 - n) as q from generate_series(1, 30000) n"
    stream = DatabaseSource(postgres_url, query=query).stream(batch_rows=1000)
    with pytest.raises(ValidationError, match="division by zero"):
        list(stream)
