"""The connection to a Dask scheduler: made when it is needed, and again when it was lost."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from ....domain.errors import ConfigurationError

PATIENCE = 3.0
"""Seconds for a scheduler to answer."""
_PAUSE = 1.0
"""Seconds for which one that could not be reached is not asked again."""
_OWN_START = 60.0
_PORT = 8786


class DaskConnection:
    """A client of the scheduler at ``address``: ``dask://host:port``, or ``dask`` or None for a
    cluster of its own on this machine, with so many ``threads``.

    Raises a ConfigurationError for an address that is none, and without Dask.
    """

    def __init__(self, address: str | None, *, threads: int) -> None:
        self.distributed = _library()
        self.address = scheduler_address(address)
        self._threads = threads
        self._cluster: Any = None
        self._client: Any = None
        self._attempt: _Attempt | None = None
        self._failed: tuple[float, Exception] | None = None

    @property
    def lost(self) -> bool:
        """Whether there was a connection that is not there any more."""
        return self._client is not None and self._client.status != "running"

    def client(self) -> Any:
        """A client that is connected; raises whatever Dask says when there is none in time."""
        if self._client is None or self.lost:
            self.disconnect()
            self._client = self._connected()
        return self._client

    def disconnect(self) -> None:
        """Close what is left of the connection."""
        client, self._client = self._client, None
        if client is not None:
            _close(client)

    def close(self) -> None:
        """Close the connection, and the cluster if it is its own."""
        if self._attempt is not None:
            self._attempt.abandon()
        self.disconnect()
        if self._cluster is not None:
            with suppress(TimeoutError):  # what is left of it ends with this process
                self._cluster.close(timeout=_OWN_START)
            self._cluster = None

    def _connected(self) -> Any:
        if self._failed is not None and time.monotonic() - self._failed[0] < _PAUSE:
            raise self._failed[1]
        if self._attempt is None:
            self._attempt = _Attempt(self._connect, PATIENCE if self.address else _OWN_START)
        try:
            client = self._attempt.result()
        except queue.Empty:
            raise TimeoutError("it does not answer") from None
        except Exception as error:
            self._attempt, self._failed = None, (time.monotonic(), error)
            raise
        self._attempt, self._failed = None, None
        return client

    def _connect(self) -> Any:
        return self.distributed.Client(
            self.address or self._own_cluster(), timeout=PATIENCE, set_as_default=False
        )

    def _own_cluster(self) -> Any:
        if self._cluster is None:
            # One worker is enough: the runs have processes of their own.
            self._cluster = self.distributed.LocalCluster(
                host="127.0.0.1",
                n_workers=1,
                threads_per_worker=self._threads,
                memory_limit=0,
                dashboard_address="127.0.0.1:0",  # without one it takes 8787, or warns
                scheduler_kwargs={"allowed_failures": 0, "dashboard": False},
            )
        return self._cluster


class _Attempt:
    """Connects in a thread of its own: whoever accepts a connection and says no more holds Dask
    up for ever, and must not hold up anybody else."""

    def __init__(self, connect: Any, patience: float) -> None:
        self._connect = connect
        self._until = time.monotonic() + patience
        self._outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._abandoned = False
        threading.Thread(target=self._run, name="spine-dask-connect", daemon=True).start()

    def result(self) -> Any:
        """The client; raises what went wrong, or queue.Empty when it still tries."""
        outcome = self._outcome.get(timeout=max(0.001, self._until - time.monotonic()))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def abandon(self) -> None:
        self._abandoned = True
        with suppress(queue.Empty):
            _close(self._outcome.get_nowait())

    def _run(self) -> None:
        try:
            outcome = self._connect()
        except Exception as error:
            outcome = error
        self._outcome.put(outcome)
        if self._abandoned:
            self.abandon()


def _close(client: Any) -> None:
    with suppress(Exception):  # it is of no use any more, whatever it says
        client.unsubscribe_topic("all")
    with suppress(Exception):
        client.close(timeout=PATIENCE)


def _library() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise ConfigurationError(
            "Dask is not installed, and runs are to be executed on it",
            hint="pip install 'market-spine[dask]'",
            cause=error,
        ) from error


def scheduler_address(address: str | None) -> str | None:
    """The address as Dask has it; None for a cluster of its own."""
    if address in (None, "dask"):
        return None
    try:
        parts = urlsplit(str(address))
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        host = None
    if host is None or parts.scheme != "dask" or parts.path.strip("/"):
        raise ConfigurationError(
            f"{address!r} is no address of a Dask scheduler",
            hint="write dask://host:port, or dask for a cluster of its own on this machine",
        )
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
