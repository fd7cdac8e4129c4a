"""Whether anything is left that a worker will ever take."""

from __future__ import annotations

from collections.abc import Container

from ..domain.queueing import QueueState
from ..domain.runs import RunFilter, RunState
from ..ports.storage import Store

_PAGE = 200


def waits(store: Store, pools: Container[str], pipelines: Container[str]) -> bool:
    """Whether a run waits in the pools for a worker that knows the pipelines.

    Also one that waits for its time, for a limit, or for another run of its key.
    """
    before = None
    with store.read() as unit:
        while page := unit.runs.list(RunFilter(state=RunState.PENDING, before=before, limit=_PAGE)):
            for run in page:
                job = unit.queue.get(run.id) if run.pipeline in pipelines else None
                if job is not None and job.state is not QueueState.CLAIMED and job.pool in pools:
                    return True
            before = page[-1].id
    return False
