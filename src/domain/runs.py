"""Runs: what was executed, when, with what outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .errors import SpineError
from .result import Metric


class RunState(StrEnum):
    """PENDING and RUNNING are live; the others are final. SKIPPED is for steps only."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"

    @property
    def final(self) -> bool:
        return self not in (RunState.PENDING, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a pipeline or workflow.

    ``id`` sorts by creation. ``parent`` and ``step`` are set for the step of a workflow and for
    the parts of a backfill. ``owner`` identifies the executing process. Times are UTC.
    """

    id: str
    pipeline: str
    parameters: Mapping[str, Any]
    state: RunState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    parent: str | None = None
    step: str | None = None
    owner: str | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: SpineError | None = None

    @property
    def duration(self) -> float | None:
        """Seconds from start to finish, None while it runs."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list: newest first, ``before`` is the id to continue after (keyset paging)."""

    pipeline: str | None = None
    state: RunState | None = None
    parent: str | None = None
    top_level_only: bool = False
    before: str | None = None
    limit: int = 50
