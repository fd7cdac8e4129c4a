"""What the store in memory holds, and the transaction that its stores share."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import polars as pl

from ..adapters.outbound.sql.json_text import from_text, to_text
from ..domain.access import AccessToken, AuditEntry
from ..domain.backfills import Backfill, BackfillPart
from ..domain.captures import Capture, LineageEdge, ManifestEntry, Stage
from ..domain.errors import Category, LoadError, SpineError
from ..domain.quality import QualityResult
from ..domain.queueing import Job, Progress
from ..domain.runs import LogLine, Run, RunEvent


@dataclass(slots=True)
class MemoryState:
    """All content. Values are never changed, only replaced, so that copies are cheap."""

    runs: dict[str, Run] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    queue: dict[str, Job] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)
    events: dict[str, tuple[RunEvent, ...]] = field(default_factory=dict)
    events_given: int = 0
    lines: dict[str, tuple[LogLine, ...]] = field(default_factory=dict)
    backfills: dict[str, Backfill] = field(default_factory=dict)
    backfill_requests: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Mapping[int, BackfillPart]] = field(default_factory=dict)
    captures: dict[str, Capture] = field(default_factory=dict)
    manifest: dict[tuple[str, Stage], ManifestEntry] = field(default_factory=dict)
    lineage: dict[tuple[str, str, str], LineageEdge] = field(default_factory=dict)
    quality: dict[int, QualityResult] = field(default_factory=dict)
    rejects: dict[int, pl.DataFrame] = field(default_factory=dict)
    rows: dict[tuple[str, int], pl.DataFrame] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    token_digests: dict[str, str] = field(default_factory=dict)
    calls: dict[str, AuditEntry] = field(default_factory=dict)
    shared_keys: dict[str, bytes] = field(default_factory=dict)

    def copy(self) -> MemoryState:
        return MemoryState(**{item.name: copy(getattr(self, item.name)) for item in fields(self)})

    def capture(self, capture_id: str) -> Capture:
        """The capture of that id; raises a LoadError when it is not stored."""
        found = self.captures.get(capture_id)
        if found is None:
            raise LoadError(f"there is no capture {capture_id}", hint="add the capture first")
        return found

    def capture_of_key(self, key: int) -> Capture:
        """The capture of that number; raises a LoadError when it is not stored."""
        found = next((item for item in self.captures.values() if item.key == key), None)
        if found is None:
            raise LoadError(f"there is no capture number {key}", hint="add the capture first")
        return found

    def require_run(self, run_id: str | None) -> None:
        """Raise a LoadError unless the run is stored, or None."""
        if run_id is not None and run_id not in self.runs:
            raise LoadError(f"there is no run {run_id}", hint="add the run first")


class MemoryTransaction:
    """Gives out the state while the unit of work is open, and for writing only where it may."""

    def __init__(self, state: MemoryState, *, writable: bool) -> None:
        self._state = state
        self._writable = writable
        self._open = True

    @property
    def reading(self) -> MemoryState:
        if not self._open:
            raise SpineError("this unit of work is over", hint="open a new one")
        return self._state

    @property
    def writing(self) -> MemoryState:
        state = self.reading
        if not self._writable:
            raise SpineError("this unit of work only reads", hint="open one with store.write()")
        return state

    def close(self) -> None:
        self._open = False


def as_json(value: Any, what: str) -> Any:
    """A copy of ``value`` as a store gives it back: through JSON."""
    return from_text(to_text(value, what))


def as_utc(moment: datetime) -> datetime:
    """``moment`` in UTC; raises a LoadError when it has no time zone."""
    if moment.tzinfo is None:
        raise LoadError(
            f"the timestamp {moment.isoformat()} has no time zone", category=Category.VALIDATION
        )
    return moment.astimezone(UTC)


def as_utc_or_none(moment: datetime | None) -> datetime | None:
    """``moment`` in UTC, or None as it is."""
    return None if moment is None else as_utc(moment)
