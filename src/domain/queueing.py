"""How runs wait for a worker, and how a worker holds what it has taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from .retries import NO_RETRY, Retry

DEFAULT_POOL = "default"
HEAD_START = timedelta(minutes=1)
"""What one step of priority is worth.

A run of priority 10 is taken as if it had been queued ten minutes earlier: so the urgent goes
first, and nothing waits for ever.
"""
MOST_PRIORITY = 1000
_PRIVATE = "@"


class QueueState(StrEnum):
    """Where a live run stands in the queue."""

    READY = "READY"
    WAITING = "WAITING"
    """Until ``ready_at``: a delayed start, or the pause before another attempt."""
    HELD = "HELD"
    """Until the other run of the same key is over."""
    CLAIMED = "CLAIMED"
    """A process holds it, as long as it renews its lease."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What lets a process finish a run: ``fence`` rises with every claim of it."""

    run: str
    owner: str
    fence: int


@dataclass(frozen=True, slots=True)
class Job:
    """One live run as the queue sees it.

    ``pipeline`` names the code that is run, ``pool`` who may run it. Jobs with the same ``key``
    are executed one after the other. ``ranked_at`` decides the order: the time of queueing less
    the head start of the priority. An ``attached`` job belongs to the process that made it: when
    its lease is lost the run has failed, and no one else does it. ``failures`` counts attempts
    that ended with an error, ``losses`` claims whose process vanished. ``timeout`` is in seconds
    for each attempt.
    """

    run: str
    pipeline: str
    ranked_at: datetime
    state: QueueState = QueueState.READY
    pool: str = DEFAULT_POOL
    priority: int = 0
    ready_at: datetime | None = None
    key: str | None = None
    attached: bool = False
    retry: Retry = NO_RETRY
    timeout: float | None = None
    failures: int = 0
    losses: int = 0
    attempt: int = 0
    fence: int = 0
    owner: str | None = None
    lease_until: datetime | None = None
    cancel_requested: bool = False

    @property
    def lease(self) -> Lease:
        """The lease of its present claim."""
        return Lease(self.run, self.owner or "", self.fence)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a worker can take: at most ``jobs``, from these pools, running these pipelines.

    ``pools`` and ``pipelines`` give the most jobs that all workers together may run at once, None
    for any number. What is not named is not taken.
    """

    owner: str
    jobs: int
    lease: timedelta
    pipelines: Mapping[str, int | None]
    pools: Mapping[str, int | None] = field(default_factory=lambda: {DEFAULT_POOL: None})


def private_pool(run_id: str) -> str:
    """The pool of what only the process of that run executes; no setting can name it."""
    return f"{_PRIVATE}{run_id}"


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """The jobs of one pipeline in one pool."""

    pool: str
    pipeline: str

    @property
    def private(self) -> bool:
        """Whether the process of one run executes them, and no worker."""
        return self.pool.startswith(_PRIVATE)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: ``done`` of ``total`` (None: unknown) ``unit``."""

    label: str
    done: int = 0
    total: int | None = None
    unit: str = ""
