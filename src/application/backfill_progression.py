"""How a backfill goes on: a partition that is done makes room for the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..domain.backfills import MOST_ACTIVE, Backfill, BackfillPart, BackfillState, PartState
from ..domain.plans import PlannedStep
from ..domain.runs import Run, RunState, Trigger
from ..ports.runtime import Ids
from ..ports.storage import UnitOfWork
from .planned_runs import NewRuns

_PARTS = {
    RunState.SUCCEEDED: PartState.SUCCEEDED,
    RunState.FAILED: PartState.FAILED,
    RunState.CANCELLED: PartState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class BackfillProgression:
    """Moves backfills on; each method is a part of the caller's unit of work.

    What is answered are the runs of workflows that have begun with it: their steps are to be
    queued by the caller.
    """

    ids: Ids

    def after(self, unit: UnitOfWork, backfill: Backfill, runs: Sequence[Run]) -> list[Run]:
        """Note how runs of partitions ended, and submit what there is room for now.

        The backfill is held by the caller.
        """
        active = _active(unit, backfill)
        over = _note(unit, active, {run.id: run.state for run in runs})
        return self._fill(unit, backfill, len(active) - over)

    def fill(self, unit: UnitOfWork, backfill: Backfill) -> list[Run]:
        """Submit partitions until as many are active as may be; end it when none is left.

        The backfill is held by the caller.
        """
        active = _active(unit, backfill)
        # The end of a run that was noted by an older version may have passed them by.
        known = unit.runs.find([part.run for part in active if part.run is not None])
        over = _note(unit, active, {run.id: run.state for run in known})
        return self._fill(unit, backfill, len(active) - over)

    def _fill(self, unit: UnitOfWork, backfill: Backfill, active: int) -> list[Run]:
        room = backfill.max_active - active
        # One at least, to see whether any is left.
        planned = unit.backfills.parts(backfill.id, states=[PartState.PLANNED], limit=max(room, 1))
        if not active and not planned:
            _end(unit, backfill, unit.backfills.counts(backfill.id))
        if backfill.state is not BackfillState.RUNNING or room < 1:
            return []
        return self._submit(unit, backfill, planned)

    def _submit(
        self, unit: UnitOfWork, backfill: Backfill, parts: Sequence[BackfillPart]
    ) -> list[Run]:
        """Queue the runs of planned partitions; those of workflows, which begin with it."""
        at = unit.queue.now()
        step = PlannedStep.from_dict(backfill.step)
        runs = [self._run(backfill, part, step, at) for part in parts]
        new = NewRuns()
        begun = [run for run in runs if not new.queue(run, step, at)]
        new.write(unit)
        begin = zip(parts, runs, strict=True)
        active = (replace(part, state=PartState.ACTIVE, run=run.id) for part, run in begin)
        unit.backfills.change_parts(*active, expected=PartState.PLANNED)
        return begun

    def _run(self, backfill: Backfill, part: BackfillPart, step: PlannedStep, at: datetime) -> Run:
        return Run(
            self.ids.new(),
            backfill.pipeline,
            part.parameters,
            RunState.PENDING,
            at,
            trigger=Trigger.BACKFILL,
            partition=part.partition,
            force=backfill.force,
            plan=None if step.plan is None else step.plan.document,
            backfill=backfill.id,
        )


def _active(unit: UnitOfWork, backfill: Backfill) -> Sequence[BackfillPart]:
    # All of them: they may be more than the limit that was set since they began.
    return unit.backfills.parts(backfill.id, states=[PartState.ACTIVE], limit=MOST_ACTIVE)


def _note(unit: UnitOfWork, active: Sequence[BackfillPart], states: Mapping[str, RunState]) -> int:
    """Note which of the active partitions' runs have ended; how many have."""
    over: list[BackfillPart] = []
    for part in active:
        state = None if part.run is None else states.get(part.run)
        if state in _PARTS:
            over.append(replace(part, state=_PARTS[state]))
    unit.backfills.change_parts(*over, expected=PartState.ACTIVE)
    return len(over)


def _end(unit: UnitOfWork, backfill: Backfill, counts: Mapping[PartState, int]) -> None:
    if counts.get(PartState.FAILED):
        state = BackfillState.FAILED
    elif counts.get(PartState.CANCELLED):
        state = BackfillState.CANCELLED
    else:
        state = BackfillState.SUCCEEDED
    unit.backfills.change(
        backfill.id,
        expected=[BackfillState.RUNNING, BackfillState.PAUSED],
        state=state,
        finished_at=unit.queue.now(),
    )
