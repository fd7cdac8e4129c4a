"""Servers that ask for a password, or die in the middle: what a source says then."""

from __future__ import annotations

import traceback
from pathlib import Path

import psycopg
import pytest
from postgres_server import OwnServer
from sqlalchemy import URL, make_url

from market_spine.adapters.outbound.databases import DatabaseSource
from market_spine.adapters.outbound.sources import RetryingSource
from market_spine.domain.errors import Category, SourceError
from market_spine.ports.sources import LINE


def execute(url: URL, *statements: str) -> None:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def asking_for_passwords(server: OwnServer) -> URL:
    """The server's URL, with the password it asks for from now on."""
    execute(server.url, "alter role postgres password 'correct-horse'")
    folder = Path(str(make_url(server.url).query["host"]))
    (folder / "pg_hba.conf").write_text("local all all scram-sha-256\n")
    given = server.url.set(password="correct-horse")
    # The old rules hold until the server has read the new ones.
    execute(given, "select pg_reload_conf()")
    return given


def refused(url: URL) -> SourceError:
    source = DatabaseSource(url.render_as_string(hide_password=False), query="select 1 as n")
    with pytest.raises(SourceError) as caught:
        validate_until_refused(source)
    return caught.value


def validate_until_refused(source: DatabaseSource) -> None:
    for _ in range(1000):  # the server needs a moment to read its new rules
        source.validate()


def test_a_wrong_password_is_a_matter_of_permission_and_never_shown(
    mortal_postgres: OwnServer,
) -> None:
    right = asking_for_passwords(mortal_postgres)
    for wrong in (right.set(password="battery-staple"), right.set(password="")):
        error = refused(wrong)
        assert error.category is Category.PERMISSION, error
        assert error.hint
        told = str(error.to_dict()) + "".join(traceback.format_exception(error))
        assert "staple" not in told
    absent = refused(right.set(username="nobody_here"))
    assert absent.category is Category.PERMISSION
    good = DatabaseSource(right.render_as_string(hide_password=False), query="select 1 as n")
    assert good.fetch().rows == 1


def test_a_server_that_dies_in_the_middle_is_no_end_of_the_rows(mortal_postgres: OwnServer) -> None:
    url = mortal_postgres.url.render_as_string(hide_password=False)
    query = "select generate_series(1, 100000000) as n, repeat('x', 1000) as t"
    stream = DatabaseSource(url, query=query).stream(batch_rows=1000)
    next(stream)
    mortal_postgres.kill()
    with pytest.raises(SourceError) as caught:
        for _ in stream:
            pass
    assert caught.value.category is Category.DEPENDENCY
    assert caught.value.retryable


def test_reading_goes_on_with_another_attempt_after_a_restart(mortal_postgres: OwnServer) -> None:
    execute(
        mortal_postgres.url,
        "create table v as select n, repeat('x', 1000) as t from generate_series(1, 50000) n",
        "checkpoint",
    )
    url = mortal_postgres.url.render_as_string(hide_password=False)
    source = RetryingSource(
        DatabaseSource(url, table="v", key=["n"]), 3, 0, lambda _: mortal_postgres.start()
    )
    stream = source.stream(batch_rows=10_000)
    lines = next(stream).frame[LINE].to_list()
    mortal_postgres.kill()
    for batch in stream:
        lines += batch.frame[LINE].to_list()
    assert lines == list(range(1, 50_001))
