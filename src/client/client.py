"""The client of a server: one connection, and what can be asked over it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from .backfills import Backfills
from .calls import LONG, Calls
from .catalog import Pipelines, Workflows
from .datasets import Datasets
from .runs import Runs
from .system import System
from .target import DEFAULT_TARGET, Credentials, target_of

if TYPE_CHECKING:
    from types import TracebackType

    import polars as pl

    from .querying import Rows

_TIMEOUT = 30.0


class SpineClient:
    """Everything that a server of Market Spine can do, in the words of the domain.

    ``target`` is ``host:port``. ``ca`` is a file with the certificates that are trusted, ``cert``
    and ``key`` are our own certificate and its key, all PEM; TLS is used when one of them is given
    or the server is on another machine, unless ``insecure`` says otherwise. ``token`` is never
    sent where others could read it. ``timeout`` is in seconds for one call, ``math.inf`` for no
    limit; every method takes its own.

    A call fails with a :class:`SpineError`: the server's own, with category, hint and cause, or
    one of category DEPENDENCY when no server answers. What only reads, and what can be repeated
    without doing more, is repeated for some seconds while the server is away.

    Safe to share by threads. Nothing is connected before the first call; ``with`` closes it.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        token: str | None = None,
        ca: Path | str | None = None,
        cert: Path | str | None = None,
        key: Path | str | None = None,
        insecure: bool | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        """Raises a ConfigurationError for a target or credentials that cannot be."""
        credentials = Credentials(
            None if token is None else token.strip(), _path(ca), _path(cert), _path(key)
        )
        found = target_of(target, credentials, insecure)
        self._calls = Calls(found, credentials, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and all calls that are under way."""
        self._calls.close()

    @cached_property
    def runs(self) -> Runs:
        """Submitting, following and reading runs."""
        return Runs(self._calls)

    @cached_property
    def backfills(self) -> Backfills:
        """Making, controlling and reading backfills."""
        return Backfills(self._calls)

    @cached_property
    def pipelines(self) -> Pipelines:
        """The pipelines that the server can run."""
        return Pipelines(self._calls)

    @cached_property
    def workflows(self) -> Workflows:
        """The workflows that the server can run."""
        return Workflows(self._calls)

    @cached_property
    def datasets(self) -> Datasets:
        """Published datasets, what is known about their data, and bringing files."""
        return Datasets(self._calls)

    @cached_property
    def system(self) -> System:
        """The server itself."""
        return System(self._calls)

    def query(
        self, dataset: str, *, timeout: float | None = LONG, **wanted: Unpack[Rows]
    ) -> pl.DataFrame:
        """The rows of a dataset, see :meth:`Datasets.query`."""
        return self.datasets.query(dataset, timeout=timeout, **wanted)

    def query_batches(
        self, dataset: str, *, timeout: float | None = LONG, **wanted: Unpack[Rows]
    ) -> Iterator[pl.DataFrame]:
        """The rows of a dataset in frames, see :meth:`Datasets.query_batches`."""
        return self.datasets.query_batches(dataset, timeout=timeout, **wanted)


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else Path(given)
