"""The store: what is remembered, behind one unit of work that commits all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from ..domain.captures import (
    Capture,
    CaptureFilter,
    LineageEdge,
    ManifestEntry,
    Partition,
    PartitionFilter,
    Reject,
    RejectFilter,
    Stage,
)
from ..domain.quality import QualityResult
from .access_storage import AccessStore
from .run_storage import BackfillStore, RunHistory, RunJournal, RunQueue, RunStore


class CaptureStore(Protocol):
    """Captures by partition and content."""

    def add(self, capture: Capture) -> Capture:
        """Store it; the answer has ``key``, ``sequence`` and ``supersedes`` filled in.

        ``captured_at`` of the answer is never earlier than that of the capture it supersedes.
        """
        ...

    def record_counts(self, capture_key: int, *, read: int, accepted: int, rejected: int) -> None:
        """Set the row counts of a capture, once its rows have been taken apart."""
        ...

    def get(self, capture_id: str) -> Capture | None: ...

    def list(self, wanted: CaptureFilter) -> Sequence[Capture]:
        """Descending period, ascending segment and domain, descending sequence."""
        ...


class RowStore(Protocol):
    """Rows of data tables, each belonging to one capture.

    Tables are declared by the store for each domain; columns are the table's own without the
    capture. Decimals, dates, nulls and text come back exactly as they were written.
    """

    def replace(self, table: str, capture_key: int, rows: pl.DataFrame) -> int:
        """Put ``rows`` in the place of whatever the capture had in ``table``; their number."""
        ...

    def read(
        self,
        table: str,
        capture_key: int,
        *,
        columns: Sequence[str] | None = None,
        where: Mapping[str, str] | None = None,
        batch_rows: int = 100_000,
    ) -> Iterator[pl.DataFrame]:
        """One capture's rows in the order of the table's key, in batches.

        ``where`` compares text columns of the key. Yields nothing when there is no row.
        """
        ...


class RejectStore(Protocol):
    """Refused rows."""

    def replace(self, capture_key: int, rejects: pl.DataFrame) -> int:
        """Put rejects (line Int64; reason, detail, raw String) in place of the capture's; count."""
        ...

    def list(self, wanted: RejectFilter) -> Sequence[Reject]:
        """In the order of their captures' list, of each capture by line."""
        ...


class QualityStore(Protocol):
    """Outcomes of checks."""

    def add(self, results: Iterable[QualityResult]) -> None: ...

    def list(self, wanted: PartitionFilter) -> Sequence[QualityResult]:
        """Newest run first; the checks of one run in the order they were added.

        Raises a ValidationError when ``wanted.after`` is no position of a quality result.
        """
        ...


class ManifestStore(Protocol):
    """Stages of captures, and which run read and wrote what."""

    def record(self, entry: ManifestEntry) -> None:
        """Note that a capture has reached a stage; replaces an earlier note of the same stage."""
        ...

    def withdraw(self, capture: str, stage: Stage) -> None:
        """Take back that a capture has reached a stage; nothing happens when it had not."""
        ...

    def list(self, wanted: PartitionFilter) -> Sequence[ManifestEntry]:
        """In the order of their captures' list, of each capture the stages in their order.

        Raises a ValidationError when ``wanted.after`` is no position of an entry.
        """
        ...

    def link(self, edges: Iterable[LineageEdge]) -> None:
        """Note lineage; the same edge twice is one."""
        ...

    def lineage(self, run_id: str) -> Sequence[LineageEdge]: ...


class UnitOfWork(Protocol):
    """One transaction over all stores. What is not committed is rolled back on leaving it."""

    @property
    def runs(self) -> RunStore: ...
    @property
    def queue(self) -> RunQueue: ...
    @property
    def journal(self) -> RunJournal: ...
    @property
    def history(self) -> RunHistory: ...
    @property
    def backfills(self) -> BackfillStore: ...
    @property
    def captures(self) -> CaptureStore: ...
    @property
    def rows(self) -> RowStore: ...
    @property
    def rejects(self) -> RejectStore: ...
    @property
    def quality(self) -> QualityStore: ...
    @property
    def manifest(self) -> ManifestStore: ...
    @property
    def access(self) -> AccessStore: ...

    def lock(self, partition: Partition) -> None:
        """Hold the partition until the transaction ends: captures of it are added one at a time."""
        ...

    def limit_waiting(self, seconds: float) -> None:
        """From now on wait at most so long for what others hold, if the store can.

        Whatever waits longer raises a TRANSIENT error.
        """
        ...

    def limit_silence(self, seconds: float) -> None:
        """Let the store end the unit of work once nothing is asked of it for so long, if it can.

        For the last statements before a commit: what they hold is what others need to go on, and
        this process may be stopped between any two of them.
        """
        ...

    def commit(self) -> None: ...


class Store(Protocol):
    """Opens units of work."""

    def write(self) -> AbstractContextManager[UnitOfWork]:
        """A transaction that may write, from its first statement on."""
        ...

    def read(self) -> AbstractContextManager[UnitOfWork]:
        """A consistent snapshot that cannot write and never waits for writers."""
        ...


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """What the operator asks of a store. ``latency`` is in seconds.

    ``used`` and ``free`` are bytes, ``connections`` those that the server has of at most
    ``connection_limit``; None where the database does not say. ``pool_size`` is how many this
    process takes to read with, and as many to write with; None where it takes what it needs.
    ``advice`` says what to do about a revision that is not the expected one.
    """

    backend: str
    location: str
    server_version: str
    revision: str | None
    expected_revision: str
    latency: float
    used: int | None = None
    free: int | None = None
    connections: int | None = None
    connection_limit: int | None = None
    pool_size: int | None = None
    advice: str | None = None

    @property
    def current(self) -> bool:
        return self.revision == self.expected_revision


class StoreAdmin(Protocol):
    """The schema behind the store."""

    def upgrade(self) -> StoreStatus:
        """Bring the schema to the revision this software knows; safe to call at any time, by any
        number of processes."""
        ...

    def status(self) -> StoreStatus:
        """Where the schema stands; raises a typed error when the store cannot be reached."""
        ...

    def ensure_ready(self) -> None:
        """Create the schema where there is none yet.

        Raises a ConfigurationError for one that is older (naming ``spine db upgrade``) or newer
        than this software.
        """
        ...
