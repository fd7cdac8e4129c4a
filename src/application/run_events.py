"""The events that tell of what becomes of runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..domain.queueing import Job, Lease
from ..domain.runs import EventKind, Run, RunEvent


def event_of_job(
    job: Job, kind: EventKind, at: datetime, detail: Mapping[str, Any] | None = None
) -> RunEvent:
    """What happened to a run, by the claim that its job tells of."""
    return RunEvent(job.run, kind, at, job.attempt, job.fence, job.owner, dict(detail or {}))


def event_of_end(run: Run, at: datetime, lease: Lease | None = None) -> RunEvent:
    """The end of a run, with its error; ``lease`` is that of the process that has ended it."""
    detail = {} if run.error is None else {"error": run.error.to_dict()}
    kind = EventKind(run.state.value)
    if lease is None:
        return RunEvent(run.id, kind, at, detail=detail)
    return RunEvent(run.id, kind, at, run.attempt, lease.fence, lease.owner, detail)
