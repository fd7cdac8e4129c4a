"""Homes of stores in tests: a folder, and where the store is on a server a database beside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

import psycopg
from crash_child import url_file
from sqlalchemy import URL, make_url


def with_database(home: Path, server: URL, *, template: str = "template0") -> Path:
    """``home``, its store in a new database on ``server``: a copy of ``template``."""
    name = f"spine_{uuid4().hex[:12]}"
    _administer(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    # A copied sequence counts on without a word in the log, and back after a crash of the server;
    # behind a checkpoint it does not.
    _administer(server, "CHECKPOINT")
    url = server.set(database=name)
    url_file(home).write_text(url.render_as_string(hide_password=False))
    return home


def copied(start: Path, home: Path) -> Path:
    """A copy of a home, its database included."""
    shutil.copytree(start, home)
    if url_file(start).exists():
        url = make_url(url_file(start).read_text())
        with_database(home, url, template=str(url.database))
    return home


def removed(home: Path) -> None:
    shutil.rmtree(home)
    if url_file(home).exists():
        url = make_url(url_file(home).read_text())
        _administer(url, f'DROP DATABASE "{url.database}" WITH (FORCE)')
        url_file(home).unlink()


def _administer(server: URL, statement: str) -> None:
    plain = server.set(drivername="postgresql", database="postgres")
    with psycopg.connect(
        plain.render_as_string(hide_password=False), autocommit=True
    ) as connection:
        connection.execute(statement)
