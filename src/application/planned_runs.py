"""Queueing the run of a planned step: of a workflow, or of a backfill's partition."""

from __future__ import annotations

from datetime import datetime

from ..domain.plans import PlannedStep, filled
from ..domain.queueing import Job
from ..domain.runs import EventKind, Run, RunEvent
from ..ports.storage import UnitOfWork
from .submissions import private_pool


def queue_run(
    unit: UnitOfWork,
    run: Run,
    step: PlannedStep,
    ranked_at: datetime,
    *,
    attached_to: str | None = None,
) -> bool:
    """Store the run, and queue it; False for a workflow, whose steps are queued instead of it."""
    unit.runs.add(run)
    unit.journal.record([RunEvent(run.id, EventKind.SUBMITTED, run.created_at)])
    if step.plan is not None:
        return False
    unit.queue.add(
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
