"""A session with Db2: the driver's connection string and the session's settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import ibm_db
from sqlalchemy.engine.url import URL

from ....domain.errors import ConfigurationError, ValidationError

_WANTED = {
    "ConnectTimeout": "10",
    # Long texts up to this size come with their row, others by a request of their own each.
    "LOBCacheSize": str(16 << 20),
    "ClientApplName": "market-spine",
}
_SCHEMA = "currentschema"
_NOT_THE_DRIVERS = {"ibmdbsa_log"}
_PLAIN_NAME = re.compile(r"[A-Za-z_#@$][A-Za-z0-9_#@$]*")


@contextmanager
def connected(url: URL) -> Iterator[Any]:
    """A connection whose every change is rolled back; raises the driver's errors."""
    text, schema = _connection_string(url)
    connection = ibm_db.connect(text, "", "")
    try:
        ibm_db.autocommit(connection, ibm_db.SQL_AUTOCOMMIT_OFF)
        isolation = {ibm_db.SQL_ATTR_TXN_ISOLATION: ibm_db.SQL_TXN_READ_COMMITTED}
        ibm_db.set_option(connection, isolation, 1)
        if schema is not None:
            # Not every server takes it in the connection string.
            ibm_db.exec_immediate(connection, f"SET CURRENT SCHEMA {schema}")
        yield connection
    finally:
        # On a dead connection there is nothing to undo.
        with suppress(Exception):
            ibm_db.rollback(connection)
        with suppress(Exception):
            ibm_db.close(connection)


def _connection_string(url: URL) -> tuple[str, str | None]:
    """The driver's keywords, and the schema where the URL names one."""
    options = {
        name: value
        for name, value in url.query.items()
        if isinstance(value, str) and name.lower() not in _NOT_THE_DRIVERS
    }
    schema = next((options.pop(name) for name in list(options) if name.lower() == _SCHEMA), None)
    if schema is not None and not _PLAIN_NAME.fullmatch(schema):
        raise ValidationError(
            f"the schema {schema!r} in the URL is not a plain name",
            hint="write CurrentSchema=NAME, with letters, digits and _ only",
        )
    given = {name.lower() for name in options}
    wanted = {name: value for name, value in _WANTED.items() if name.lower() not in given}
    parts = {**_place(url), **wanted, **options}
    _check(parts)
    return "".join(f"{name}={value};" for name, value in parts.items()), schema


def _place(url: URL) -> Mapping[str, str]:
    if not url.database:
        raise ValidationError(
            "the URL names no database",
            hint="write it as db2+ibm_db://USER:PASSWORD@HOST:50000/DATABASE",
        )
    if not url.host:
        # An alias that the driver's own configuration explains.
        place = {"DSN": url.database}
    else:
        place = {"DATABASE": url.database, "PROTOCOL": "TCPIP", "HOSTNAME": url.host}
        if url.port:
            place["PORT"] = str(url.port)
    if url.username:
        place["UID"] = url.username
    if url.password:
        place["PWD"] = str(url.password)
    return place


def _check(parts: Mapping[str, str]) -> None:
    """The driver cuts a value off at a semicolon, and knows no way to write one."""
    wrong = [name for name, value in parts.items() if ";" in name + value or "\0" in value]
    if wrong:
        name = "password" if wrong[0] == "PWD" else wrong[0].split(";")[0]
        raise ConfigurationError(
            f"the {name} in the URL has a semicolon in it, which the driver cuts off",
            hint="change it to one without",
        )
