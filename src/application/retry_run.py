"""Go on with a run that has ended: a new run takes over what was done, and does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ..domain.errors import ConfigurationError, ValidationError
from ..domain.plans import Plan, PlannedStep
from ..domain.redaction import is_masked
from ..domain.runs import EventKind, Run, RunEvent, RunFilter, RunState, Trigger
from ..ports.runtime import Clock, Ids
from ..ports.storage import Store, UnitOfWork
from .catalog import Catalog
from .done_before import take_over
from .lifecycle import Lifecycle
from .read_runs import run_not_found
from .submissions import Prepared, Submission, prepared
from .unit_attempts import typed_errors, undisturbed


class Extent(Enum):
    """How much of a workflow is done again."""

    FAILED = "FAILED"
    """What did not succeed."""
    ALL = "ALL"


@dataclass(frozen=True, slots=True)
class RetryRun:
    """Makes new runs of ended ones. An ended run itself never changes."""

    store: Store
    clock: Clock
    ids: Ids
    catalog: Catalog
    lifecycle: Lifecycle

    def __call__(
        self, run_id: str, *, extent: Extent = Extent.FAILED, from_step: str | None = None
    ) -> Run:
        """The new run, queued. ``from_step`` is done again with all that comes after it.

        Raises a ValidationError when there is no such run, when it is live, a part of another one
        or being retried already, when it succeeded and nothing of it is asked for again, or when
        it has no such step.
        """
        with typed_errors(f"retrying run {run_id}"):
            return undisturbed(lambda: self._retry(run_id, extent, from_step))

    def _retry(self, run_id: str, extent: Extent, from_step: str | None) -> Run:
        with self.store.write() as unit:
            found = unit.runs.hold(run_id)
            if not found:
                raise run_not_found(run_id)
            old = found[0]
            _check(old, extent, from_step)
            _refuse_second(unit, old)
            at = unit.queue.now()
            item = self._prepared(old)
            item = replace(item, run=replace(item.run, created_at=at))
            again = _again(item, extent, from_step)
            unit.runs.add(item.run)
            detail = {"retry_of": old.id}
            unit.journal.record([RunEvent(item.run.id, EventKind.SUBMITTED, at, detail=detail)])
            if item.plan is None:
                unit.queue.add(replace(item.job, ranked_at=at))
            else:
                self._go_on(unit, old, item.run, item.plan, again)
            run = unit.runs.get(item.run.id) or item.run
            unit.commit()
        return run

    def _prepared(self, old: Run) -> Prepared:
        masked = [name for name, value in old.parameters.items() if is_masked(value)]
        if masked:
            raise ValidationError(
                f"{', '.join(masked)} of run {old.id} is or holds a secret, which was not stored",
                hint="run it again with spine run, or submit it with env:NAME or file:PATH instead",
            )
        submission = Submission(
            old.pipeline,
            old.parameters,
            force=old.force,
            trigger=Trigger.RETRY,
            partition=old.partition,
            retry_of=old.id,
        )
        try:
            return prepared(self.catalog, self.ids, submission, self.clock.now())
        except ValidationError as error:
            if old.plan is None or self.catalog.workflows.find(old.pipeline) is not None:
                raise
            raise ConfigurationError(
                f"workflow {old.pipeline} is not known any more",
                hint="add the module that declares it to SPINE_MODULES",
                cause=error,
            ) from error

    def _go_on(self, unit: UnitOfWork, old: Run, new: Run, plan: Plan, again: set[str]) -> None:
        """Take over what was done, and begin with the rest."""
        taken = take_over(unit, self.ids, old, new, plan, again)
        progression = self.lifecycle.progression
        progression.begin(unit, *taken.fresh)
        # Where everything was done, what is around it follows.
        for level in reversed(taken.levels):
            progression.advance(unit, *(run.id for run in level))


def _check(old: Run, extent: Extent, from_step: str | None) -> None:
    if not old.state.final:
        raise ValidationError(
            f"run {old.id} is {old.state.value}", hint="cancel it first, or wait for its end"
        )
    if old.parent is not None:
        raise ValidationError(
            f"run {old.id} is a part of run {old.parent}",
            hint=f"spine runs retry {old.parent} does what is left of it",
        )
    if old.state is RunState.SUCCEEDED and extent is Extent.FAILED and from_step is None:
        raise ValidationError(
            f"run {old.id} has succeeded: nothing of it is left to do",
            hint="--all does it again, --from-step NAME a part of it",
        )
    if from_step is not None:
        plan = None if old.plan is None else Plan.from_dict(old.plan)
        if plan is None or plan.step(from_step) is None:
            steps = ", ".join(step.name for step in plan.steps) if plan else "none"
            raise ValidationError(
                f"run {old.id} has no step {from_step!r}", hint=f"its steps: {steps}"
            )


def _refuse_second(unit: UnitOfWork, old: Run) -> None:
    for run in unit.runs.list(RunFilter(retry_of=old.id, top_level_only=True, limit=20)):
        if not run.state.final:
            raise ValidationError(
                f"run {run.id} goes on with run {old.id} already",
                hint=f"spine runs show {run.id} --follow shows how far it is",
                metadata={"run": run.id},
            )


def _again(item: Prepared, extent: Extent, from_step: str | None) -> set[str]:
    """Names of the steps that are done again although they may have succeeded."""
    steps: Sequence[PlannedStep] = () if item.plan is None else item.plan.steps
    if extent is Extent.ALL:
        return {step.name for step in steps}
    again: set[str] = set()
    for step in steps:
        # Steps stand in an order in which the earlier ones come first.
        if step.name == from_step or again.intersection(step.after):
            again.add(step.name)
    return again
