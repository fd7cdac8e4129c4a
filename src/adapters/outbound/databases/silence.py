"""A connection to PostgreSQL that gives up on a server which has fallen silent.

The server ends a statement that takes too long, and the kernel notices a machine that is gone.
Neither helps where something between holds the connection open and forwards nothing.
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

R = TypeVar("R")


class SilenceError(psycopg.OperationalError):
    """Nothing came from the server, which should have answered or ended the statement by now."""


class AttentiveConnection(psycopg.Connection[Any]):
    """Raises a SilenceError, and is closed, after ``patience`` seconds without a byte."""

    patience: float | None = None

    def wait(self, gen: PQGen[R], *args: Any, **options: Any) -> R:
        if self.patience is None:
            return super().wait(gen, *args, **options)
        try:
            return super().wait(_heard(gen, self.patience), *args, **options)
        except SilenceError:
            # Whatever the driver does next on this connection would wait as long again.
            self.close()
            raise


def _heard(gen: PQGen[R], patience: float) -> PQGen[R]:
    """``gen``, ended where the socket has not been ready for ``patience`` seconds."""
    last = time.monotonic()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            now = time.monotonic()
            if ready:
                last = now
            elif now - last > patience:
                raise SilenceError(f"nothing came from the server for {now - last:.0f} seconds")
            wanted = gen.send(ready)
    except StopIteration as end:
        result: R = end.value
        return result
