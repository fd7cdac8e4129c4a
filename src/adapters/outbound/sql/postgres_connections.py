"""Connections of a pool that PostgreSQL has closed meanwhile are replaced before they are used."""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

_TRUSTED = 30.0
"""Seconds after its last use within which a connection is taken to be there."""
_USED = "used"


def replace_lost_connections(engine: Engine) -> None:
    """Look at a connection when it is taken from the pool; all are replaced if it is lost.

    A server that ends a connection says so, and then there is something to be read. That is known
    without asking it, which would cost each unit of work one way to the server and back. It is
    asked after a while only: what lies between may have forgotten the connection without a word.
    """

    @event.listens_for(engine, "checkin")
    def checkin(_: Any, record: Any) -> None:
        record.info[_USED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def checkout(driver: psycopg.Connection[Any] | None, record: Any, _: Any) -> None:
        used = record.info.get(_USED)
        if driver is None or used is None:
            return
        try:
            if driver.closed or _has_said_something(driver) or time.monotonic() - used > _TRUSTED:
                driver.execute("SELECT 1").close()
        except psycopg.Error as error:
            raise InvalidatePoolError from error


def _has_said_something(driver: psycopg.Connection[Any]) -> bool:
    looking = select.poll()  # select itself takes only the first 1,024 descriptors
    looking.register(driver.fileno(), select.POLLIN)
    return bool(looking.poll(0))
