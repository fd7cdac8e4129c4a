"""One workflow's run as it moves on: the runs of its next steps, and its outcome."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from ..domain.errors import (
    Category,
    ErrorContext,
    SpineError,
    ValidationError,
    as_spine_error,
)
from ..domain.plans import Counts, Plan, PlannedStep, condition, filled
from ..domain.queueing import HEAD_START
from ..domain.references import Scope
from ..domain.runs import NOT_KEPT, Run, RunFilter, RunState, Trigger
from ..domain.secret_places import holds_secret
from ..ports.runtime import Ids
from ..ports.storage import UnitOfWork
from .planned_runs import NewRuns

log = logging.getLogger(__name__)

_PAGE = 200
MOST_ITEMS = 10_000
"""A step is done for at most so many items of a list."""


@dataclass(slots=True)
class WorkflowMoves:
    """What becomes of a workflow's run, which the caller holds. ``new`` takes its new runs."""

    unit: UnitOfWork
    run: Run
    plan: Plan
    ids: Ids
    new: NewRuns
    at: datetime
    _outputs: dict[str, Any] = field(default_factory=dict)

    def note_outputs(self, ended: Iterable[Run]) -> None:
        """What steps returned that have just ended: it need not be asked of the store."""
        for run in ended:
            if run.step is not None and run.item is None and run.state is RunState.SUCCEEDED:
                self._outputs[run.step] = _output_of(run)

    def start(self, step: PlannedStep) -> Sequence[Run] | None:
        """Queue the runs of a step; workflows that began with it.

        None when it ended at once, which is noted: something may follow from that.
        """
        try:
            asked = condition(step)
            if asked is not None and not asked.holds(self._scope()):
                reason = f"skipped, because {asked.text} does not hold"
                self.add(step, RunState.SKIPPED, warnings=(reason,))
                return None
            prepared = self._prepared(step)
        except ValidationError as error:
            # What the steps have returned is not what this one asks for.
            self.add(step, RunState.FAILED, error=error)
            return None
        except SpineError:
            raise  # the store's
        except Exception as error:
            # Whoever ends the step before must not fail for it, again and again.
            log.exception("step %s of run %s cannot begin", step.name, self.run.id)
            failed = as_spine_error(error, doing=f"beginning step {step.name}")
            self.add(step, RunState.FAILED, error=failed)
            return None
        if not prepared:
            self.add(step, RunState.SUCCEEDED, metrics={"items": 0})
            return None
        return [run for run, queued in map(self._queue, prepared) if not queued]

    def add(self, step: PlannedStep, state: RunState, **outcome: Any) -> None:
        """Note a step that ended before it began."""
        run = replace(self._new(step, None, {}), state=state, finished_at=self.at, **outcome)
        if run.error is not None:
            run.error.within(ErrorContext(run=run.id, pipeline=run.pipeline, step=step.name))
        self.new.end(run)

    def ended(self, state: RunState, counts: Counts) -> Run:
        """The workflow's run with its outcome."""
        good = [name for name, states in counts.items() if set(states) == {RunState.SUCCEEDED}]
        error = None
        if state is RunState.FAILED:
            error = self._failure(counts, len(good))
        elif state is RunState.CANCELLED:
            error = SpineError(
                "the workflow was cancelled",
                category=Category.TRANSIENT,
                hint=f"spine runs retry {self.run.id} goes on with what is not done",
                retryable=False,
            )
        if error is not None:
            error.within(ErrorContext(run=self.run.id, pipeline=self.run.pipeline))
        return replace(
            self.run,
            state=state,
            finished_at=self.at,
            metrics={"steps": len(self.plan.steps), "steps_succeeded": len(good)},
            output=self._output() if state is RunState.SUCCEEDED else None,
            error=error,
        )

    def _failure(self, counts: Counts, good: int) -> SpineError:
        errors = self._errors()
        # What somebody has to mend comes before what the same again may mend.
        cause = min(errors.values(), key=lambda error: error.retryable, default=None)
        passes = cause is not None and cause.retryable
        states = {
            name: min(states, key=_SEVERITY.index)
            for name, states in counts.items()
            if set(states) != {RunState.SUCCEEDED}
        }
        return SpineError(
            f"{len(self.plan.steps) - good} of {len(self.plan.steps)} steps of "
            f"{self.run.pipeline} did not succeed: "
            + ", ".join(f"{name} {state.value}" for name, state in states.items())
            + "".join(f"; {name}: {it.message}" for name, it in islice(errors.items(), 20)),
            category=Category.TRANSFORM if cause is None else cause.category,
            hint=f"{'' if passes else 'mend it, then '}spine runs retry {self.run.id}: "
            "what is done is not done again",
            retryable=passes,
            cause=cause,
        )

    def _errors(self) -> dict[str, SpineError]:
        """The first error of each step; the first that does not pass by itself where one does not.

        Where there are very many, all are looked at until one of those is found.
        """
        found: dict[str, SpineError] = {}
        after = None
        while all(error.retryable for error in found.values()):
            page = self.unit.runs.list(
                RunFilter(
                    parent=self.run.id,
                    state=RunState.FAILED,
                    oldest_first=True,
                    after=after,
                    limit=_PAGE,
                )
            )
            if not page:
                break
            for run in page:
                before = found.get(run.step or "")
                if run.error and (before is None or (before.retryable and not run.error.retryable)):
                    found[run.step or ""] = run.error
            after = page[-1].id
        return found

    def _output(self) -> dict[str, Any]:
        """What the steps returned that no other step comes after."""
        before = {name for step in self.plan.steps for name in step.after}
        return {
            step.name: None if isinstance(found := self._kept(step.name), _NotKept) else found
            for step in self.plan.steps
            if step.name not in before
        }

    def _prepared(self, step: PlannedStep) -> list[tuple[PlannedStep, int | None, dict[str, Any]]]:
        """The runs of a step: the number of the item, if there are some, and the parameters."""
        if step.each is None:
            return [(step, None, self._parameters(step))]
        items = enumerate(self._items(step))
        return [(step, number, self._parameters(step, item)) for number, item in items]

    def _queue(self, of: tuple[PlannedStep, int | None, dict[str, Any]]) -> tuple[Run, bool]:
        step, item, parameters = of
        run = self._new(step, item, parameters)
        # A workflow that is under way is finished before others are begun.
        ranked_at = min(self.at, self.run.created_at) - self.plan.priority * HEAD_START
        return run, self.new.queue(run, step, ranked_at, self.plan.attached_to)

    def _new(self, step: PlannedStep, item: int | None, parameters: dict[str, Any]) -> Run:
        return Run(
            id=self.ids.new(),
            pipeline=step.pipeline,
            parameters=parameters,
            state=RunState.PENDING,
            created_at=self.at,
            parent=self.run.id,
            step=step.name,
            item=item,
            trigger=Trigger.WORKFLOW,
            partition=filled(step.partition, parameters),
            force=self.run.force,
            plan=None if step.plan is None else step.plan.document,
        )

    def _parameters(self, step: PlannedStep, item: Any = None) -> dict[str, Any]:
        scope = self._scope(item)
        found = {name: scope.resolve(value) for name, value in step.parameters.items()}
        parameters = {name: value for name, value in found.items() if value is not None}
        _refuse_secrets(step, parameters)
        for template in (step.key, step.partition):
            filled(template, parameters)  # what does not fit is found before anything is queued
        return parameters

    def _scope(self, item: Any = None) -> Scope:
        return Scope(self.run.parameters, self._returned, item)

    def _items(self, step: PlannedStep) -> list[Any]:
        found = self._scope().resolve(step.each)
        if not isinstance(found, list):
            raise ValidationError(
                f"{step.each} of step {step.name!r} is {type(found).__name__}, not a list",
                hint="return a list from the step before, or give one",
            )
        if len(found) > MOST_ITEMS:
            raise ValidationError(
                f"step {step.name!r} would be done for {len(found):,} items",
                hint=f"at most {MOST_ITEMS:,} are done; let each do several",
            )
        return found

    def _returned(self, name: str) -> Any:
        """What a step returned; raises a ValidationError where that is not known any more."""
        found = self._kept(name)
        if isinstance(found, _NotKept):
            raise ValidationError(
                f"step {name!r} returned what is asked for here, but {found.why}",
                hint="return a JSON value, or where it is",
            )
        return found

    def _kept(self, name: str) -> Any:
        """What is kept of what a step returned: asked of the store once, however many ask."""
        if name not in self._outputs:
            self._outputs[name] = self._stored_output(name)
        return self._outputs[name]

    def _stored_output(self, name: str) -> Any:
        """A list, in the order of its items, for a step that has some."""
        step = self.plan.step(name)
        runs = self.unit.runs.list(
            RunFilter(parent=self.run.id, step=name, state=RunState.SUCCEEDED, limit=MOST_ITEMS)
        )
        if step is not None and step.each is not None:
            items = sorted((run for run in runs if run.item is not None), key=lambda r: r.item or 0)
            found = [_output_of(run) for run in items]
            return next((it for it in found if isinstance(it, _NotKept)), found)
        return _output_of(runs[0]) if runs else None


@dataclass(frozen=True, slots=True)
class _NotKept:
    """Stands for what a step returned and the store does not have."""

    why: str


def _output_of(run: Run) -> Any:
    if run.output is None:
        for warning in run.warnings:
            if warning.startswith(NOT_KEPT):
                return _NotKept(warning)
    return run.output


def _refuse_secrets(step: PlannedStep, parameters: Mapping[str, Any]) -> None:
    """What steps have returned is judged here, before it is stored as a parameter."""
    for name, within in step.secrets:
        if holds_secret(parameters.get(name), within):
            raise ValidationError(
                f"{name} of step {step.name!r} is or holds a secret, which is never stored, and "
                f"{step.parameters[name]} is no reference to where it is kept",
                hint="let the step before return env:NAME or file:PATH, which is read by the "
                "process that executes this one",
                metadata={"parameters": {name: "is or holds a secret"}},
            )


_SEVERITY = (
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.SKIPPED,
    RunState.RUNNING,
    RunState.PENDING,
    RunState.SUCCEEDED,
)
