"""Queueing the runs of planned steps: of workflows, or of a backfill's partitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..domain.plans import PlannedStep, filled
from ..domain.queueing import Job, private_pool
from ..domain.runs import EventKind, Run, RunEvent
from ..ports.storage import UnitOfWork
from .run_events import event_of_end


@dataclass(slots=True)
class NewRuns:
    """Runs to be stored, written together by :meth:`write`."""

    _runs: list[Run] = field(default_factory=list)
    _events: list[RunEvent] = field(default_factory=list)
    _jobs: list[Job] = field(default_factory=list)

    def queue(
        self, run: Run, step: PlannedStep, ranked_at: datetime, attached_to: str | None = None
    ) -> bool:
        """Queue a run; False for a workflow, whose steps are queued instead of it."""
        self.store(run, RunEvent(run.id, EventKind.SUBMITTED, run.created_at))
        if step.plan is not None:
            return False
        self._jobs.append(
            Job(
                run=run.id,
                pipeline=run.pipeline,
                ranked_at=ranked_at,
                pool=step.pool if attached_to is None else private_pool(attached_to),
                key=filled(step.key, run.parameters),
                attached=attached_to is not None,
                retry=step.retry,
                timeout=step.timeout,
            )
        )
        return True

    def end(self, run: Run) -> None:
        """Store a run that ended before it began."""
        self.store(run, event_of_end(run, run.created_at))

    def store(self, run: Run, event: RunEvent) -> None:
        """Store a run that nobody is to execute."""
        self._runs.append(run)
        self._events.append(event)

    def write(self, unit: UnitOfWork) -> None:
        """Write what was noted since the last time."""
        if self._runs:
            unit.runs.add(*self._runs)
            unit.journal.record(self._events)
            unit.queue.add(*self._jobs)
        self._runs, self._events, self._jobs = [], [], []
