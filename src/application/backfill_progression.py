"""How a backfill goes on: a partition that is done makes room for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from ..domain.plans import PlannedStep
from ..domain.runs import Run, RunState, Trigger
from ..ports.runtime import Ids
from ..ports.storage import UnitOfWork
from .planned_runs import queue_run

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

    def after(self, unit: UnitOfWork, run: Run) -> list[Run]:
        """Note how the run of a partition ended, and submit what there is room for now."""
        assert run.backfill is not None  # noqa: S101  # it is the run of a partition
        backfill = unit.backfills.hold(run.backfill)
        if backfill is None:
            return []
        for part in unit.backfills.parts(backfill.id, states=[PartState.ACTIVE]):
            if part.run == run.id:
                unit.backfills.change_part(
                    backfill.id, part.number, expected=PartState.ACTIVE, state=_PARTS[run.state]
                )
        return self.fill(unit, backfill)

    def fill(self, unit: UnitOfWork, backfill: Backfill) -> list[Run]:
        """Submit partitions until as many are active as may be; end it when none is left.

        The backfill is held by the caller.
        """
        counts = unit.backfills.counts(backfill.id)
        room = backfill.max_active - counts.get(PartState.ACTIVE, 0)
        begun: list[Run] = []
        if backfill.state is BackfillState.RUNNING and room > 0:
            step = PlannedStep.from_dict(backfill.step)
            planned = [PartState.PLANNED]
            for part in unit.backfills.parts(backfill.id, states=planned, limit=room):
                run = self._submit(unit, backfill, part, step)
                if run.plan is not None:
                    begun.append(run)
            counts = unit.backfills.counts(backfill.id)
        if not counts.get(PartState.ACTIVE) and not counts.get(PartState.PLANNED):
            _end(unit, backfill, counts)
        return begun

    def _submit(
        self, unit: UnitOfWork, backfill: Backfill, part: BackfillPart, step: PlannedStep
    ) -> Run:
        at = unit.queue.now()
        run = Run(
            self.ids.new(),
            backfill.pipeline,
            part.parameters,
            RunState.PENDING,
            at,
            trigger=Trigger.BACKFILL,
            partition=part.partition,
            force=backfill.force,
            plan=None if step.plan is None else step.plan.to_dict(),
            backfill=backfill.id,
        )
        queue_run(unit, run, step, at)
        unit.backfills.change_part(
            backfill.id,
            part.number,
            expected=PartState.PLANNED,
            state=PartState.ACTIVE,
            run=run.id,
        )
        return run


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
