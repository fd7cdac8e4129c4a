"""A server that falls silent, with its connections open: reading ends in time."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
import pytest
from postgres_server import OwnServer
from socket_front import SocketFront
from sqlalchemy import URL

from market_spine.adapters.outbound.databases import DatabaseSource, postgres
from market_spine.adapters.outbound.databases.addresses import GivenUrl
from market_spine.domain.errors import Category, SourceError

NAME = "fallen silent"
ENDLESS = "select generate_series(1, 100000000) as n, repeat('x', 1000) as t"


def text(url: URL, **options: str) -> str:
    return url.update_query_dict(options).render_as_string(hide_password=False)


@contextmanager
def watching(url: URL) -> Iterator[Callable[[str], list[int]]]:
    """Gives the processes at the server that read for the source, and what begins like that."""
    found = (
        "select pid from pg_stat_activity where application_name = %s and starts_with(query, %s)"
    )
    with psycopg.connect(text(url.set(drivername="postgresql")), autocommit=True) as connection:
        yield lambda begin: [row[0] for row in connection.execute(found, (NAME, begin))]


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """The process holds its sockets, and neither reads nor writes, nor does its own time-out."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def ended_within(seconds: float) -> Iterator[None]:
    def late(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"it has not ended after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("key", [None, ["n"]])
def test_a_stream_that_stops_coming_is_given_up(
    mortal_postgres: OwnServer, monkeypatch: pytest.MonkeyPatch, key: list[str] | None
) -> None:
    monkeypatch.setattr(postgres, "_GRACE_SECONDS", 0.5)
    query = ENDLESS.replace("100000000", "100000") if key else ENDLESS
    url = text(mortal_postgres.url, application_name=NAME)
    # Long enough that the first rows come, and the server is stopped, before it gives up itself.
    stream = DatabaseSource(url, query=query, key=key, timeout=10).stream(batch_rows=10)
    with watching(mortal_postgres.url) as processes:
        next(stream)
        with (
            stopped(*processes("")),
            ended_within(40),
            pytest.raises(SourceError, match="nothing came from the server") as caught,
        ):
            for _ in stream:
                pass
    assert caught.value.category is Category.TIMEOUT
    assert caught.value.retryable
    assert "10 seconds" in caught.value.message


def test_a_statement_without_any_answer_is_given_up(
    mortal_postgres: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_GRACE_SECONDS", 0.5)
    caught: list[Any] = []
    url = text(mortal_postgres.url, application_name=NAME)
    source = DatabaseSource(url, query="select pg_sleep(60)", timeout=2)

    def read() -> None:
        try:
            source.fetch()
        except SourceError as error:
            caught.append(error.category)

    reader = threading.Thread(target=read)
    with watching(mortal_postgres.url) as processes:
        reader.start()
        while not (sleeping := processes("COPY")):
            time.sleep(0.01)
        with stopped(*sleeping):
            reader.join(20)
            assert caught == [Category.TIMEOUT]


def test_the_servers_own_time_out_comes_first(mortal_postgres: OwnServer) -> None:
    url = text(mortal_postgres.url)
    with pytest.raises(SourceError, match="statement timeout") as caught:
        DatabaseSource(url, query="select pg_sleep(60)", timeout=0.2).fetch()
    assert caught.value.category is Category.TIMEOUT


def test_a_reader_that_takes_its_time_is_not_taken_for_a_silent_server(
    mortal_postgres: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server has 30 seconds for the statement, and half a second for every answer.
    monkeypatch.setattr(postgres, "_GRACE_SECONDS", -29.5)
    query = "select n, repeat('x', 1000) as t from generate_series(1, 40000) n"
    rows = 0
    source = DatabaseSource(text(mortal_postgres.url), query=query, timeout=30)
    for batch in source.stream(batch_rows=10_000):
        rows += batch.rows
        time.sleep(0.6)
    assert rows == 40_000


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (1, 30, 10, 3)),
        ({"keepalives_idle": "7", "keepalives_count": "4"}, (1, 7, 10, 4)),
        ({"keepalives": "0"}, (0,)),
    ],
)
def test_the_kernel_asks_whether_the_machine_is_still_there(
    mortal_postgres: OwnServer, given: dict[str, str], expected: tuple[int, ...]
) -> None:
    folder = Path(str(mortal_postgres.url.query["host"]))
    asked = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    with SocketFront(folder / ".s.PGSQL.5432") as front:
        url = mortal_postgres.url.set(host="127.0.0.1", port=front.port, query={})
        with (
            postgres._connect(GivenUrl(text(url, **given)).resolved(), None) as connection,
            socket.socket(fileno=os.dup(connection.fileno())) as used,
        ):
            found = (
                used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                *(used.getsockopt(socket.IPPROTO_TCP, option) for option in asked),
            )
    assert found[: len(expected)] == expected
