"""The rows of COPY TO STDOUT as large pieces of text.

PostgreSQL sends every row as a message of its own. What has arrived is joined by iterators of the
standard library, without a step of Python for each row; psycopg's own reading takes half a second
more for a million rows.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import takewhile
from operator import itemgetter
from typing import Any

import psycopg
from psycopg import generators
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

_ENDED = (-1, b"")
_CANCEL_SECONDS = 5.0
_data = itemgetter(1)


def copied(
    connection: psycopg.Connection[Any],
    statement: str,
    piece_bytes: int,
    done: Callable[[int], None],
) -> Generator[bytes, None, None]:
    """The lines that ``statement`` sends, in pieces of at least ``piece_bytes`` but the last.

    At the end ``done`` is told how many rows the server says it sent. Left early, the statement
    is ended at the server. Raises psycopg's errors.
    """
    with _cancelling(connection):
        _started(connection, statement)
        # Without waiting: (bytes, message), (0, nothing) when none is there, and at last _ENDED.
        messages = iter(partial(connection.pgconn.get_copy_data, 1), _ENDED)
        buffer = io.BytesIO()
        while True:
            first = connection.wait(generators.copy_from(connection.pgconn))
            if not isinstance(first, memoryview):
                result = first
                break
            buffer.write(first)
            buffer.writelines(map(_data, takewhile(_data, messages)))
            if (message := next(messages, _ENDED)) == _ENDED:
                result = _finished(connection)
                break
            buffer.write(message[1])
            if buffer.tell() >= piece_bytes:
                yield buffer.getvalue()
                buffer = io.BytesIO()
        if buffer.tell():
            yield buffer.getvalue()
        done(result.command_tuples or 0)


@contextmanager
def _cancelling(connection: psycopg.Connection[Any]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=_CANCEL_SECONDS)
        raise


def _started(connection: psycopg.Connection[Any], statement: str) -> None:
    connection.pgconn.send_query(statement.encode())
    result = connection.wait(generators.execute(connection.pgconn))[-1]
    if result.status != ExecStatus.COPY_OUT:
        raise error_from_result(result, encoding="utf-8")


def _finished(connection: psycopg.Connection[Any]) -> PGresult:
    """What the server says after the last row: it may still be an error."""
    result: PGresult = connection.wait(generators.fetch_many(connection.pgconn))[-1]
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result, encoding="utf-8")
    return result
