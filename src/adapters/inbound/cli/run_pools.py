"""Which pools a worker has to serve for what waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ....domain.plans import Plan

if TYPE_CHECKING:
    from ....domain.runs import Run
    from .use_cases import RunReader


def pools_of(reader: RunReader, run: Run) -> frozenset[str]:
    """The pools that a run and its steps wait in; none where that is not known (any more)."""
    if run.plan is not None:
        return frozenset(_pools_of(Plan.from_dict(run.plan)))
    job = reader.job(run.id)
    return frozenset() if job is None else frozenset({job.pool})


def _pools_of(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if step.plan is None:
            yield step.pool
        else:
            yield from _pools_of(step.plan)
