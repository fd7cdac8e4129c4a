"""How a session with Db2 begins: the driver's connection string and the session's settings."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import ibm_db
import ibm_db_dbi
from sqlalchemy import URL

from ....domain.errors import ConfigurationError
from .connection_limits import ConnectionLimits
from .db2_errors import sqlcode_of

SYNTAX_ERROR = -104
# Longer texts than this would come by a request of their own; ours stand in CLOB(16M).
_LOB_BYTES = 16 * 1024 * 1024
_IDENTIFIER = re.compile(r"[A-Za-z_#@$][A-Za-z0-9_#@$]*")
_SCHEMA = "currentschema"
# Options of the SQLAlchemy dialect, not of the driver.
_NOT_THE_DRIVERS = ("ibmdbsa_log",)


@dataclass(frozen=True)
class Db2Connector:
    """Opens sessions. ``options`` is the driver's connection string, which holds the password."""

    options: str
    schema: str | None
    lock_timeout: int

    def __repr__(self) -> str:
        return f"Db2Connector(schema={self.schema!r})"

    def connect(self, *, reading: bool) -> ibm_db_dbi.Connection:
        """A session that waits for locks no longer than it may; raises the driver's errors.

        Where ``reading``, the server is asked for what was committed last instead of waiting for
        whoever is changing it.
        """
        options = f"{self.options}ConcurrentAccessResolution=1;" if reading else self.options
        connection = ibm_db_dbi.connect(options, "", "")
        try:
            connection.set_option({ibm_db.SQL_ATTR_TXN_ISOLATION: ibm_db.SQL_TXN_READ_COMMITTED})
            self._settle(connection)
        except Exception:
            connection.close()
            raise
        return connection

    def _settle(self, connection: ibm_db_dbi.Connection) -> None:
        cursor = connection.cursor()
        try:
            if self.schema is not None:
                # Not every server takes it in the connection string.
                cursor.execute(f"SET CURRENT SCHEMA {self.schema}")
            try:
                cursor.execute(f"SET CURRENT LOCK TIMEOUT {self.lock_timeout}")
            except ibm_db_dbi.Error as error:
                # Some members of the family know no such register: the server's own time holds.
                if sqlcode_of(error) != SYNTAX_ERROR:
                    raise
        finally:
            cursor.close()
        connection.commit()


def connector(url: URL, limits: ConnectionLimits) -> Db2Connector:
    """How to connect to the database of a URL; its options are the driver's keywords.

    Raises a ConfigurationError for what cannot stand in the driver's connection string.
    """
    options = {key: value for key, value in url.query.items() if isinstance(value, str)}
    schema = next((options.pop(key) for key in list(options) if key.lower() == _SCHEMA), None)
    for key in list(options):
        if key.lower() in _NOT_THE_DRIVERS:
            del options[key]
    given = {key.lower() for key in options}
    for key, value in _wanted(limits).items():
        if key.lower() not in given:
            options[key] = value
    parts = {**_place(url), **options}
    for key, value in parts.items():
        _require_plain(key, value)
    if schema is not None and not _IDENTIFIER.fullmatch(schema):
        raise ConfigurationError(
            f"the schema {schema!r} in the Db2 URL is not a plain name",
            hint="write CurrentSchema=NAME, with letters, digits and _ only",
        )
    return Db2Connector(
        options="".join(f"{key}={value};" for key, value in parts.items()),
        schema=schema.upper() if schema else None,
        lock_timeout=min(32767, math.ceil(limits.busy_timeout)),
    )


def _place(url: URL) -> dict[str, str]:
    if not url.database:
        raise ConfigurationError(
            "the Db2 URL names no database",
            hint="write it as db2+ibm_db://user@host:50000/database",
        )
    place = {"DATABASE": url.database, "PROTOCOL": "TCPIP", "HOSTNAME": url.host or ""}
    if url.port:
        place["PORT"] = str(url.port)
    if not url.host:
        # An alias that the driver's own configuration file explains.
        place = {"DSN": url.database}
    if url.username:
        place["UID"] = url.username
    if url.password:
        place["PWD"] = str(url.password)
    return place


def _wanted(limits: ConnectionLimits) -> dict[str, str]:
    return {
        "ConnectTimeout": str(max(1, round(limits.connect_timeout))),
        "LOBCacheSize": str(_LOB_BYTES),
        "ClientApplName": "market-spine",
    }


def _require_plain(key: str, value: str) -> None:
    """The driver cuts a value off at a semicolon, and knows no way to write one."""
    name = re.split("[;=\0]", key)[0]
    if name == key and ";" not in value and "\0" not in value:
        return
    if key == "PWD":
        raise ConfigurationError(
            "the password for Db2 contains a semicolon, which its driver cannot send",
            hint="give the user another password",
        )
    raise ConfigurationError(
        f"the option {name!r} in the Db2 URL cannot be passed on",
        hint="leave semicolons out",
    )
