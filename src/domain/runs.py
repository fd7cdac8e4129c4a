"""Runs: what was executed, when, with what outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from .errors import Category, SpineError
from .result import Metric

NOT_KEPT = "what it returned is not kept"
"""How the warning of a run begins whose output is nothing although it returned something."""


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


class Trigger(StrEnum):
    """Why there is a run."""

    COMMAND = "COMMAND"
    """Somebody ran it and waits for it: it is executed where it was asked for."""
    REQUEST = "REQUEST"
    """Somebody submitted it: whichever worker is free executes it."""
    SCHEDULE = "SCHEDULE"
    WORKFLOW = "WORKFLOW"
    """A step of a workflow's run."""
    PART = "PART"
    """A pipeline's function asked for it, and waits."""
    BACKFILL = "BACKFILL"
    RETRY = "RETRY"
    """Goes on with what an ended run has left undone."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a pipeline, of a workflow, or of a step.

    ``id`` sorts by creation. ``parent`` and ``step`` are set for the step of a workflow and for
    the parts of a backfill; ``item`` counts from 0 the runs of a step that is done for each item
    of a list. ``owner`` identifies the executing process, ``attempt`` counts how often the run
    was begun. ``output`` is the JSON value that later steps get; ``plan`` is the graph of a
    workflow's run as it was when it was submitted. Times are UTC; from the first claim on they
    are the store's, not the machine's.
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
    trigger: Trigger = Trigger.COMMAND
    partition: str | None = None
    item: int | None = None
    attempt: int = 0
    force: bool = False
    output: Any = None
    plan: Mapping[str, Any] | None = None
    retry_of: str | None = None
    backfill: str | None = None
    cancel_requested_at: datetime | None = None

    @property
    def duration(self) -> float | None:
        """Seconds from start to finish, None while it runs."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list, newest first unless ``oldest_first``.

    ``before`` and ``after`` bound the id, both exclusive: a list goes on with the id of its last
    run as ``before``, or as ``after`` when it is ``oldest_first`` (keyset paging). ``since``
    (inclusive) and ``until`` (exclusive) bound the time of creation.
    """

    pipeline: str | None = None
    state: RunState | None = None
    parent: str | None = None
    top_level_only: bool = False
    before: str | None = None
    limit: int = 50
    since: datetime | None = None
    until: datetime | None = None
    partition: str | None = None
    trigger: Trigger | None = None
    category: Category | None = None
    retry_of: str | None = None
    backfill: str | None = None
    step: str | None = None
    request: str | None = None
    oldest_first: bool = False
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands: what it is a part of, and whether it is itself made of steps."""

    run: str
    parent: str | None
    backfill: str | None
    is_workflow: bool


@dataclass(frozen=True, slots=True)
class StepCount:
    """How many runs of one step of a workflow's run, which is ``parent``, are in one state."""

    parent: str
    step: str
    state: RunState
    runs: int


class EventKind(StrEnum):
    """What happened to a run."""

    SUBMITTED = "SUBMITTED"
    CLAIMED = "CLAIMED"
    RETRY_SCHEDULED = "RETRY_SCHEDULED"
    LEASE_LOST = "LEASE_LOST"
    RELEASED = "RELEASED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"
    REUSED = "REUSED"
    """The step was done by the run that this one goes on with."""


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One change of a run: committed together with the change, and never changed itself.

    ``fence`` is the fencing token of the claim that it belongs to, 0 where there is none.
    ``key`` is the store's own number, in the order in which a run's events were committed.
    """

    run: str
    kind: EventKind
    at: datetime
    attempt: int = 0
    fence: int = 0
    owner: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    key: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a run has logged; ``number`` rises within the run, from 1 on."""

    run: str
    number: int
    at: datetime
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Head:
    """How far a run's journal goes: the key of its last event, the number of its last line."""

    event: int = 0
    line: int = 0
